//! The saga about which an operator decides, and the calls about which there is something to decide.

use std::collections::BTreeSet;

use crate::call_name;
use crate::coordinator::error::OperatorError;
use crate::journal::history::ReplayState;
use crate::journal::{Claimed, Damage, Entry, Record, State, StepCall};

/// The saga about which an operator decides.
pub(super) struct Subject {
    /// The durable name of its definition.
    pub(super) saga: String,
    pub(super) version: u32,
    pub(super) state: State,
    pub(super) history: ReplayState,
    pub(super) damage: Option<Damage>,
    is_orderly: bool,
}

impl Subject {
    pub(super) fn of_claimed(claimed: &Claimed) -> Self {
        Self::new(&claimed.record, &claimed.entries, claimed.orderly)
    }

    pub(super) fn new(
        record: &Record,
        entries: &Result<Vec<Entry>, Damage>,
        is_orderly: bool,
    ) -> Self {
        let (entries, mut damage) = match entries {
            Ok(entries) => (entries, None),
            Err(damage) => (&damage.readable, Some(damage.clone())),
        };
        let history = ReplayState::new(entries).unwrap_or_else(|unclear| {
            damage.get_or_insert(unclear);
            ReplayState::of_readable(entries)
        });
        Self {
            saga: record.saga.name.clone(),
            version: record.saga.version,
            state: record.state,
            history,
            damage,
            is_orderly,
        }
    }

    /// The history of a stuck saga that can be read, or that an operator undoes as far as it can be read.
    pub(super) fn stuck(self) -> Result<ReplayState, OperatorError> {
        if let Some(damage) = self.damage
            && !self.history.is_undone_by_record()
        {
            return Err(damage.into());
        }
        if self.state != State::Stuck {
            return Err(OperatorError::NotStuck(self.state));
        }
        Ok(self.history)
    }

    /// The history of a saga in which an operator decides about one call, and the call, which `find` finds: the saga is stuck, or
    /// attempts the step again.
    pub(super) fn decided(
        self,
        step: &str,
        find: impl for<'a> FnOnce(&'a ReplayState, &str, usize) -> Option<&'a StepCall>,
    ) -> Result<StepCall, OperatorError> {
        if let Some(damage) = self.damage
            && !self.history.is_undone_by_record()
        {
            return Err(damage.into());
        }
        let (name, occurrence) = call_name::split(step);
        match find(&self.history, name, occurrence) {
            Some(call) => Ok(call.clone()),
            None if self.state != State::Stuck => Err(OperatorError::NotStuck(self.state)),
            None => Err(nothing_to_decide(&self.history, step)),
        }
    }

    /// The number of the oldest event with this name that was sent to the saga, and that no wait has taken.
    pub(super) fn kept_event(self, name: &str) -> Result<u64, OperatorError> {
        if let Some(damage) = self.damage {
            return Err(damage.into());
        }
        if self.state == State::Stuck {
            return Err(OperatorError::Stuck);
        }
        let mut kept = self.history.untaken();
        if let Some((number, _)) = kept.find(|(_, event)| event.name == name) {
            return Ok(number);
        }
        let names = self.history.untaken();
        let names: BTreeSet<String> = names.map(|(_, event)| event.name.to_string()).collect();
        let kept: Vec<_> = names.into_iter().collect();
        Err(OperatorError::NoEvent {
            event: name.to_owned(),
            kept: or_none(&kept),
        })
    }

    /// Returns whether a step may have been requested of which no entry tells.
    pub(super) fn may_have_requested(&self) -> bool {
        self.is_unknown() || self.history.may_have_requested(self.is_orderly)
    }

    /// Returns whether the record has entries that can't be read, and of which an operator has not decided.
    fn is_unknown(&self) -> bool {
        self.damage.is_some() && !self.history.is_undone_by_record()
    }

    /// The calls whose effects are not undone, or may be there.
    pub(super) fn left(&self) -> Vec<String> {
        let left = self.history.left().map(ToString::to_string);
        let requested = self.history.requested(self.is_orderly, self.is_unknown());
        left.chain(requested).collect()
    }
}

fn nothing_to_decide(history: &ReplayState, step: &str) -> OperatorError {
    let open: Vec<_> = history.troubled().map(ToString::to_string).collect();
    OperatorError::NothingToDecide {
        step: step.to_owned(),
        open: or_none(&open),
    }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
