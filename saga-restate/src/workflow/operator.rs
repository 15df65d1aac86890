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
    let number = decided(context).await?;
    let name = decision::stuck(number);
    let stuck = context.promise::<Recorded>(&name);
    let ended = context.attach_invocation::<Recorded>(started.invocation);
    match context.select(vec![stuck.handle(), ended.handle()]).await? {
        0 => Ok(stuck.await?),
        _ => Ok(Recorded::new()),
    }
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
pub(super) async fn decided(context: &ContextInternal) -> Result<u32, TerminalError> {
    let decided = context.get::<Recorded>(DECIDED).await?;
    match decided {
        Some(decided) => read("the number of decisions", &decided),
        None => Ok(0),
    }
}

fn refused(refusal: &Refusal) -> restate_sdk::errors::HandlerError {
    TerminalError::new_with_code(REFUSED, refusal_message(refusal)).into()
}
