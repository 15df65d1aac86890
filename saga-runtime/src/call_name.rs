//! The name of a call, as reports say it and operators' commands take it: `subscribe`, or `subscribe#1` for the second call
//! of that step.

use std::borrow::Cow;

/// The name of this call of a step: without a number for the first.
pub(crate) fn numbered(step: Cow<'static, str>, occurrence: usize) -> Cow<'static, str> {
    match occurrence {
        0 => step,
        occurrence => format!("{step}#{occurrence}").into(),
    }
}

/// The step of a call with this name, and the number of earlier calls of it.
pub(crate) fn split(call: &str) -> (&str, usize) {
    match call.rsplit_once('#') {
        Some((step, occurrence)) => match occurrence.parse() {
            Ok(occurrence) => (step, occurrence),
            Err(_) => (call, 0),
        },
        None => (call, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_as_it_was_put_together() {
        for (step, occurrence, call) in [
            ("charge", 0, "charge"),
            ("charge", 2, "charge#2"),
            ("pack#1/reserve", 0, "pack#1/reserve"),
            ("pack#1/reserve", 12, "pack#1/reserve#12"),
        ] {
            assert_eq!(numbered(step.into(), occurrence), call);
            assert_eq!(split(call), (step, occurrence));
        }
    }

    #[test]
    fn what_has_no_number_is_a_name() {
        for name in ["", "#", "a#", "a#b", "a#-1"] {
            assert_eq!(split(name), (name, 0));
        }
    }
}
