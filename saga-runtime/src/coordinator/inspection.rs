//! The view of operators on sagas: lists, and the history of one saga. It needs neither services nor definitions.

use std::fmt;
use std::mem;
use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{CompensationOutcome, Reason};
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::journal::history::{DROPPED_BY_HAND, RecordedEnd, ReplayState};
use crate::journal::pause::find_pauses;
use crate::journal::{
    Damage, Entry, Event, Filter, Journal, JournalError, Page, Record, Settled, StepCall,
};
use crate::language::EventName;

/// Reads the sagas of a journal, also while a coordinator runs them.
#[derive(Clone)]
pub struct Inspector {
    journal: Arc<dyn Journal>,
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

impl Inspector {
    /// Creates an inspector of this journal.
    pub fn new(journal: impl Journal) -> Self {
        Self {
            journal: Arc::new(journal),
        }
    }

    pub(super) fn from_shared(journal: Arc<dyn Journal>) -> Self {
        Self { journal }
    }

    /// Lists sagas page by page, the newest first.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let mut page = self.journal.list(filter).await?;
        find_pauses(&*self.journal, &mut page.sagas).await?;
        Ok(page)
    }

    /// Reads everything that is recorded about one saga. `None` if no saga has this id.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn inspect(
        &self,
        id: impl TryInto<SagaId>,
    ) -> Result<Option<Inspection>, JournalError> {
        let Ok(id) = id.try_into() else {
            return Ok(None);
        };
        let mut history = self.journal.load(&id).await?;
        if let Some(history) = &mut history {
            find_pauses(&*self.journal, slice::from_mut(&mut history.record)).await?;
        }
        Ok(history.map(|history| Inspection::new(history.record, history.entries)))
    }
}

/// Everything that is recorded about one saga. `Display` shows it to people, without payloads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inspection {
    /// The start and the state of the saga.
    pub record: Record,
    /// The events of the saga, in order.
    pub entries: Vec<Entry>,
    /// The damage to the record of the saga, or the first entry that can't be read, if there is one.
    pub damage: Option<Damage>,
    /// The steps that are still to be compensated, or would be if the saga failed now. Last first.
    pub to_compensate: Vec<StepCall>,
    /// The steps whose compensation an operator has skipped. They stay listed forever.
    pub skipped: Vec<Skipped>,
    /// The calls whose effects are not undone, or may be there, if an operator has abandoned the saga. They stay listed forever. `?`
    /// stands for a step that may have been requested after the last entry that can be read.
    pub left: Vec<String>,
    /// The events that the saga can't read, or that an operator has dropped. The right one is sent like any other: the wait goes on.
    pub set_aside: Vec<SetAside>,
    /// The open waits: for a time, or for an event that was not sent yet. In a group there can be several.
    pub waits: Vec<OpenWait>,
}

/// An event that a saga can't read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// The name of the event.
    pub event: String,
    /// The reason why the event can't be read.
    pub reason: String,
}

/// A step whose compensation an operator has skipped: its effect stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The call.
    pub call: StepCall,
    /// The operator's reason.
    pub reason: String,
}

/// An open wait of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenWait {
    /// The call: `sleep`, or `event:approved`. [`StepCall::event`] is the name of the event.
    pub call: StepCall,
    /// The time when the wait ends. `None` if it has no limit.
    pub until: Option<SystemTime>,
}

