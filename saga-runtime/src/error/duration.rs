//! Durations in recorded texts, as `Debug` writes them: `3s`, `1.5ms`.

use std::time::Duration;

/// Reads what the `Debug` of a duration has written.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|one: char| !one.is_ascii_digit() && one != '.')?;
    let (number, unit) = text.split_at(digits);
    let nanos_each: u64 = match unit {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "µs" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut nanos = 0;
    let mut each = nanos_each;
    for digit in fraction.chars() {
        each /= 10;
        nanos += u64::from(digit.to_digit(10)?) * each;
    }
    let whole = match unit {
        "s" => Duration::from_secs(whole),
        _ => Duration::from_nanos(whole.checked_mul(nanos_each)?),
    };
    let read = whole.checked_add(Duration::from_nanos(nanos))?;
    (format!("{read:?}") == text).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_it_was_written() {
        let mut nanos = vec![0, 1, 999, 1_000, 1_001, 1_500_000, 999_999_999, u64::MAX];
        nanos.extend((0..64).map(|bits| (1 << bits) - 1));
        for duration in nanos
            .into_iter()
            .map(Duration::from_nanos)
            .chain([Duration::MAX])
        {
            assert_eq!(parse(&format!("{duration:?}")), Some(duration));
        }
        for text in ["", "s", "3", "3h", "3.s", "03s", "1..5s", "3s ago", "-3s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
