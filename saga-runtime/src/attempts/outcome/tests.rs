//! The records of a step's end.

use super::*;
use crate::language::ErrorCodec;
use crate::meta::{Kind, RetryPolicy};

const ONCE: StepMeta = StepMeta::new("step", Kind::Compensatable);
const TWICE: StepMeta = ONCE.retry(RetryPolicy::attempts(2));

#[test]
fn a_first_attempt_ends_a_step_that_is_done_or_refuses_for_good() {
    let busy = Verdict::Refused { transient: true };
    for (step, first, expected) in [
        (&TWICE, Verdict::Done, "Some(Done)"),
        (&ONCE, busy, "Some(Refused)"),
        (&TWICE, busy, "None"),
        (&ONCE, Verdict::NONE, "None"),
    ] {
        let end = StepEnd::<()>::after_first(first, step);
        assert_eq!(format!("{end:?}"), expected, "{first:?}");
    }
}

#[test]
fn an_error_is_recorded_as_its_text_and_whole_if_its_type_allows_it() {
    let whole = || {
        ErrorRecord::Whole(ErrorCodec {
            write: |error: &String| serde_json::to_string(error),
            read: |text| serde_json::from_str(text),
        })
    };
    let declined = || GiveUp::Error("declined".to_owned());
    let after = Duration::from_secs(3);
    for (reason, errors, code, error) in [
        (declined(), ErrorRecord::Text, "error", None),
        (declined(), whole(), "error", Some("\"declined\"")),
        (GiveUp::TimedOut { after }, whole(), "timed_out", None),
        (
            GiveUp::unrecordable_output("too large"),
            whole(),
            "unrecordable",
            None,
        ),
    ] {
        let recorded = reason.to_recorded(errors).into_reason();
        assert_eq!((&*recorded.code, recorded.error.as_deref()), (code, error));
    }
}

#[test]
fn what_was_settled_on_the_spot_is_reported() {
    let failure = || CompensationFailure::new(5, "down".to_owned());
    let reason = || "3 cents".to_owned();
    for (settlement, expected) in [
        (Settlement::Nothing, None),
        (Settlement::Done, None),
        (Settlement::Resolved, Some(CompensationOutcome::Resolved)),
        (
            Settlement::Unresolved(failure()),
            Some(CompensationOutcome::Failed(failure())),
        ),
        (
            Settlement::Skipped { reason: reason() },
            Some(CompensationOutcome::Skipped { reason: reason() }),
        ),
    ] {
        let report = settlement.into_compensation("charge".into(), 1);
        let expected = expected.map(|outcome| Compensation::new("charge".into(), 1, outcome));
        assert_eq!(report, expected);
    }
}

#[test]
fn a_cause_shows_its_text_and_its_debug_form_only_its_code() {
    let cause = FailureCause {
        code: "error",
        message: &"card 4711 declined",
        error: &|| None,
    };
    assert_eq!(cause.to_string(), "card 4711 declined");
    let debug = format!("{cause:?}");
    assert!(debug.contains("error"), "{debug}");
    assert!(!debug.contains("4711"), "{debug}");
}
