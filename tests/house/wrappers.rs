//! A journal around another one forwards every call: one that it forgot would fall back to the trait's default.

use std::collections::BTreeSet;

use saga_house::read;

/// The names of the methods in a trait or an implementation: four spaces, then `fn`, or `async fn`.
fn methods(block: &str) -> BTreeSet<&str> {
    let lines = block.lines().filter_map(|line| {
        let rest = line.strip_prefix("    ")?;
        let rest = rest.strip_prefix("async ").unwrap_or(rest);
        rest.strip_prefix("fn ")?.split(['(', '<']).next()
    });
    lines.collect()
}

/// From `start` up to the brace that closes it at the beginning of a line.
fn block<'a>(text: &'a str, start: &str) -> &'a str {
    let from = text.find(start).expect("it is there");
    let text = &text[from..];
    &text[..text.find("\n}").expect("it is closed")]
}

#[test]
fn the_journal_of_the_failure_matrix_forwards_what_the_one_in_memory_does_itself() {
    let memory = read("saga-runtime/src/journal/memory.rs").text;
    let own = methods(block(&memory, "impl Journal for Memory"));
    assert!(own.len() > 10, "{own:?}");
    let watched = read("saga-runtime/src/testing/matrix/watched.rs").text;
    let forwarded = methods(block(&watched, "impl Journal for Watched"));
    let forgotten: Vec<_> = own.difference(&forwarded).collect();
    assert_eq!(forgotten, [""; 0].iter().collect::<Vec<_>>());
}

#[test]
fn the_journal_that_counts_forwards_every_call() {
    let journal = read("saga-runtime/src/journal.rs").text;
    let promised = methods(block(&journal, "pub trait Journal:"));
    assert!(promised.len() > 20, "{promised:?}");
    let metered = read("saga-runtime/src/coordinator/metered.rs").text;
    let forwarded = methods(block(&metered, "impl Journal for Metered"));
    assert_eq!(forwarded, promised);
}
