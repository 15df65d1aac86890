//! The words for a definition that does not fit a recorded history: the call that was expected, the call that came, and
//! what may have happened.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;

use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::Suspension;
use crate::journal::StepCall;

/// The possible reason if the body takes another way.
const OTHER_WAY: &str = "a branch may depend on something that is not recorded: between steps, the body must not ask a service, \
     a clock or a random number, but `cx.now()` and `cx.uuid()`";

/// The possible reason if the calls of one saga don't fit those of another.
const CALLED: &str = "a saga that is called was renamed, inserted, moved or removed: keep its recorded name, or give the saga \
     that calls it another version";

impl Journaled {
    /// The definition of the saga does not fit its records.
    pub(super) fn changed(&self, what: impl Display) -> Suspension {
        let name = self.instance.name();
        Suspension::stuck(
            "definition_changed",
            format!("the definition of `{name}` has changed: {what}"),
        )
    }

    /// The call does not fit.
    pub(super) fn changed_at(&self, recorded: &StepCall, what: impl Display) -> Suspension {
        self.recorder.keep_misfit(recorded);
        self.changed(what)
    }

    /// The recorded value of a call does not fit its type.
    pub(super) fn unreadable_at(
        &self,
        recorded: &StepCall,
        what: impl Display,
        error: impl Display,
    ) -> Suspension {
        self.recorder.keep_misfit(recorded);
        let message = format!("the recorded {what} can't be read: {error}");
        Suspension::stuck("unreadable", message)
    }

    /// The call with this number is not the recorded one.
    pub(super) fn other_call(
        &self,
        number: usize,
        called: &StepCall,
        recorded: &StepCall,
    ) -> Suspension {
        let hint = if called.name == recorded.name && called.occurrence == recorded.occurrence {
            "it is undone in another way now".to_owned()
        } else if called.name == recorded.name || self.history.knows(called) {
            format!("the order of the steps was changed, or {OTHER_WAY}")
        } else {
            unless_renamed(called, recorded)
        };
        self.changed_at(
            recorded,
            format_args!(
                "call {} is recorded as {}, and is {} now; {hint}",
                number + 1,
                recorded.words(),
                called.words(),
            ),
        )
    }

    /// The call with this number is none of the steps that run at the same time there now.
    pub(super) fn other_group(
        &self,
        number: usize,
        group: &HashSet<StepCall>,
        recorded: &StepCall,
    ) -> Suspension {
        let is_same =
            |call: &&StepCall| call.name == recorded.name && call.occurrence == recorded.occurrence;
        if let Some(called) = group.iter().find(is_same) {
            return self.other_call(number, called, recorded);
        }
        let names: BTreeSet<_> = group.iter().map(|call| &*call.name).collect();
        let new = group.iter().filter(|call| !self.history.knows(call));
        let hint = match new.min_by_key(|call| (&call.name, call.occurrence)) {
            Some(called) if called.name != recorded.name => unless_renamed(called, recorded),
            _ => format!("the step was removed from the group, or {OTHER_WAY}"),
        };
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        self.changed_at(recorded, format_args!(
            "call {} is recorded as {}, and is in a group of steps that run at the same time now, without that one: {}; {hint}",
            number + 1,
            recorded.words(),
            names.join(", "),
        ))
    }

    /// The call with this number in another lane is recorded, and does not come first.
    pub(super) fn comes_before(
        &self,
        number: usize,
        called: &StepCall,
        recorded: &StepCall,
    ) -> Suspension {
        let saga = match recorded.lane() {
            "" => String::new(),
            lane => format!(" of the saga `{lane}` that is called"),
        };
        self.changed_at(recorded, format_args!(
            "call {}{saga} is recorded as {}, and {} comes without it now; {CALLED}, or {OTHER_WAY}",
            number + 1,
            recorded.words(),
            called.words(),
        ))
    }

    /// The call with this number is recorded after others, which come later now.
    pub(super) fn out_of_order(&self, number: usize, called: &StepCall) -> Suspension {
        self.changed_at(called, format_args!(
            "call {} is {}, which is recorded before others that come first now; {CALLED}, or {OTHER_WAY}",
            number + 1,
            called.words(),
        ))
    }

    /// The saga ends, and this call is recorded.
    pub(super) fn ends_before(&self, number: usize, recorded: &StepCall) -> Suspension {
        self.changed_at(recorded, format_args!(
            "call {} is recorded as {}, and the saga ends before it now; the {} was removed, or {OTHER_WAY}",
            number + 1,
            recorded.words(),
            if recorded.is_wait() { "wait" } else { "step" },
        ))
    }
}

/// What may have happened to a recorded call, in whose place comes one that is not recorded.
fn unless_renamed(called: &StepCall, recorded: &StepCall) -> String {
    if let (Some(was), Some(is)) = (recorded.event(), called.event()) {
        return format!(
            "if the event `{is}` is `{was}` under another name, keep the recorded one with `EventName::new(\"{was}\")`; if the \
             wait was inserted, give the saga another version; or {OTHER_WAY}"
        );
    }
    if recorded.is_wait() || called.is_wait() {
        return format!(
            "if {} was inserted, or {} was removed or moved, give the saga another version; or {OTHER_WAY}",
            called.words(),
            recorded.words(),
        );
    }
    let (was, is) = (&recorded.name, &called.name);
    let last = was.rsplit('/').next().unwrap_or_default();
    format!(
        "if `{is}` is `{was}` under another name, keep the recorded one with `name = \"{last}\"`; if it was inserted, give the \
         saga another version; or {OTHER_WAY}"
    )
}
