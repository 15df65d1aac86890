//! A saga in trouble: it tells operators, waits for a decision or the next attempt, and carries the decision out.

use std::pin::pin;
use std::sync::atomic::Ordering;

use restate_sdk::context::macro_support::SealedDurableFuture;
use saga_runtime::engine::{
    Escaped, Origin, PendingStep, Position, Revision, Settlement, StepEnd, pursue,
};
use saga_runtime::meta::Kind;
use saga_runtime::operator::{Possible, Refusal, SagaCommand};
use saga_runtime::{CompensationFailure, CompensationOutcome, Saga, SagaError};

use crate::attempts::Asker;
use crate::decision::{self, Answer, DECIDED, Decision, FAILING, SentDecision, TROUBLE, Trouble};
use crate::entry_names;
use crate::failure_report::Report;
use crate::invocation::{Invocation, NextAttempt, Suspended};
use crate::lock::lock;

/// The end of a wait of a saga in trouble.
enum Awaited {
    /// An operator has decided.
    Decision(Decision),
    /// A compensation is attempted again.
    Attempt,
}

impl Invocation {
    /// Returns true if operators may decide about the saga.
    fn is_operated(&self) -> bool {
        self.form.takes_decisions() && !self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Returns true if an operator has decided about the saga.
    pub(crate) fn is_decided(&self) -> bool {
        lock(&self.decisions).next > 0
    }

    /// Waits until a compensation that is open is attempted again, or an operator has decided about one.
    pub(crate) async fn revise_failure<G: Saga>(
        &self,
        error: &mut SagaError<G::Error>,
    ) -> Result<Revision, Suspended> {
        while self.is_operated() {
            let trouble = self.trouble_of::<G>(error);
            let Awaited::Decision(decision) = self.next(&trouble).await? else {
                return Ok(Revision::Open);
            };
            let decided = trouble.check(&decision.command);
            self.answer(decided.as_ref().err());
            if decided.is_err() {
                continue;
            }
            let reason = decision.reason;
            let (step, outcome) = match decision.command {
                SagaCommand::Resolve { step } => {
                    (step, CompensationOutcome::ResolvedByHand { reason })
                }
                SagaCommand::Skip { step } => (step, CompensationOutcome::Skipped { reason }),
                SagaCommand::Retry => {
                    self.attempt_all();
                    return Ok(Revision::Open);
                }
                _ => {
                    self.abandon();
                    break;
                }
            };
            error.decide(&step, outcome);
            lock(&self.failing).remove(&step);
            return Ok(Revision::Pending);
        }
        Ok(Revision::Stands)
    }

    /// Lets every compensation that has failed be attempted again.
    fn attempt_all(&self) {
        // As many processes may end in them again.
        lock(&self.blamed).clear();
        let mut failing = lock(&self.failing);
        failing.retain(|_, failing| failing.next != NextAttempt::IfDecided);
        for failing in failing.values_mut() {
            failing.next = NextAttempt::Due;
        }
    }

    /// The trouble of a saga of which some compensations are open.
    fn trouble_of<G: Saga>(&self, error: &SagaError<G::Error>) -> Trouble {
        let report = Report::new(self.instance.id().as_str(), error, G::error_record());
        let mut commands = Vec::new();
        let unsettled = lock(&self.unsettled);
        let failed = error.compensation_failures();
        let failed: Vec<_> = failed.map(|(one, _)| one.call().to_string()).collect();
        if failed.iter().any(|call| !unsettled.contains(call)) {
            let retry = "tries again what has failed; the saga goes on from there";
            commands.push(Possible::new("retry", retry));
        }
        for call in failed {
            commands.extend(decisions(&call));
        }
        commands.push(abandon());
        let code = if self.timers().is_empty() {
            "compensation_failed"
        } else {
            FAILING
        };
        Trouble::new(code, report, commands)
    }

    /// Lets an operator decide about a pivot that gave no answer. Any other step in doubt counts as one whose compensation
    /// has failed.
    pub(crate) async fn ask_about(
        &self,
        mut end: StepEnd<Suspended>,
        step: &mut dyn PendingStep,
        position: Position<'_>,
        asker: &Asker<'_>,
    ) -> StepEnd<Suspended> {
        loop {
            let StepEnd::Stopped(Settlement::Unresolved(failure)) = &end else {
                return end;
            };
            if step.meta().kind != Kind::Pivot || !self.is_operated() {
                lock(&self.unsettled).insert(call_name(position));
                return end;
            }
            let trouble = self.trouble_in_doubt(position, failure);
            let decision = match self.next(&trouble).await {
                Ok(Awaited::Decision(decision)) => decision,
                // No compensation has failed before the pivot.
                Ok(Awaited::Attempt) => continue,
                Err(suspended) => return StepEnd::Suspended(suspended),
            };
            let mut decided = trouble.check(&decision.command);
            if let (Ok(()), SagaCommand::Complete { step: call, output }) =
                (&decided, &decision.command)
            {
                let read = step.read_output(&output.to_string());
                decided = read.map_err(|unread| {
                    let unread = unread.to_string();
                    let unread = Escaped(&unread);
                    let message = format!("the output of `{call}` can't be read: {unread}");
                    Refusal::new("unreadable", message)
                });
            }
            self.answer(decided.as_ref().err());
            if decided.is_err() {
                continue;
            }
            end = match decision.command {
                SagaCommand::Complete { .. } => return StepEnd::Done,
                SagaCommand::Resolve { .. } => return StepEnd::Stopped(Settlement::Resolved),
                SagaCommand::Skip { .. } => {
                    let reason = decision.reason;
                    return StepEnd::Stopped(Settlement::Skipped { reason });
                }
                SagaCommand::Retry => {
                    let again = Origin::Settling {
                        earlier: 0,
                        attempts: 0,
                        left: None,
                    };
                    pursue(step, again, position, asker).await.0
                }
                _ => {
                    self.abandon();
                    end
                }
            };
        }
    }

    /// The trouble of a saga whose pivot gave no answer.
    fn trouble_in_doubt(&self, position: Position<'_>, failure: &CompensationFailure) -> Trouble {
        let call = call_name(position);
        let report = Report::in_doubt(&self.instance, &position, &call, failure);
        let retry = format!("asks `{call}` again, under the same key");
        let complete = format!("records that `{call}` was done, with the output that you give");
        let mut commands = vec![
            Possible::new("retry", retry),
            Possible::new("complete", complete).about(&*call),
        ];
        commands.extend(decisions(&call));
        commands.push(abandon());
        Trouble::new("pivot_in_doubt", report, commands)
    }

    /// Tells operators of the trouble, and waits for a decision, or for the time of the next attempt of a compensation.
    async fn next(&self, trouble: &Trouble) -> Result<Awaited, Suspended> {
        let number = self.tell(trouble).await?;
        let name = decision::decision(number);
        let known = lock(&self.decisions).promise;
        let promise = known.unwrap_or_else(|| self.journal.promise(&name).handle().into());
        lock(&self.decisions).promise = Some(promise);
        let timers = self.timers();
        let handles = timers.iter().map(|(_, timer)| *timer);
        let handles: Vec<_> = [promise].into_iter().chain(handles).collect();
        let first = loop {
            match self.journal.first(&handles).await {
                Ok(first) => break first,
                Err(_) => self.cancel(),
            }
        };
        if let Some((call, _)) = first.checked_sub(1).and_then(|index| timers.get(index)) {
            if let Some(failing) = lock(&self.failing).get_mut(call) {
                failing.next = NextAttempt::Due;
            }
            return Ok(Awaited::Attempt);
        }
        let unread = || Suspended(format!("the value of `{name}` can't be read"));
        let sent = self.journal.promise(&name).await.map_err(|_| unread())?;
        let sent = serde_json::from_slice::<SentDecision>(&sent).map_err(|_| unread())?;
        self.clock.advance_to(sent.decision.at);
        Ok(Awaited::Decision(sent.decision))
    }

    /// The compensations that are attempted again after a time, with their timers.
    fn timers(&self) -> Vec<(String, u32)> {
        let failing = lock(&self.failing);
        let timer = |(call, failing): (&String, &crate::invocation::Failing)| match failing.next {
            NextAttempt::After(timer) => Some((call.clone(), timer)),
            NextAttempt::Due | NextAttempt::IfDecided => None,
        };
        failing.iter().filter_map(timer).collect()
    }

    /// Tells operators of the trouble, and callers if the saga is stuck. Returns the number of the next decision.
    async fn tell(&self, trouble: &Trouble) -> Result<u32, Suspended> {
        let (number, told) = {
            let decisions = lock(&self.decisions);
            let known = decisions.trouble.as_ref();
            let is_known =
                |known: &Trouble| known.code == trouble.code && known.commands == trouble.commands;
            // The number of attempts need not be the last one: each change is an entry of the journal.
            if known.is_some_and(is_known) {
                return Ok(decisions.next);
            }
            (decisions.next, decisions.told)
        };
        let trouble = self.as_recorded(trouble, told).await?;
        let is_new = self.journal.has_worked();
        let written = serde_json::to_vec(&trouble).expect("it has only text and numbers");
        self.journal.set(TROUBLE, written.clone());
        if trouble.is_stuck() {
            self.journal.resolve(&decision::stuck(number), written);
            if is_new {
                let (id, code) = (self.instance.id(), &*trouble.code);
                tracing::error!(target: "saga", { saga.id = %id, code }, "saga stuck");
            }
        }
        let mut decisions = lock(&self.decisions);
        decisions.told += 1;
        decisions.trouble = Some(trouble);
        Ok(number)
    }

    /// The trouble as the journal has it. The texts of a failure may differ in a replay: an error that the body has converted is only
    /// known by the text of the step's error then.
    async fn as_recorded(&self, trouble: &Trouble, told: u32) -> Result<Trouble, Suspended> {
        if !self.form.records_trouble() {
            return Ok(trouble.clone());
        }
        let name = entry_names::trouble(told);
        let written = loop {
            let work = pin!(async {
                Ok(serde_json::to_vec(trouble).expect("it has only text and numbers"))
            });
            match self.journal.run(&name, None, work).await {
                Ok(written) => break written,
                Err(_) => self.cancel(),
            }
        };
        let read = serde_json::from_slice(&written);
        read.map_err(|_| Suspended(format!("the record `{name}` can't be read")))
    }

    /// Answers the decision that was waited for.
    fn answer(&self, refusal: Option<&Refusal>) {
        let number = {
            let mut decisions = lock(&self.decisions);
            decisions.promise = None;
            decisions.next += 1;
            decisions.next - 1
        };
        self.clear_trouble();
        let answered = (number + 1).to_string().into_bytes();
        self.journal.set(DECIDED, answered);
        let refusal = refusal.cloned();
        let written = serde_json::to_vec(&Answer { refusal }).expect("it has only text");
        self.journal.resolve(&decision::answer(number), written);
    }

    /// Tells operators that the saga is in no trouble.
    pub(crate) fn clear_trouble(&self) {
        if lock(&self.decisions).trouble.take().is_some() {
            self.journal.clear(TROUBLE);
        }
    }

    /// The saga ends as it is.
    fn abandon(&self) {
        tracing::warn!(target: "saga", { saga.id = %self.instance.id() }, "saga abandoned");
        self.is_abandoned.store(true, Ordering::Relaxed);
    }
}

/// The decisions about a call whose effect may be there.
fn decisions(call: &str) -> [Possible; 2] {
    let resolve = format!("records that you have undone `{call}` by hand; the saga goes on");
    let skip = format!("leaves the effect of `{call}`, for ever on record; the saga goes on");
    [
        Possible::new("resolve", resolve).about(call),
        Possible::new("skip", skip).about(call),
    ]
}

fn abandon() -> Possible {
    let effect = "ends the saga as it is; nothing more is undone, and its report lists what stays";
    Possible::new("abandon", effect)
}

/// The name of a call, as operators' commands take it.
pub(crate) fn call_name(position: Position<'_>) -> String {
    match position.occurrence() {
        0 => position.name().into_owned(),
        occurrence => format!("{}#{occurrence}", position.name()),
    }
}
