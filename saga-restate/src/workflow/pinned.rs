//! A comparison of `workflow.rs` with the SDK's own macro, in the version whose hidden parts were read.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use restate_sdk::endpoint::Endpoint;
use restate_sdk::prelude::{HandlerResult, SharedWorkflowContext, WorkflowContext};
use restate_sdk::service::IntoServiceDefinition;
use saga_runtime::{Context, saga, step};
use serde_json::Value;

use super::*;

const WHAT_TO_DO: &str = "the SDK may not be what saga-restate/src/workflow.rs leans on. \
    Read what `#[restate_sdk::workflow]` expands to (`struct_generator.rs` in restate-sdk-macros), \
    and `ContextInternal` (`endpoint/context.rs` in restate-sdk): `run`, `select`, promises, cancellation. \
    Make workflow.rs and journal.rs fit, and this test; run `make test`; then pin the new version in Cargo.toml and here";

/// The version whose hidden parts were read.
const READ: &str = "0.13.0";

#[step(compensate = ())]
async fn quote(_cx: Context<'_, ()>, pieces: u64) -> Result<u64, String> {
    Ok(pieces)
}

saga!(
    async fn order(cx: Context<'_, ()>, pieces: u64) -> Result<u64, String> {
        quote(cx, pieces).await
    }
);

/// A workflow with the handlers and the settings that a saga has.
struct ByHand;

#[restate_sdk::workflow(
    name = "order",
    client_visibility = "pub(crate)",
    inactivity_timeout = "1s",
    abort_timeout = "90s",
    workflow_completion_retention = "30days",
    invocation_retry_policy(
        initial_interval = "50ms",
        factor = 2.0,
        max_interval = "10s",
        max_attempts = 10000,
        on_max_attempts = "pause"
    )
)]
#[expect(clippy::unused_async, reason = "that is how handlers are written")]
impl ByHand {
    /// Runs the saga.
    #[handler(lazy_state, inactivity_timeout = "90s")]
    async fn run(&self, _cx: WorkflowContext<'_>, input: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(input)
    }

    /// Sends the saga an event.
    #[handler]
    async fn send(&self, _cx: SharedWorkflowContext<'_>, event: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(event)
    }

    /// Cancels the saga: what was done is compensated.
    #[handler]
    async fn cancel(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }

    /// The input with which the saga was started.
    #[handler]
    async fn input(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }

    /// Starts the saga, if it can read the input, and waits for its end.
    #[handler]
    async fn start(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }

    /// The trouble that the saga is in.
    #[handler]
    async fn trouble(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }

    /// Waits until the saga is stuck or has ended.
    #[handler]
    async fn watch(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }

    /// The decision of an operator about a saga in trouble.
    #[handler]
    async fn decide(&self, _cx: SharedWorkflowContext<'_>, no: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(no)
    }
}

/// The description that Restate gets when it discovers this service, and the version of the SDK.
async fn discovery(definition: impl IntoServiceDefinition) -> (Value, String) {
    let request = http::Request::builder()
        .uri("/discover")
        .header("accept", "application/vnd.restate.endpointmanifest.v4+json")
        .body(Full::<Bytes>::default())
        .expect("it is a request");
    let answer = Endpoint::builder().bind(definition).build().handle(request);
    assert_eq!(answer.status(), 200, "{WHAT_TO_DO}");
    let by = answer.headers().get("x-restate-server");
    let by = by
        .and_then(|by| by.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = answer.into_body().collect().await;
    let body = body.expect("it has a body").to_bytes();
    (serde_json::from_slice(&body).expect("it is JSON"), by)
}

/// Removes the parts that a saga says of itself and a workflow by hand does not.
fn without_words(mut endpoint: Value) -> Value {
    let service = &mut endpoint["services"][0];
    for word in ["documentation", "metadata"] {
        service
            .as_object_mut()
            .expect("it is an object")
            .remove(word);
    }
    for handler in service["handlers"].as_array_mut().expect("it is a list") {
        for payload in ["input", "output"] {
            let payload = handler[payload].as_object_mut().expect("it is an object");
            payload.remove("contentType").expect("it has a type");
            payload.remove("required");
            payload.remove("setContentTypeIfEmpty");
        }
    }
    endpoint
}

#[tokio::test]
async fn a_saga_is_discovered_like_a_workflow_that_the_sdk_has_made() {
    let saga = workflow::<(), Order>(Arc::new(()), &Arc::default(), None);
    let (saga, by) = discovery(saga).await;
    let (by_hand, _) = discovery(ByHand).await;
    assert_eq!(by, format!("restate-sdk-rust/{READ}"), "{WHAT_TO_DO}");
    let (saga, by_hand) = (without_words(saga), without_words(by_hand));
    assert_eq!(saga, by_hand, "{WHAT_TO_DO}");
    assert_eq!(
        saga["services"][0]["handlers"].as_array().map(Vec::len),
        Some(8)
    );
}

#[test]
fn no_other_version_of_the_sdk_is_taken_than_the_one_that_was_read() {
    let workspace = include_str!("../../../Cargo.toml");
    let pinned = format!("restate-sdk = {{ version = \"={READ}\"");
    assert!(workspace.contains(&pinned), "{WHAT_TO_DO}");
}
