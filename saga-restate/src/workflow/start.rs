//! The handler for starts by hand. It reads the input before the saga gets its id.

use restate_sdk::context::{DurableFuture, RequestTarget};
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::{HandlerResult, TerminalError};
use saga_runtime::Saga;
use saga_runtime::engine::is_same_input;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operator::FirstTrouble;
use super::{NOT_COMPENSATED, REFUSED, RUN, STARTED, Started, read};
use crate::decision::Trouble;
use crate::journal::Recorded;
use crate::trace_headers;

/// Starts the saga, or finds the one that was started with the same id and the same input, and waits for its end. An input
/// that the saga can't read is refused, and its id stays free.
pub(super) async fn start<G: Saga + Serialize + DeserializeOwned>(
    context: &ContextInternal,
) -> HandlerResult<Recorded> {
    let (input, own) = context.input::<Recorded>().await;
    let _: G = read("the input", &input)?;
    let started = context.peek_promise::<Recorded>(STARTED).await?;
    if let Some(started) = started {
        return find::<G>(context, &own.key, &started, &input).await;
    }
    let run = RequestTarget::Workflow {
        name: context.service_name().to_owned(),
        key: own.key.clone(),
        handler: RUN.to_owned(),
    };
    let headers = trace_headers::kept(&own.headers);
    let called = context.call::<_, Recorded>(run, None, None, None, headers, input.clone());
    match ends(context, called).await {
        // Another caller was faster.
        Err(taken) if taken.code() == REFUSED => {
            let started = context.promise::<Recorded>(STARTED).await?;
            find::<G>(context, &own.key, &started, &input).await
        }
        ended => Ok(ended?),
    }
}

/// Waits for the saga that was started before, if that was with the same input.
async fn find<G: Saga + Serialize + DeserializeOwned>(
    context: &ContextInternal,
    id: &str,
    started: &[u8],
    input: &[u8],
) -> HandlerResult<Recorded> {
    let started: Started = read("the start", started)?;
    let given = String::from_utf8_lossy(input);
    if !is_same_input(G::equality(), started.input.get(), &given) {
        let saga = G::META.name;
        let message = format!("saga `{saga}` with the id `{id}` was started with another input");
        return Err(TerminalError::new_with_code(REFUSED, message).into());
    }
    let ended = context.attach_invocation::<Recorded>(started.invocation);
    Ok(ends(context, ended).await?)
}

/// Waits until the saga has ended, or is stuck.
async fn ends(
    context: &ContextInternal,
    ended: impl DurableFuture<Output = Result<Recorded, TerminalError>>,
) -> Result<Recorded, TerminalError> {
    let first = FirstTrouble::of(context).await?;
    let Some(stuck) = first.or(context, ended.handle().into()).await? else {
        return ended.await;
    };
    let stuck: Trouble = read("the stuck saga", &stuck)?;
    Err(TerminalError::new_with_code(
        NOT_COMPENSATED,
        stuck.message(),
    ))
}