impl Inspection {
    pub(crate) fn new(record: Record, entries: Result<Vec<Entry>, Damage>) -> Self {
        let (entries, mut damage) = match entries {
            Ok(entries) => (entries, None),
            Err(mut damage) => (mem::take(&mut damage.readable), Some(damage)),
        };
        let history = ReplayState::new(&entries).unwrap_or_else(|unclear| {
            damage.get_or_insert(unclear);
            ReplayState::of_readable(&entries)
        });
        let damage = record.damage.clone().or(damage);
        let left = match history.end() {
            Some(RecordedEnd::Abandoned { left, .. }) => left.clone(),
            _ => Vec::new(),
        };
        // Past the pivot nothing is undone any more.
        let to_compensate = if history.end().is_some() || history.only_goes_forward() {
            Vec::new()
        } else {
            history.to_compensate().cloned().collect()
        };
        let skipped = history
            .undone()
            .filter_map(|(call, outcome)| match outcome {
                CompensationOutcome::Skipped { reason } => Some(Skipped {
                    call: call.clone(),
                    reason,
                }),
                _ => None,
            });
        let skipped = skipped.collect();
        let set_aside = history.set_aside().map(|(event, reason)| SetAside {
            event: event.to_owned(),
            reason: reason.to_owned(),
        });
        let set_aside = set_aside.collect();
        let waits = open_waits(&history);
        Self {
            record,
            entries,
            damage,
            to_compensate,
            skipped,
            left,
            set_aside,
            waits,
        }
    }

    /// Returns whether the saga waits for this event, and the event was not sent yet.
    #[must_use]
    pub fn awaits<T>(&self, event: EventName<T>) -> bool {
        let mut waits = self.waits.iter();
        waits.any(|wait| wait.call.is_ended_by(event.name()))
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record {
            saga,
            state,
            started_at,
            cancellation,
            pause,
            ..
        } = &self.record;
        writeln!(
            f,
            "saga {}: {}, version {}, {state}",
            saga.id,
            Escaped(&saga.name),
            saga.version
        )?;
        if let Some(pause) = pause {
            writeln!(f, "  paused: {}", Escaped(&pause.reason))?;
        }
        if let Some(cancellation) = cancellation {
            writeln!(f, "  to be cancelled: {}", Escaped(&cancellation.reason))?;
        }
        for entry in &self.entries {
            let after = entry.at.duration_since(*started_at).unwrap_or_default();
            writeln!(
                f,
                "  {:>3}  +{:>9.3}s  {}",
                entry.seq,
                after.as_secs_f64(),
                Escaped(Line(&entry.event))
            )?;
        }
        if let Some(damage) = &self.damage {
            writeln!(f, "  DAMAGED: {damage}")?;
        }
        for failing in &self.record.failing {
            let after = |time: SystemTime| {
                let after = time.duration_since(*started_at).unwrap_or_default();
                after.as_secs_f64()
            };
            writeln!(
                f,
                "  {} fails ({}) since +{:.3}s, {} attempts, next at +{:.3}s: {}",
                failing.call,
                failing.phase.name(),
                after(failing.since),
                failing.attempts,
                after(failing.until),
                Escaped(&failing.reason.message)
            )?;
        }
        for OpenWait { call, until } in &self.waits {
            write!(f, "  waits for {}", WaitWords(call))?;
            if let Some(until) = until {
                let after = until.duration_since(*started_at).unwrap_or_default();
                write!(f, ", until +{:.3}s", after.as_secs_f64())?;
            }
            writeln!(f)?;
        }
        if !self.to_compensate.is_empty() {
            let calls: Vec<_> = self.to_compensate.iter().map(ToString::to_string).collect();
            writeln!(f, "  to compensate: {}", calls.join(", "))?;
        }
        for Skipped { call, reason } in &self.skipped {
            writeln!(f, "  skipped: {call}: {}", Escaped(reason))?;
        }
        if self.left.is_empty() {
            return Ok(());
        }
        writeln!(f, "  not undone: {}", Escaped(self.left.join(", ")))
    }
}

/// The open waits of a saga with this history.
pub(super) fn open_waits(history: &ReplayState) -> Vec<OpenWait> {
    let open = |(call, until): (&StepCall, _)| OpenWait {
        call: call.clone(),
        until,
    };
    history.waits().map(open).collect()
}

/// A wait in words: `event:approved`, or `event:paid or event:declined`.
struct WaitWords<'a>(&'a StepCall);

impl fmt::Display for WaitWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(call) = self;
        if call.event().is_some() {
            return call.fmt(f);
        }
        let events: Vec<_> = call
            .events()
            .map(|event| format!("event:{event}"))
            .collect();
        if events.is_empty() {
            return call.fmt(f);
        }
        Escaped(events.join(" or ")).fmt(f)
    }
}

