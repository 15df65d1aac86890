//! Prints the heap allocations of one cell per saga, and their bytes. Apart from the other binary because the
//! allocator that counts is in here.

use clap::Parser;
use saga_benches::allocations::Allocations;
use saga_benches::cell::Cell;
use saga_benches::readings::per_saga;

/// Counts the heap allocations of one saga.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    cell: Cell,
    /// How many sagas to run; the counts are taken from the difference to twice as many.
    sagas: u32,
}

fn main() -> anyhow::Result<()> {
    let Arguments { cell, sagas } = Arguments::parse();
    let once = measure(cell, sagas)?;
    let twice = measure(cell, 2 * sagas)?;
    println!(
        "{}",
        Allocations {
            count: per_saga(once.count_total, twice.count_total, sagas),
            bytes: per_saga(once.bytes_total, twice.bytes_total, sagas),
        }
    );
    Ok(())
}

fn measure(cell: Cell, sagas: u32) -> anyhow::Result<allocation_counter::AllocationInfo> {
    let mut ran = Ok(std::time::Duration::ZERO);
    let info = allocation_counter::measure(|| ran = cell.repeat(sagas));
    ran?;
    Ok(info)
}
