//! A saga as a Restate workflow. All uses of the parts of the SDK that only its macros are meant to use are here. That
//! is why its version is exact, and why `workflow/pinned.rs` compares this with the output of the macros.

mod operator;
#[cfg(test)]
mod pinned;
mod start;

use std::sync::Arc;
use std::time::Duration;

use restate_sdk::context::RequestTarget;
use restate_sdk::discovery;
use restate_sdk::endpoint::{ContextInternal, Error, HandlerOptions, ServiceOptions};
use restate_sdk::errors::{HandlerError, HandlerResult, TerminalError};
use restate_sdk::service::macro_support::{ServiceBoxFuture, service_definition};
use restate_sdk::service::{Service, ServiceDefinition};
use saga_runtime::coordinator::Registrable;
use saga_runtime::engine::{Ambient, Instance, SagaEnd};
use saga_runtime::{SagaId, Shape};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::failure_report::Report;
use crate::form::Form;
use crate::inbox::promise;
use crate::invocation::{Invocation, Suspended};
use crate::journal::{Journal, Recorded};
use crate::settings::Settings;
use crate::trace_headers;
use crate::wait::Sent;

/// Runs the saga.
pub(crate) const RUN: &str = "run";
/// Sends it an event.
pub(crate) const SEND: &str = "send";
/// Cancels it.
pub(crate) const CANCEL: &str = "cancel";
/// Returns the input with which it was started.
pub(crate) const INPUT: &str = "input";
/// Reads its input before it gets its id, runs the saga, and returns its result.
pub(crate) const START: &str = "start";
/// Returns the trouble that it is in.
pub(crate) const TROUBLE: &str = "trouble";
/// Waits until it is stuck or has ended.
pub(crate) const WATCH: &str = "watch";
/// Hands it the decision of an operator.
pub(crate) const DECIDE: &str = "decide";

/// The promise that the saga resolves when it starts.
const STARTED: &str = "started";

/// The header with the time at which a client starts a saga, in milliseconds since 1970. Without it the saga records
/// the time itself, which takes longer.
pub(crate) const BEGAN: &str = "saga-began";

/// The codes of failed invocations, which are the status of the answers over HTTP.
const BAD_INPUT: u16 = 400;
const NOT_STARTED: u16 = 404;
const REFUSED: u16 = 409;
const FAILED: u16 = 422;
const NOT_COMPENSATED: u16 = 500;

/// The value of [`STARTED`].
#[derive(Debug, Serialize, Deserialize)]
struct Started {
    invocation: String,
    input: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Form::is_unsaid")]
    form: Form,
}

/// The input of [`SEND`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// The time at which it is sent, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) at: u64,
    pub(crate) value: Box<RawValue>,
}

/// The callback for the end of a saga.
pub(crate) type OnEnd<G> = Arc<dyn Fn(&SagaId, SagaEnd<G, Suspended>) + Send + Sync>;

/// The workflow of the saga `G`.
pub(crate) struct Workflow<S: ?Sized, G: Registrable<S>> {
    pub(crate) services: Arc<S>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) begins: bool,
    pub(crate) on_end: Option<OnEnd<G>>,
}

/// The workflow of the saga `G`, ready to be bound.
pub(crate) fn workflow<S, G>(
    services: Arc<S>,
    settings: &Arc<Settings>,
    on_end: Option<OnEnd<G>>,
) -> ServiceDefinition
where
    S: ?Sized + Send + Sync + 'static,
    G: Registrable<S>,
{
    let shape = G::shape();
    // Otherwise a replay can't tell if a first step that refuses was requested before, and its resolver would run for
    // nothing.
    let begins = G::META.deadline.is_some() || shape.steps().any(|step| step.resolver.is_some());
    let workflow = Workflow::<S, G> {
        services,
        settings: Arc::clone(settings),
        begins,
        on_end,
    };
    service_definition(workflow, discovered::<G>(&shape)).options(options(settings, &shape))
}

impl<S, G> Service for Workflow<S, G>
where
    S: ?Sized + Send + Sync + 'static,
    G: Registrable<S>,
{
    type Future = ServiceBoxFuture;

    fn handle(&self, context: ContextInternal) -> ServiceBoxFuture {
        let run = Run::<S, G> {
            services: Arc::clone(&self.services),
            settings: Arc::clone(&self.settings),
            begins: self.begins,
            on_end: self.on_end.clone(),
        };
        Box::pin(async move {
            let result = match context.handler_name() {
                RUN => run.run(&context).await,
                SEND => send(&context).await,
                CANCEL => cancel(&context).await,
                INPUT => input(&context).await,
                START => start::start::<G>(&context).await,
                TROUBLE => operator::trouble(&context).await,
                WATCH => operator::watch(&context).await,
                DECIDE => operator::decide(&context).await,
                unknown => return Err(Error::unknown_handler(context.service_name(), unknown)),
            };
            context.handle_handler_result(result);
            context.end();
            Ok(())
        })
    }
}

