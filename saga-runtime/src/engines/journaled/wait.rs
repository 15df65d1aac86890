//! Waits: for a time, for an event. During a long wait the saga is suspended.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};

use crate::attempts::Control;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::{Journaled, call};
use crate::error::Cause;
use crate::journal::history::NextCall;
use crate::journal::{Event, StepCall, from_millis};
use crate::language::{ReadEvent, Wait};
use crate::meta::StepMeta;
use crate::place::{Calls, Position};
use crate::run::WaitEnd;

impl Journaled {
    pub(super) async fn wait_until_over(
        &self,
        calls: &dyn Calls,
        callee: &'static StepMeta,
        wait: Wait,
        can_read: ReadEvent<'_>,
    ) -> Result<WaitEnd<Suspension>, Suspension> {
        let position = Position::new(calls, callee, calls.count());
        let mut step = call(position);
        if !wait.events.as_slice().is_empty() {
            step.name = format!("{}:{}", step.name, wait.events).into();
        }
        let numbers = self.numbers(position);
        let index = numbers.start;
        let begun = match self.history.next(numbers, &step) {
            NextCall::Over(received) => {
                self.is_in_order(index, &step)?;
                let Some(received) = received else {
                    return match wait.limit {
                        Some(_) => Ok(WaitEnd::TimedOut),
                        None => Err(self.without_its_limit(&step)),
                    };
                };
                let event = wait.events.position(&received.name);
                let event = event.ok_or_else(|| "it came with another event".to_owned());
                let json = &received.payload;
                let read = event.and_then(|event| can_read(event, json).map(|()| event));
                let event = read.map_err(|unread| {
                    self.unreadable_at(&step, format_args!("value of `{step}`"), unread)
                })?;
                let json = json.clone();
                return Ok(WaitEnd::Received { event, json });
            }
            NextCall::Waiting(Some(_)) if wait.limit.is_none() => {
                return Err(self.without_its_limit(&step));
            }
            NextCall::Waiting(until) => Some(until),
            NextCall::Request | NextCall::Stop(_) => None,
            NextCall::Changed { recorded } => return Err(self.other_call(index, &step, recorded)),
            _ => {
                return Err(self.changed_at(
                    &step,
                    format_args!(
                        "call {} is recorded as a step, and is the wait `{step}` now",
                        index + 1
                    ),
                ));
            }
        };
        if let Some(decision) = self.history.decision() {
            let reason = &decision.reason;
            let cause = Cause::recorded(&reason.code, reason.message.clone());
            return Ok(WaitEnd::Stopped(cause));
        }
        self.may_go_on(index, &step)?;
        // No step was under way here.
        self.take_in_doubt(calls);
        // An operator may be about to drop the event that would end this wait.
        if let Some(suspension) = self.recorder.stop() {
            return Err(suspension);
        }
        if begun.is_none()
            && let Some(received) = self.received(&step, wait, can_read)
        {
            return Ok(received);
        }
        self.recorder.begin_effect()?;
        let until = if let Some(until) = begun {
            until
        } else {
            let until = wait.limit.map(|limit| self.time_after(limit));
            let step = step.clone();
            self.recorder.note(Event::Waiting { step, until });
            self.recorder.write().await?;
            until
        };
        self.wait_for(&step, wait, until, can_read).await
    }

    /// The body has no value for a wait whose time is over.
    fn without_its_limit(&self, step: &StepCall) -> Suspension {
        self.changed(format_args!(
            "the wait `{step}` is recorded with a limit, and has none now"
        ))
    }

    async fn wait_for(
        &self,
        step: &StepCall,
        wait: Wait,
        until: Option<SystemTime>,
        can_read: ReadEvent<'_>,
    ) -> Result<WaitEnd<Suspension>, Suspension> {
        loop {
            let mut delivery = pin!(self.recorder.delivery());
            // From here on no event is missed.
            delivery.as_mut().enable();
            if let Some(interruption) = self.control.interruption() {
                return Ok(WaitEnd::Stopped(interruption.into()));
            }
            if let Some(received) = self.received(step, wait, can_read) {
                return Ok(received);
            }
            let left = until.map(|until| self.time_until(until));
            if left.is_some_and(|left| left.is_zero()) {
                self.note_over(step, None);
                return Ok(WaitEnd::TimedOut);
            }
            let rest = self.rest(self.or_deadline(until), wait.events);
            let passing = pin!(self.pass(rest, self.control.wait_within(left)));
            if let Either::Left((passed, _)) = select(passing, delivery).await {
                passed?;
            }
        }
    }

    /// The first of the events, if one is there. One that the saga can't read is set aside.
    fn received(
        &self,
        step: &StepCall,
        wait: Wait,
        can_read: ReadEvent<'_>,
    ) -> Option<WaitEnd<Suspension>> {
        loop {
            let (event, number, json) = self.recorder.take_received(wait.events)?;
            let Err(message) = can_read(event, &json) else {
                self.note_over(step, Some(number));
                return Some(WaitEnd::Received { event, json });
            };
            let name = wait.events.as_slice().get(event).copied();
            self.recorder
                .set_aside(name.unwrap_or_default(), number, message);
        }
    }

    fn note_over(&self, step: &StepCall, received: Option<u64>) {
        let step = step.clone();
        self.recorder.note(Event::WaitOver { step, received });
    }

    /// The time at which a wait ends that an interruption ends as well: also at the deadline of the saga.
    pub(super) fn or_deadline(&self, until: Option<SystemTime>) -> Option<SystemTime> {
        let deadline = self
            .control
            .time_to_deadline()
            .map(|left| self.policies.clock.now() + left);
        match (until, deadline) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (one, other) => one.or(other),
        }
    }
    /// The time until then; zero if it has passed.
    pub(super) fn time_until(&self, time: SystemTime) -> Duration {
        self.policies.clock.time_until(time)
    }

    /// The time after this delay, in whole milliseconds, as journals have it: never before the delay is over.
    pub(super) fn time_after(&self, delay: Duration) -> SystemTime {
        let now = self.policies.clock.now();
        let millis = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_add(delay)
            .as_nanos()
            .div_ceil(1_000_000);
        from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}
