//! The journal in memory.

use saga_runtime::journal::Memory;
use saga_runtime::journal_suite;
use saga_runtime::testing::Factory;

struct InMemory;

impl Factory for InMemory {
    type Journal = Memory;

    async fn open(&mut self) -> Memory {
        Memory::new()
    }

    async fn reopen(&mut self, journal: Memory) -> Memory {
        journal
    }
}

journal_suite!(InMemory);