/// One invocation of [`RUN`].
struct Run<S: ?Sized, G: Registrable<S>> {
    services: Arc<S>,
    settings: Arc<Settings>,
    begins: bool,
    on_end: Option<OnEnd<G>>,
}

impl<S, G> Run<S, G>
where
    S: ?Sized + Send + Sync + 'static,
    G: Registrable<S>,
{
    async fn run(self, context: &ContextInternal) -> HandlerResult<Recorded> {
        let (input, invocation) = context.input::<Recorded>().await;
        let input: Box<RawValue> = read("the input", &input)?;
        let saga: G = read("the input", input.get().as_bytes())?;
        let id = SagaId::new(&invocation.key)
            .map_err(|bad| TerminalError::new_with_code(BAD_INPUT, format!("{bad}")))?;
        let began = invocation.headers.get(BEGAN);
        let began = began.and_then(|at| at.parse().ok());
        let clock = Arc::new(Clock::new(invocation.invocation_id.clone()));
        let exchange = Exchange::current();
        let started = Started {
            invocation: invocation.invocation_id,
            input,
            form: exchange.form_or(self.settings.form),
        };
        context.resolve_promise(STARTED, write(&started)?);
        let mut instance = Instance::new(G::META.name, Some(id.clone()))
            .with_ambient(Arc::clone(&clock) as Arc<dyn Ambient>);
        let form = started.form;
        if form.has_name_in_keys() {
            instance = instance.with_name_in_keys();
        }
        if let Some(context) = trace_headers::context(&invocation.headers) {
            instance = instance.with_trace_context(context);
        }
        if let Some(propagator) = &self.settings.propagator {
            instance = instance.with_trace_propagator(Arc::clone(&propagator.0));
        }
        let journal = Journal::new(context.clone(), exchange, form);
        let settings = Arc::clone(&self.settings);
        let engine = Invocation::new(
            instance,
            journal,
            settings,
            form,
            &G::META,
            Arc::clone(&clock),
        );
        match began {
            Some(began) if !self.begins => clock.advance_to(began),
            _ => engine.record_start().await,
        }
        let end = saga.drive(&self.services, &engine).await;
        engine.clear_trouble();
        let failed = |report: Report| {
            let code = if report.is_compensated {
                FAILED
            } else {
                if !engine.is_decided() {
                    tracing::error!(target: "saga", { saga.id = %id, code = report.code }, "saga stuck");
                }
                NOT_COMPENSATED
            };
            Err(TerminalError::new_with_code(code, report.message()).into())
        };
        let result = match &end {
            SagaEnd::Completed(output) => {
                match saga_runtime::engine::record(output, self.settings.payload_limit) {
                    Ok((json, _)) => Ok(json.into_bytes()),
                    Err(reason) => failed(Report::unrecordable(G::META.name, &id, &reason)),
                }
            }
            SagaEnd::Failed(error) => failed(Report::new(id.as_str(), error, G::error_record())),
            SagaEnd::Suspended(suspension) => Err(HandlerError::from(suspension.0.clone())),
        };
        if let Some(on_end) = self.on_end {
            on_end(&id, end);
        }
        result
    }
}

/// Resolves the first promise of the event that is not resolved yet.
async fn send(context: &ContextInternal) -> HandlerResult<Recorded> {
    let (event, invocation) = context.input::<Recorded>().await;
    let event: Event = read("the event", &event)?;
    let sent = Sent {
        by: invocation.invocation_id,
        at: event.at,
        value: event.value,
    };
    let written = write(&sent)?;
    let mut number = 0;
    loop {
        let name = promise(&event.name, number);
        if context.peek_promise::<Recorded>(&name).await?.is_none() {
            context.resolve_promise(&name, written.clone());
            // Another sender may have been faster.
            let resolved = context.peek_promise::<Recorded>(&name).await?;
            let by = resolved.and_then(|sent| serde_json::from_slice::<Sent>(&sent).ok());
            if by.is_some_and(|by| by.by == sent.by) {
                return Ok(Recorded::new());
            }
        }
        number += 1;
    }
}

/// Cancels the saga, if it has started. When this returns, the saga knows.
async fn cancel(context: &ContextInternal) -> HandlerResult<Recorded> {
    let (_, own) = context.input::<Recorded>().await;
    let started = context.peek_promise::<Recorded>(STARTED).await?;
    let Some(started) = started else {
        return Err(TerminalError::new_with_code(NOT_STARTED, "no such saga has started").into());
    };
    let started: Started = read("the start", &started)?;
    context.cancel_invocation(&started.invocation);
    // A later call on the same way arrives later: when it is answered, the saga knows of the cancellation.
    let after = RequestTarget::Workflow {
        name: context.service_name().to_owned(),
        key: own.key,
        handler: INPUT.to_owned(),
    };
    let after = context.call::<_, Recorded>(after, None, None, None, Vec::new(), Recorded::new());
    after.await?;
    Ok(Recorded::new())
}

