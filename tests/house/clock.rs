//! The sources of the runtime read the time of day in one place, so that a test can wind the clock.

use saga_house::{below, without_comments};

/// Files whose threads measure how long they wait, by the clock of the system.
const THREADS: [&str; 3] = [
    "saga-runtime/src/journal/sqlite/batch.rs",
    "saga-runtime/src/journal/sqlite/descriptor.rs",
    "saga-runtime/src/journal/sqlite/file_lock.rs",
];

#[test]
fn one_file_reads_the_clock_of_the_system() {
    let mut readers = Vec::new();
    for file in below("saga-runtime/src", "rs") {
        let is_test = file.path.ends_with("tests.rs") || file.path.contains("/behaviours/");
        let text = without_comments(&file.text);
        let reads_time = text.contains("SystemTime::now") || text.contains(".elapsed()?");
        let is_thread = THREADS.contains(&file.path.as_str());
        let measures = (text.contains("std::time::Instant")
            || text
                .lines()
                .any(|line| line.starts_with("use std::time::") && line.contains("Instant")))
            && !is_thread;
        if !is_test && (reads_time || measures) {
            readers.push(file.path);
        }
    }
    assert_eq!(readers, ["saga-runtime/src/clock.rs"]);
}
