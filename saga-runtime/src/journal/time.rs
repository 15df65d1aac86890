//! Times in journals: whole milliseconds since 1970.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970; 0 for an earlier time. They fit the signed integers of SQL.
#[must_use]
pub fn to_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    u64::try_from(millis).map_or(LAST, |millis| millis.min(LAST))
}

/// The time so many milliseconds after 1970. A number that no clock can show is the last time that one can.
#[must_use]
pub fn from_millis(millis: u64) -> SystemTime {
    let after = Duration::from_millis(millis.min(LAST));
    let time = SystemTime::UNIX_EPOCH.checked_add(after);
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

const LAST: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_milliseconds_and_no_number_is_too_large() {
        for millis in [0, 1, 1_700_000_000_123, LAST - 1, LAST, u64::MAX] {
            assert_eq!(to_millis(from_millis(millis)), millis.min(LAST));
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(to_millis(before), 0);
    }
}