/// The input with which the saga was started. Waits until it has.
async fn input(context: &ContextInternal) -> HandlerResult<Recorded> {
    let _ = context.input::<Recorded>().await;
    let started: Started = read("the start", &context.promise::<Recorded>(STARTED).await?)?;
    Ok(started.input.get().as_bytes().to_vec())
}

fn read<'de, T: Deserialize<'de>>(what: &str, json: &'de [u8]) -> Result<T, TerminalError> {
    serde_json::from_slice(json).map_err(|unread| {
        TerminalError::new_with_code(BAD_INPUT, format!("{what} can't be read: {unread}"))
    })
}

fn write(value: &impl Serialize) -> Result<Recorded, TerminalError> {
    serde_json::to_vec(value).map_err(|unwritten| TerminalError::new(unwritten.to_string()))
}

/// The description of the saga for Restate.
fn discovered<G: saga_runtime::Saga>(shape: &Shape) -> discovery::Service {
    let json = || Some("application/json".to_owned());
    let handler = |name: &str, ty, documentation: &str| discovery::Handler {
        name: discovery::HandlerName::try_from(name).expect("it is a name"),
        input: Some(discovery::InputPayload {
            content_type: Some("*/*".to_owned()),
            json_schema: None,
            required: Some(false),
        }),
        output: Some(discovery::OutputPayload {
            content_type: json(),
            json_schema: None,
            set_content_type_if_empty: Some(true),
        }),
        ty: Some(ty),
        documentation: Some(documentation.to_owned()),
        metadata: std::collections::HashMap::default(),
        abort_timeout: None,
        inactivity_timeout: None,
        journal_retention: None,
        idempotency_retention: None,
        workflow_completion_retention: None,
        enable_lazy_state: None,
        ingress_private: None,
        retry_policy_initial_interval: None,
        retry_policy_max_interval: None,
        retry_policy_max_attempts: None,
        retry_policy_exponentiation_factor: None,
        retry_policy_on_max_attempts: None,
    };
    let shared = discovery::HandlerType::Shared;
    let mut metadata = std::collections::HashMap::default();
    metadata.insert("saga.version".to_owned(), G::META.version.to_string());
    let fingerprint = format!("{:016x}", shape.fingerprint());
    metadata.insert("saga.fingerprint".to_owned(), fingerprint);
    discovery::Service {
        ty: discovery::ServiceType::Workflow,
        name: discovery::ServiceName::try_from(G::META.name.to_owned())
            .expect("the name of a saga is the name of a function"),
        handlers: vec![
            handler(RUN, discovery::HandlerType::Workflow, "Runs the saga."),
            handler(SEND, shared, "Sends the saga an event."),
            handler(
                CANCEL,
                shared,
                "Cancels the saga: what was done is compensated.",
            ),
            handler(INPUT, shared, "The input with which the saga was started."),
            handler(
                START,
                shared,
                "Starts the saga, if it can read the input, and waits for its end.",
            ),
            handler(TROUBLE, shared, "The trouble that the saga is in."),
            handler(WATCH, shared, "Waits until the saga is stuck or has ended."),
            handler(
                DECIDE,
                shared,
                "The decision of an operator about a saga in trouble.",
            ),
        ],
        documentation: Some(format!("```text\n{shape}\n```")),
        metadata,
        abort_timeout: None,
        inactivity_timeout: None,
        journal_retention: None,
        idempotency_retention: None,
        enable_lazy_state: None,
        ingress_private: None,
        retry_policy_initial_interval: None,
        retry_policy_max_interval: None,
        retry_policy_max_attempts: None,
        retry_policy_exponentiation_factor: None,
        retry_policy_on_max_attempts: None,
    }
}

/// The time beside an attempt that its record may take.
const MARGIN: Duration = Duration::from_secs(30);

/// The limits of invocations, and Restate's retries when this process is gone.
fn options(settings: &Settings, shape: &Shape) -> ServiceOptions {
    let longest = settings.longest_attempt(shape) + MARGIN;
    let mut run = HandlerOptions::new()
        .enable_lazy_state(true)
        // Restate asks no saga to suspend itself while an attempt is under way: that would cut off the other members of
        // a group. A saga that only waits does it by itself, after its patience.
        .inactivity_timeout(longest)
        .workflow_retention(settings.retention);
    if let Some(retention) = settings.journal_retention {
        run = run.journal_retention(retention);
    }
    ServiceOptions::new()
        .inactivity_timeout(settings.patience)
        .abort_timeout(longest)
        .retry_policy_initial_interval(Duration::from_millis(50))
        .retry_policy_exponentiation_factor(2.0)
        .retry_policy_max_interval(Duration::from_secs(10))
        // About a day: until then a deployment is back, or an operator has noticed.
        .retry_policy_max_attempts(10_000)
        .retry_policy_pause_on_max_attempts()
        .handler(RUN, run)
}
