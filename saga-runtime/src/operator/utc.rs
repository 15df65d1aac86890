//! Times as people and URLs write them: `2026-11-29T03:00:00Z`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::journal::{from_millis, to_millis};

const SECONDS_PER_DAY: u64 = 86_400;

/// A time in UTC. It is written and read as `2026-11-29T03:00:00Z`; the time of the day may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc(pub SystemTime);

impl Utc {
    /// The time that is so many milliseconds after 1970.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(from_millis(millis))
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = to_millis(self.0) / 1000;
        let (year, month, day) = date_of(seconds / SECONDS_PER_DAY);
        let second = seconds % SECONDS_PER_DAY;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let second = second % 60;
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        f.pad(&text)
    }
}

impl FromStr for Utc {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
        let numbers = |text: &str, separator| -> Result<Vec<u64>, ()> {
            let parts = text.split(separator);
            parts.map(|part| part.parse().map_err(drop)).collect()
        };
        let [year, month, day] = numbers(date, '-')?[..] else {
            return Err(());
        };
        let (hour, minute, second) = match numbers(if time.is_empty() { "0" } else { time }, ':')?[..]
        {
            [hour] => (hour, 0, 0),
            [hour, minute] => (hour, minute, 0),
            [hour, minute, second] => (hour, minute, second),
            _ => return Err(()),
        };
        let may_be_date =
            (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !may_be_date || hour > 23 || minute > 59 || second > 59 {
            return Err(());
        }
        let days = days_to(year, month, day);
        if date_of(days) != (year, month, day) {
            // The month is shorter.
            return Err(());
        }
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Ok(Self(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// The days from 1970 to a date. The year begins in March, so that a leap day is its last day.
///
/// After H. Hinnant, *chrono-Compatible Low-Level Date Algorithms*.
fn days_to(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + years + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_is_read_as_it_is_written() {
        for day in (0..200_000).step_by(13) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY + 11_045);
            assert_eq!(Utc(time).to_string().parse(), Ok(Utc(time)), "day {day}");
        }
    }

    #[test]
    fn known_times_are_written_as_calendars_have_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_921_200, "2026-11-29T03:00:00Z"),
        ] {
            let time = Utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(time.to_string(), text);
        }
        assert_eq!("2026-11-29".parse(), "2026-11-29T00:00:00Z".parse::<Utc>());
        for wrong in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-02-31",
            "2026-02-29",
            "2026-04-31",
            "2026-11-29T24:30",
            "2026-11-29T25:00",
            "2026-11-29T23:59:60",
            "2026-11",
        ] {
            assert_eq!(wrong.parse::<Utc>(), Err(()), "{wrong}");
        }
    }
}
