//! What reaches the disk.

use std::env;
use std::fs;
use std::process::Command;

/// The bytes that this process has given to the operating system to be written, as far as that can be read.
pub(super) fn bytes_written() -> f64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|bytes| bytes.parse().ok()).unwrap_or(0.0)
}

/// How often a process that runs so many sagas waits for the disk; nothing without `strace`.
pub(super) fn fsyncs(in_flight: usize, each: usize) -> Option<f64> {
    let output = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync"])
        .arg(env::current_exe().ok()?)
        .args(["once", &in_flight.to_string(), &each.to_string()])
        .output()
        .ok()?;
    // The columns of the summary: % of the time, seconds, microseconds a call, calls, errors if any, the call.
    let summary = String::from_utf8_lossy(&output.stderr);
    let calls = summary.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_sync = columns.last().is_some_and(|call| call.ends_with("sync"));
        is_sync.then(|| columns.get(3)?.parse::<f64>().ok())?
    });
    let calls: f64 = calls.sum();
    (output.status.success() && calls > 0.0).then_some(calls)
}
