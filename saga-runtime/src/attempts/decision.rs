//! What follows an attempt: pure functions, so that a table can test them. Waiting and running happen elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::meta::{Kind, StepMeta};

/// How an attempt ended, as far as the decision cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The step is done.
    Done,
    /// Nothing has happened.
    Refused {
        /// Whether another attempt may help.
        transient: bool,
    },
    /// It is open what has happened.
    InDoubt {
        /// Whether another attempt may help.
        transient: bool,
    },
}

impl Verdict {
    /// There is none: the attempt took too long, or panicked.
    pub(crate) const NONE: Self = Self::InDoubt { transient: true };

    /// What an error means, of which these predicates say if another attempt may help, and if it is open what has happened.
    #[inline]
    pub(crate) fn of_error<E>(
        error: &E,
        is_transient: fn(&E) -> bool,
        is_in_doubt: fn(&E) -> bool,
    ) -> Self {
        let transient = says(is_transient, error, false);
        if says(is_in_doubt, error, true) {
            Self::InDoubt { transient }
        } else {
            Self::Refused { transient }
        }
    }

    /// Whether this answer to a first attempt settles a step: nothing has happened, and no retry follows.
    #[inline]
    pub(crate) fn is_definite(self, step: &StepMeta) -> bool {
        let attempts_left = step.forward_retry().max_attempts() != Some(1);
        after_attempt(step.kind, self, attempts_left) == AfterAttempt::Refuse
    }
}

/// What a predicate says of an error; `otherwise` if it panics, which takes nothing for granted.
#[inline]
fn says<E>(predicate: fn(&E) -> bool, error: &E, otherwise: bool) -> bool {
    catch_unwind(AssertUnwindSafe(|| predicate(error))).unwrap_or(otherwise)
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterAttempt {
    /// The step is done: go on with its output.
    Proceed,
    /// Wait, then attempt it again under the same key.
    Again,
    /// The step is refused: nothing of it needs to be undone.
    Refuse,
    /// Find out, or undo, what the attempts may have done.
    Settle,
}

/// What follows `answer` of a step of this kind; `attempts_left` by its retry policy.
pub(crate) fn after_attempt(kind: Kind, answer: Verdict, attempts_left: bool) -> AfterAttempt {
    match (answer, kind) {
        (Verdict::Done, _) => AfterAttempt::Proceed,
        (_, Kind::Retriable) => AfterAttempt::Again,
        (Verdict::Refused { transient: true } | Verdict::InDoubt { transient: true }, _)
            if attempts_left =>
        {
            AfterAttempt::Again
        }
        (Verdict::Refused { .. }, _) => AfterAttempt::Refuse,
        (Verdict::InDoubt { .. }, _) => AfterAttempt::Settle,
    }
}

/// How a step in doubt is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoubtPlan {
    /// Its resolver undoes whatever may have happened.
    Resolve,
    /// It is asked again under the same key until the answer is definite.
    AskAgain,
    /// Whatever happened needs no undoing.
    Leave,
}

/// How a step of this kind is settled that `may_have_acted`, that is: that had an attempt without a definite answer.
pub(crate) fn settling(kind: Kind, has_resolver: bool, last: AfterAttempt) -> DoubtPlan {
    match kind {
        Kind::Compensatable if has_resolver => DoubtPlan::Resolve,
        // A refusal after an attempt in doubt is believed: participants answer finally per key.
        Kind::Compensatable | Kind::Pivot if last == AfterAttempt::Settle => DoubtPlan::AskAgain,
        Kind::Compensatable | Kind::Pivot | Kind::NothingToUndo | Kind::Retriable => {
            DoubtPlan::Leave
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_attempt() {
        let refused = |transient| Verdict::Refused { transient };
        let in_doubt = |transient| Verdict::InDoubt { transient };
        for kind in Kind::ALL {
            let forever = kind == Kind::Retriable;
            let or_again = |next| if forever { AfterAttempt::Again } else { next };
            for (answer, left, next) in [
                (Verdict::Done, true, AfterAttempt::Proceed),
                (Verdict::Done, false, AfterAttempt::Proceed),
                (refused(true), true, AfterAttempt::Again),
                (refused(true), false, or_again(AfterAttempt::Refuse)),
                (refused(false), true, or_again(AfterAttempt::Refuse)),
                (refused(false), false, or_again(AfterAttempt::Refuse)),
                (in_doubt(true), true, AfterAttempt::Again),
                (in_doubt(true), false, or_again(AfterAttempt::Settle)),
                (in_doubt(false), true, or_again(AfterAttempt::Settle)),
                (in_doubt(false), false, or_again(AfterAttempt::Settle)),
            ] {
                assert_eq!(
                    after_attempt(kind, answer, left),
                    next,
                    "{kind:?} {answer:?} left: {left}"
                );
            }
        }
    }

    #[test]
    fn how_doubt_is_settled() {
        use DoubtPlan::{AskAgain, Leave, Resolve};
        for (kind, has_resolver, last, expected) in [
            (Kind::Compensatable, true, AfterAttempt::Settle, Resolve),
            (Kind::Compensatable, true, AfterAttempt::Refuse, Resolve),
            (Kind::Compensatable, false, AfterAttempt::Settle, AskAgain),
            (Kind::Compensatable, false, AfterAttempt::Refuse, Leave),
            (Kind::NothingToUndo, false, AfterAttempt::Settle, Leave),
            (Kind::Pivot, false, AfterAttempt::Settle, AskAgain),
            (Kind::Pivot, false, AfterAttempt::Refuse, Leave),
        ] {
            assert_eq!(
                settling(kind, has_resolver, last),
                expected,
                "{kind:?} {has_resolver} {last:?}"
            );
        }
    }
}