/// An event as one line, without its payload.
pub(crate) struct Line<'a>(pub(crate) &'a Event);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::StepDone { step, attempts, .. } => {
                write!(f, "{step} done{}", Attempts(*attempts))
            }
            Event::StepRefused {
                step,
                attempts,
                reason,
            } => write!(
                f,
                "{step} refused{}: {}",
                Attempts(*attempts),
                reason.message
            ),
            Event::StepInDoubt {
                step,
                attempts,
                reason,
            } => write!(
                f,
                "{step} in doubt{}: {}",
                Attempts(*attempts),
                reason.message
            ),
            Event::StepSettled { step, settled } => write_settled(f, step, settled),
            Event::Failing {
                step,
                phase,
                attempts,
                reason,
                ..
            } => write!(
                f,
                "{step} failing ({}){}: {}",
                phase.name(),
                Attempts(*attempts),
                reason.message
            ),
            Event::Compensating { step, reason } => match step {
                Some(step) => write!(f, "compensating, since {step} failed: {}", reason.message),
                None => write!(f, "compensating: {}", reason.message),
            },
            Event::CompensationDone { step, attempts } => {
                write!(f, "{step} compensated{}", Attempts(*attempts))
            }
            Event::CompensationFailed {
                step,
                attempts,
                message,
            } => write!(
                f,
                "{step} NOT compensated{}: {message}",
                Attempts(*attempts)
            ),
            Event::Completed { .. } => f.write_str("completed"),
            Event::Compensated => f.write_str("compensated"),
            Event::Stuck {
                reason: Reason { message, .. },
            } => write!(f, "stuck: {message}"),
            Event::Retried { reason } => write!(f, "retried by hand: {reason}"),
            Event::CompensationResolved { step, reason } => {
                write!(f, "{step} undone by hand: {reason}")
            }
            Event::CompensationSkipped { step, reason } => {
                write!(f, "{step} left as it is, by hand: {reason}")
            }
            Event::Value { of, .. } => write!(f, "{of} asked for"),
            Event::Waiting { step, .. } => match step.events().next() {
                Some(_) => write!(f, "{step} awaited"),
                None => write!(f, "{step} begun"),
            },
            Event::Received { name, .. } => write!(f, "received event {name}"),
            Event::EventSetAside { name, message, .. } if message.starts_with(DROPPED_BY_HAND) => {
                write!(f, "event {name} {message}")
            }
            Event::EventSetAside { name, message, .. } => {
                write!(
                    f,
                    "event {name} set aside, since it can't be read: {message}"
                )
            }
            Event::WaitOver { step, received } => match (received, step.events().next()) {
                (Some(_), Some(_)) if step.event().is_none() => write!(f, "one of {step} has come"),
                (Some(_), _) => write!(f, "{step} has come"),
                (None, Some(_)) => write!(f, "{step} has not come in time"),
                (None, None) => write!(f, "{step} over"),
            },
            Event::StepCompleted { step, reason, .. } => {
                write!(f, "{step} completed by hand: {reason}")
            }
            Event::Abandoned { reason, .. } => write!(f, "abandoned by hand: {reason}"),
        }
    }
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            attempts => write!(f, " after {attempts} attempts"),
        }
    }
}

/// The outcome for the effect of a step in doubt, in words.
fn write_settled(f: &mut fmt::Formatter<'_>, step: &StepCall, settled: &Settled) -> fmt::Result {
    match settled {
        Settled::Nothing { refusal: None } => {
            write!(f, "{step} settled: nothing has happened")
        }
        Settled::Nothing {
            refusal: Some(reason),
        } => write!(f, "{step} settled: refused: {}", reason.message),
        Settled::Done { .. } => write!(f, "{step} settled: it was done"),
        Settled::Resolved => write!(f, "{step} settled: undone by its resolver"),
        Settled::Unresolved { attempts, message } => {
            write!(f, "{step} NOT settled{}: {message}", Attempts(*attempts))
        }
    }
}
