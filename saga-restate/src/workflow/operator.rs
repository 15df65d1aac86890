//! The handlers for operators: the trouble that a saga is in, and their decisions about it.

use restate_sdk::context::macro_support::SealedDurableFuture;
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::{HandlerResult, TerminalError};
use saga_runtime::operator::Refusal;

use super::{NOT_STARTED, REFUSED, STARTED, Started, read, write};
use crate::decision::{
    self, Answer, DECIDED, Decision, SentDecision, TROUBLE, Trouble, refusal_message,
};
use crate::journal::Recorded;

/// The trouble that the saga is in, as JSON. Nothing if it is in none.
pub(super) async fn trouble(context: &ContextInternal) -> HandlerResult<Recorded> {
    let _ = context.input::<Recorded>().await;
    let trouble = context.get::<Recorded>(TROUBLE).await?;
    Ok(trouble.unwrap_or_default())
}

/// Waits until the saga is stuck, or has ended: then the result is empty.
pub(super) async fn watch(context: &ContextInternal) -> HandlerResult<Recorded> {
    let _ = context.input::<Recorded>().await;
    let started: Started = read("the start", &context.promise::<Recorded>(STARTED).await?)?;
    let first = FirstTrouble::of(context).await?;
    let ended = context.attach_invocation::<Recorded>(started.invocation);
    let stuck = first.or(context, ended.handle().into()).await?;
    Ok(stuck.unwrap_or_default())
}

/// The trouble of which a caller asks first if it makes the saga stuck.
pub(super) struct FirstTrouble {
    /// The number of the decision about it.
    number: u32,
    /// The promise that tells of it.
    stuck: u32,
}

impl FirstTrouble {
    pub(super) async fn of(context: &ContextInternal) -> Result<Self, TerminalError> {
        let number = decided(context).await?;
        let stuck = handle(context, &decision::stuck(number));
        Ok(Self { number, stuck })
    }

    /// Waits until the saga is stuck, or the future of the handle `ended` is done: then the result is `None`.
    ///
    /// Only an answer tells that a decision was made meanwhile: what this invocation reads of the state may stay as it was.
    pub(super) async fn or(
        self,
        context: &ContextInternal,
        ended: u32,
    ) -> Result<Option<Recorded>, TerminalError> {
        let Self {
            mut number,
            mut stuck,
        } = self;
        loop {
            let answered = handle(context, &decision::answer(number));
            let all = [ended, answered, stuck].map(Into::into);
            match context.select(all.into()).await? {
                0 => return Ok(None),
                1 => number += 1,
                _ => {
                    let stuck = context
                        .promise::<Recorded>(&decision::stuck(number))
                        .await?;
                    return Ok(Some(stuck));
                }
            }
            stuck = handle(context, &decision::stuck(number));
        }
    }
}

/// The handle of a promise.
fn handle(context: &ContextInternal, promise: &str) -> u32 {
    context.promise::<Recorded>(promise).handle().into()
}

/// Hands the decision of an operator to the saga, and waits for its answer.
pub(super) async fn decide(context: &ContextInternal) -> HandlerResult<Recorded> {
    let (input, own) = context.input::<Recorded>().await;
    let decision: Decision = read("the command", &input)?;
    let started = context.peek_promise::<Recorded>(STARTED).await?;
    let Some(started) = started else {
        return Err(TerminalError::new_with_code(NOT_STARTED, "no such saga has started").into());
    };
    let started: Started = read("the start", &started)?;
    let Some(trouble) = context.get::<Recorded>(TROUBLE).await? else {
        let message = "the saga is not stuck: it goes on by itself, or has ended";
        return Err(refused(&Refusal::new("not_stuck", message)));
    };
    let trouble: Trouble = read("the trouble", &trouble)?;
    let number = decided(context).await?;
    trouble
        .check(&decision.command)
        .map_err(|no| refused(&no))?;
    let held = || {
        let message = "another decision about the saga is being carried out: look again";
        refused(&Refusal::new("held", message))
    };
    let promise = decision::decision(number);
    if context.peek_promise::<Recorded>(&promise).await?.is_some() {
        return Err(held());
    }
    let by = own.invocation_id;
    let sent = SentDecision {
        by: by.clone(),
        decision,
    };
    context.resolve_promise(&promise, write(&sent)?);
    // Another operator may have been faster.
    let resolved = context.peek_promise::<Recorded>(&promise).await?;
    let resolved = resolved.and_then(|sent| serde_json::from_slice::<SentDecision>(&sent).ok());
    if resolved.is_none_or(|sent| sent.by != by) {
        return Err(held());
    }
    let name = decision::answer(number);
    let answer = context.promise::<Recorded>(&name);
    let ended = context.attach_invocation::<Recorded>(started.invocation);
    if context
        .select(vec![answer.handle(), ended.handle()])
        .await?
        != 0
    {
        return told(context.peek_promise::<Recorded>(&name).await?);
    }
    told(Some(answer.await?))
}

/// The answer of the saga, if it has given one.
fn told(answer: Option<Recorded>) -> HandlerResult<Recorded> {
    let Some(answer) = answer else {
        return Err(refused(&Refusal::new("final", "the saga has ended")));
    };
    let answer: Answer = read("the answer", &answer)?;
    match answer.refusal {
        Some(refusal) => Err(refused(&refusal)),
        None => Ok(Recorded::new()),
    }
}

/// The number of decisions that the saga has answered.
async fn decided(context: &ContextInternal) -> Result<u32, TerminalError> {
    let decided = context.get::<Recorded>(DECIDED).await?;
    match decided {
        Some(decided) => read("the number of decisions", &decided),
        None => Ok(0),
    }
}

fn refused(refusal: &Refusal) -> restate_sdk::errors::HandlerError {
    TerminalError::new_with_code(REFUSED, refusal_message(refusal)).into()
}
