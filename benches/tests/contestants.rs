//! Every contestant does the work that its saga says, and this library does it without the heap.

use clap::ValueEnum;
use saga_benches::cell::{Cell, Ending, Length};
use saga_benches::contestants::Contestant;

#[test]
fn every_contestant_does_the_same_work() -> anyhow::Result<()> {
    for cell in Cell::all() {
        cell.repeat(3)?;
    }
    Ok(())
}

#[test]
fn a_saga_that_succeeds_allocates_nothing() -> anyhow::Result<()> {
    for &length in Length::value_variants() {
        let cell = Cell {
            contestant: Contestant::SagaRuntime,
            length,
            ending: Ending::Success,
        };
        // Whatever is allocated once per process is so in the first run.
        cell.repeat(1)?;
        // Only a debug build puts into boxes: each attempt, to compile faster, and the body and each 16 outputs, to need less of
        // the stack.
        let boxed = if cfg!(debug_assertions) {
            let steps = length.steps();
            10 * u64::try_from(steps + 1 + steps.div_ceil(16))?
        } else {
            0
        };
        let ten = allocations(cell, 10)?;
        assert_eq!(allocations(cell, 20)?, ten + boxed, "{cell}");
    }
    Ok(())
}

fn allocations(cell: Cell, sagas: u32) -> anyhow::Result<u64> {
    let mut ran = Ok(std::time::Duration::ZERO);
    let info = allocation_counter::measure(|| ran = cell.repeat(sagas));
    ran?;
    Ok(info.count_total)
}
