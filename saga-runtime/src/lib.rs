//! Sagas whose wiring the compiler checks.
//!
//! A saga is a long-running transaction across services: a sequence of steps, each with a compensation that undoes it
//! when a later step fails. Write the happy path as the async function that you would have written anyway, and declare
//! next to each step how it is undone:
//!
//! ```
//! use saga_runtime::{Context, saga, step};
//!
//! pub struct Shop; // your clients and settings
//!
//! #[step(compensate = cancel_order)]
//! async fn create_order(_cx: Context<'_, Shop>, item: &str) -> Result<u64, String> {
//!     println!("an order for {item}");
//!     Ok(17)
//! }
//!
//! async fn cancel_order(_cx: Context<'_, Shop>, order: &u64) -> Result<(), String> {
//!     println!("no order {order} any more");
//!     Ok(())
//! }
//!
//! #[step(pivot)]
//! async fn charge(cx: Context<'_, Shop>, order: &u64) -> Result<(), String> {
//!     Err(format!("card declined for order {order}, request {}", cx.idempotency_key()))
//! }
//!
//! saga!(
//!     /// Sells one item.
//!     pub async fn place_order(cx: Context<'_, Shop>, item: String) -> Result<u64, String> {
//!         let order = create_order(cx, &item).await?;
//!         charge(cx, &order).await?;
//!         Ok(order)
//!     }
//! );
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let error = PlaceOrder { item: "tea".into() }.execute(&Shop).await.unwrap_err();
//! assert_eq!(error.step(), Some("charge"));
//! assert!(error.is_compensated());
//! # }
//! ```
//!
//! The [guide] begins with a tutorial, from an empty crate to a service that survives `kill -9`.
//!
//! # The names you need
//! **Write a saga.** [`step`](macro@step) makes a step of an `async fn`. [`saga!`] makes a saga of an `async fn` that
//! calls steps. [`Context`] is the first parameter of both: your services, the saga's id, the idempotency key, time and
//! random ids. In the body of a saga it is a [`SagaContext`], without the services. Inside a saga, [`sleep`], [`event`], [`event_within`] and
//! [`first_of`] wait, and [`try_join_all`] calls a step for each of many items. [`EventName`] names an event and the type of its value.
//!
//! **Run it.** [`InProcess`] runs a saga in the caller's future; the generated `execute` is short for it, and
//! [`Events`] sends it events. [`Coordinator`] runs sagas on a [`journal`], so that they survive the process; a
//! [`coordinator::Handle`] waits for one. [`SagaId`] names a run, and [`CancellationToken`] stops one that is in
//! process.
//!
//! **Look at the end.** [`SagaError`] tells at which step a saga failed, with the [`Cause`], and the
//! [`CompensationOutcome`] of each step that had to be undone. [`ExecuteError`] is the error of a coordinator: the saga
//! failed, is stuck, or continues without this caller.
//!
//! **Test it.** [`Context::for_test`] calls steps and compensations in unit tests; [`TestPlace`] gives them an id, an attempt,
//! or the [`Failure`] that compensations see. `testing::FailureMatrix` (feature `testing`) runs a saga through every failure.
//!
//! **Talk to participants.** [`IdempotencyKey`] identifies one effect of one saga. A participant that remembers keys
//! lets each effect happen once.
//!
//! **Look at the definition.** [`Shape`] is a saga as data: an outline, a Mermaid flowchart, a DOT graph. Its nodes are
//! in [`shape`](mod@shape); the names, [`Kind`]s and policies of steps are in [`meta`].
//!
//! **Extend.** [`engine`] has all that an engine needs, which is another way to run the same sagas. [`journal`] has the
//! trait of a journal, and `testing` (feature `testing`) the tests that every journal passes.
//!
//! # The words
//! * A **step** is one action in one service. It *refuses* with an `Err`, which says that it had no effect.
//! * A **compensation** undoes a step that was done. It is retried, since it has to succeed in the end.
//! * The **pivot** is the step that can't be undone: once it has succeeded, the saga only goes forward. A **retriable**
//!   step comes after it and is retried until it succeeds.
//! * A step is **in doubt** if its answer was lost or its error leaves its effect open. It is settled before the saga
//!   continues: by its *resolver*, or by repeating the request under the same key until the answer is definite.
//! * A saga is **stuck** if a compensation failed for good, or its history no longer fits its definition. An operator
//!   decides how it continues.
//!
//! # Guarantees
//! * **All or compensated.** If a saga fails, every step that may have had an effect is compensated, last first, or the
//!   error names the steps that are not.
//! * **A step that refused is not compensated.** A timeout, a panic, a transient error, and an error that `in_doubt(when = …)` selects are
//!   no refusals: they leave the step in doubt.
//! * **Effects happen at least once**, under a stable [idempotency key](IdempotencyKey). With participants that
//!   remember keys they happen exactly once.
//! * **The order rule**, `(compensatable | nothing to undo)* pivot? retriable*`, is checked by the compiler: nothing
//!   that can fail comes after a step that can't be undone.
//!
//! # Limits
//! * **No isolation.** Other requests see the states in between: an order that exists and is not paid yet. The usual
//!   counter-measures are a status that says so (*semantic lock*), updates that commute, and reading again before
//!   acting (H. Garcia-Molina and K. Salem, *Sagas*, 1987; C. Richardson, *Microservices Patterns*, 2018, chapter 4).
//! * **No survival in process.** A saga on [`InProcess`] ends with its process or its future.
//!
//! # For contributors: the layers
//! Each folder of `src` is a layer. It uses only layers below it; where two files of a folder use each other, the
//! folder's documentation says so.
//!
//! ```text
//!  generated      the names of generated code: hidden functions, and rules with their messages
//!  operator       lists and commands as data, without the types of a service
//!  coordinator    claims sagas, runs each in a task, serves operators          testing   the suite of journals
//!  engines        in process · on a journal       (`saga-restate` stands here, in a crate of its own)
//!  run            the traits Saga and Engine, and the machine between them
//!  attempts       from one attempt to a settled step: pure decisions, a thin driver
//!  journal        events, claims, replay          language    steps, kinds, waits, the order rule
//!                                                 telemetry   spans and events, all of them
//!                                                 metrics     numbers, all of them
//!  shape          a saga as data                  place       running code: its saga, call and attempt
//!  meta           static facts: names, kinds, retry policies, options
//!  error          what a saga can fail with       id · trace  its id, and the trace to which it belongs
//!  call_name · clock · escaped · lock · panic            small, and used everywhere
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempts;
mod call_name;
mod clock;
pub mod coordinator;
mod engines;
mod error;
mod escaped;
mod generated;
// The sources of the guide are for the documentation and its tests, which use a journal in a file.
#[cfg(all(any(doc, doctest), feature = "sqlite"))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;
mod id;
pub mod journal;
mod language;
mod lock;
pub mod meta;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;
pub mod operator;
mod panic;
mod place;
mod run;
pub mod shape;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;

#[doc(hidden)]
pub use generated::private as __private;
#[doc(hidden)]
pub use generated::rules;

#[doc(inline)]
pub use coordinator::{Coordinator, ExecuteError};
pub use engines::in_process::{Events, InProcess};
pub use error::{Cause, Compensation, CompensationFailure, CompensationOutcome, SagaError};
pub use id::{InvalidSagaId, SagaId};
pub use language::kind;
pub use language::{EventName, First, event, event_within, first_of, first_of_within, sleep};
#[doc(inline)]
pub use meta::Kind;
pub use place::{Context, Failure, IdempotencyKey, SagaContext, TestPlace};
pub use run::{Saga, try_join_all};
#[doc(inline)]
pub use shape::Shape;
pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;

pub mod engine {
    //! The kit for authors of engines. Users of sagas don't need it.
    //!
    //! An [`Engine`] runs attempts, records them and waits between them; [`Surroundings`] is its side of one step.
    //! [`pursue`] and [`compensate`] decide the rest: the next action after an attempt, the number of repetitions, the
    //! settlement of a step in doubt. So these decisions are the same on every engine.

    pub use crate::attempts::{
        ATTEMPT_TIMEOUT, AttemptOutcome, AttemptReport, AttemptResult, Backoff, BoxFuture,
        Compensate, CompensationOrigin, CompensationResult, Compensator, Control, FailureCause,
        GiveUp, LastError, Origin, PendingStep, Purpose, Settlement, StepCompensator, StepEnd,
        Surroundings, Verdict, WayBack, compensate, pursue,
    };
    pub use crate::error::{Interruption, Reason};
    pub use crate::escaped::Escaped;
    pub use crate::language::{
        Call, Callee, Came, CameFirst, CameFirstWithin, CameWithin, ErrorCodec, ErrorRecord,
        EventNames, Never, OneOf, Payload, ReadError, ReadEvent, Slept, Step, StepFunction, Wait,
        Waits, from_json, input_to_json, is_same_input, record, to_json,
    };
    pub use crate::panic::text;
    pub use crate::place::{
        Ambient, Attempt, Calls, Doubt, Frame, Group, Instance, Member, Place, Position, Role,
        Scope,
    };
    pub use crate::run::{Engine, FanOut, FanOutCall, GroupMember, Revision, SagaEnd, WaitEnd};
}

/// Makes a step of a free `async fn`: one action in one service, with its compensation and its policies.
///
/// The function takes a [`Context`] first, then up to twelve inputs, by value or by reference, and returns `Result<Output,
/// Error>`. The output is `Clone + Serialize + Deserialize`; the error is `Display`. Inputs are cloned for each
/// attempt, so take large ones by reference.
///
/// ```
/// use saga_runtime::{Context, step};
/// use serde::{Deserialize, Serialize};
/// # struct Shop { payments: Payments }
/// # struct Payments;
/// # impl Payments {
/// #     async fn create(&self, _: u64, _: saga_runtime::IdempotencyKey) -> Result<Payment, PaymentError> { Ok(Payment { id: 1 }) }
/// #     async fn cancel(&self, _: saga_runtime::IdempotencyKey) -> Result<(), PaymentError> { Ok(()) }
/// #     async fn refund(&self, _: u64, _: saga_runtime::IdempotencyKey) -> Result<(), PaymentError> { Ok(()) }
/// # }
/// # #[derive(Clone, Serialize, Deserialize)]
/// # struct Order { id: u64 }
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Payment {
///     id: u64,
/// }
///
/// #[derive(Debug)]
/// enum PaymentError {
///     Declined,
///     Unavailable,
/// }
/// # impl std::fmt::Display for PaymentError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
/// # }
///
/// impl PaymentError {
///     fn is_transient(&self) -> bool {
///         matches!(self, Self::Unavailable)
///     }
/// }
///
/// /// Takes the money.
/// #[step(
///     compensate = refund,
///     timeout = "3s",
///     retry(attempts = 5, backoff = "100ms..5s", when = PaymentError::is_transient),
///     in_doubt(when = PaymentError::is_transient, resolve = cancel_charge),
///     compensation(timeout = "10s", retry(attempts = 8)),
/// )]
/// async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> {
///     cx.payments.create(order.id, cx.idempotency_key()).await
/// }
///
/// async fn refund(cx: Context<'_, Shop>, payment: &Payment) -> Result<(), PaymentError> {
///     cx.payments.refund(payment.id, cx.idempotency_key()).await
/// }
///
/// async fn cancel_charge(cx: Context<'_, Shop>, _order: &Order) -> Result<(), PaymentError> {
///     cx.payments.cancel(cx.action_key()).await
/// }
/// ```
///
/// # How it is undone
/// Exactly one of these options is required:
///
/// | option | meaning |
/// |---|---|
/// | `compensate = path` | undone by `async fn path(cx, output: &Output) -> Result<(), E>`. The output has all that the compensation needs, and [`cx.failure()`](Context::failure) says why it runs |
/// | `compensate = ()` | nothing to undo: the step only reads, or its effect is harmless |
/// | `pivot` | can't be undone; once the step has succeeded, the saga only goes forward |
/// | `retriable` | retried until the step succeeds; it never makes the saga fail. On a journal, the saga is stuck after 24 hours |
///
/// # Policies
/// | option | meaning |
/// |---|---|
/// | `timeout = "3s"` | the time limit of one attempt. Default: none in process, one minute on a coordinator |
/// | `retry(attempts = 5, backoff = "100ms..10s", when = path)` | the number of attempts, the waits between them (exponential, jittered), and a filter of transient errors: `fn(&Error) -> bool`. A transient error is no answer: if the attempts end with one, the step is in doubt. Default: one attempt |
/// | `in_doubt(when = path, resolve = path, retry(…))` | a filter `fn(&Error) -> bool` of errors that leave the step in doubt, in place of `retry(when)`; a resolver: an `async fn` with the parameters of the step that undoes any effect under its key; and the retries of the attempts that settle the step. Their default: the attempts of `retry`, if it limits them, otherwise as for compensations |
/// | `in_doubt(resolve)` | the compensation is the resolver, too: an `async fn cancel(cx) -> Result<(), E>` that takes the context alone, and undoes by `cx.action_key()` |
/// | `compensation(timeout = "3s", retry(attempts = 5, backoff = "…"))` | the same for the compensation and the resolver. Default: five attempts in process, 24 hours on a journal |
/// | `retry(give_up_after = "24h")` | in each `retry(…)`: the most that the waits may add up to, each counted with its mean |
/// | `policy = PROVIDER` | a [`Policy`](meta::Policy) that several steps share. The options above override it, and it overrides the default of the saga, `#[saga(policy = …)]`. The settings of a running service override all of them: [one table](meta::Policy) has the order |
/// | `name = "…"` | the durable name. Set it to the old name if you rename the function |
/// | `crate = path` | the path of this crate, if it was renamed |
///
/// Numbers and durations may be constants, and a test of errors a closure. In place of a long attribute, name the policy:
///
/// ```
/// # use saga_runtime::{Context, step};
/// # use std::time::Duration;
/// # use saga_runtime::meta::{Policy, RetryPolicy};
/// # struct Shop;
/// # async fn refund(_cx: Context<'_, Shop>, _payment: &u64) -> Result<(), String> { Ok(()) }
/// const ATTEMPTS: u32 = 5;
/// const FIRST: Duration = Duration::from_millis(100);
/// const LONGEST: Duration = Duration::from_secs(5);
///
/// const PROVIDER: Policy = Policy::new()
///     .timeout(Duration::from_secs(3))
///     .retry(RetryPolicy::attempts(ATTEMPTS).backoff(FIRST, LONGEST));
///
/// #[step(compensate = refund, policy = PROVIDER, retry(when = |error| error.contains("unavailable")))]
/// async fn charge(_cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
///     Ok(amount)
/// }
///
/// #[step(compensate = refund, timeout = LONGEST, retry(attempts = ATTEMPTS, backoff = FIRST..LONGEST))]
/// async fn charge_later(_cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
///     Ok(amount)
/// }
/// ```
///
/// # After an error
/// | the last error | `retry(when)` | `in_doubt(when)` | what follows |
/// |---|---|---|---|
/// | any | not given | not given | refused: nothing happened, this step is not undone |
/// | transient | true | not given | in doubt: resolved, or asked again under its key until the answer is definite |
/// | any other | false | not given | refused |
/// | any | – | true | in doubt |
/// | any | – | false | refused, also if it is transient |
///
/// A timeout and a panic always leave the step in doubt. After an attempt in doubt, a refusal of a later attempt is believed:
/// participants answer finally per key. With a resolver, the resolver runs then too.
///
/// Durations are a whole number with a unit: `us`, `ms`, `s`, `m`, `h` or `d`.
///
/// # Steps in steps
/// A step may await another one that has nothing to undo (`compensate = ()`), and a `retriable` step, a compensation or a
/// resolver may await any. **Only the outer one is recorded, retried and compensated.** The inner one has a key of its own
/// at each call, the same at every attempt: `order-17/sell/0/quote/1`. Any other step in a step
/// panics before it does anything: after a refusal of the outer one, nothing would undo it. To do
/// several steps as one, call a saga with `#[saga(compensatable)]`.
///
/// # Expansion
/// The function then returns a call, which a saga hands to its engine. Anywhere else, `.await` runs
/// the function as written, so a unit test only needs [`Context::for_test`].
///
/// A `use` brings the function and nothing else, so a module of its name may stand beside it: `mod charge; pub use
/// charge::charge;`. What the macro adds begins with two underscores. Settings name a step by its function:
/// `limit(charge, 20)`.
#[cfg(not(rust_analyzer))]
pub use saga_macros::step;
#[cfg(rust_analyzer)]
pub use saga_macros::step_in_an_editor as step;

/// Makes a saga of an `async fn` that calls steps: a struct that can be run, recorded and drawn.
///
/// **The code between the steps has to be deterministic**: it depends only on the input and on outputs of steps. A
/// coordinator runs it again after a crash, with the recorded outputs. Code that reads a file or uses the services
/// belongs in a step. In the body, `cx` is a [`SagaContext`]: it gives the saga's id, times and random ids, which are
/// recorded, and no services.
///
/// ```
/// use saga_runtime::{Context, saga, step};
/// # pub struct Shop;
/// # #[step(compensate = cancel)] async fn create_order(_: Context<'_, Shop>, amount: u64) -> Result<u64, String> { Ok(amount) }
/// # async fn cancel(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
/// # #[step(compensate = cancel)] async fn by_train(_: Context<'_, Shop>, _: u64) -> Result<u64, String> { Ok(1) }
/// # #[step(compensate = cancel)] async fn by_plane(_: Context<'_, Shop>, _: u64) -> Result<u64, String> { Ok(2) }
/// # #[step(retriable)] async fn send_receipt(_: Context<'_, Shop>, _: u64) -> Result<(), String> { Ok(()) }
/// #[derive(Debug)]
/// pub enum CheckoutError {
///     Nothing,
///     Step(String),
/// }
/// # impl std::fmt::Display for CheckoutError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
/// # }
///
/// impl From<String> for CheckoutError {
///     fn from(error: String) -> Self {
///         Self::Step(error)
///     }
/// }
///
/// saga!(
///     /// Sells something, and sends it by train if it can.
///     #[derive(Debug, Clone)]
///     #[saga(deadline = "30s")]
///     pub async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, CheckoutError> {
///         if amount == 0 {
///             return Err(CheckoutError::Nothing);
///         }
///         let order = create_order(cx, amount).await?;
///         let delivery = match by_train(cx, order).await {
///             Ok(delivery) => delivery,
///             Err(_) => by_plane(cx, order).await?,
///         };
///         send_receipt(cx, delivery).await?;
///         Ok(order)
///     }
/// );
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// println!("{}", PlaceOrder::shape());
/// assert_eq!(PlaceOrder { amount: 3 }.execute(&Shop).await.ok(), Some(3));
/// # }
/// ```
///
/// # Expansion
/// The function becomes a struct with its name in camel case and its inputs as fields. The struct implements [`Saga`],
/// and has `execute(self, &services)`, which runs the saga [in process](InProcess), and `shape()`. Attributes of the
/// function, such as documentation and derives, go to the struct. Levels of lints at the beginning of the body,
/// `#![allow(…)]`, hold for the body.
///
/// Write `saga!( … );` with parentheses: then rustfmt formats the body. Braces work too.
///
/// # The body
/// The body is plain Rust: `let`, `if`, `match`, `for`, `while`, early `return` and `?` have their usual meaning. Every
/// `.await` is the call of a step, of another saga, or of [`sleep`], [`event`], [`event_within`], [`first_of`],
/// [`first_of_within`] or [`try_join_all`].
///
/// Deterministic code uses the inputs, the outputs, `cx.now()`, `cx.uuid()` and the saga's id, and nothing else: no other
/// clock, no other random numbers, no map with a random order. The compiler refuses the services in the body. It can't
/// refuse statics, files, the environment and the like: read them in a step, or take them as inputs. Nor can it look into a macro
/// of another file that gets no `cx`: what such a macro does or awaits is not recorded, and happens again in a replay.
/// If it returns an error or begins the next round of a loop, the order rule does not see that; it takes into account that the
/// macro may end the loop. Of a macro of the same file it reads `?`, `return`, `break` and `continue`.
/// `testing::FailureMatrix`, of the feature `testing`, finds a body that is not deterministic, if two runs differ.
///
/// * `.await?` is the usual form: a refusal ends the saga, and the steps that were done are compensated.
/// * `match charge(cx, &order).await { … }` handles a refusal instead. Then the error has to be
///   `Serialize + Deserialize`: it is recorded, so that a replay takes the same branch.
/// * `match pack(cx, articles).await { … }` and `match try_join!(…) { … }` handle the failure of a saga or of a group: what it
///   has done is undone first. See [below](#a-part-that-fails).
/// * A `?` on plain code, or an `Err` that the body returns, fails the saga at that point, like a refusal of a step.
/// * After a `pivot` or a `retriable` step nothing may fail: only `retriable` steps follow, and the body ends with
///   `Ok(…)`. After `if` and `match` the strictest branch counts. The body of a loop has to be allowed after itself.
/// * `sleep(cx, duration).await` and `event(cx, APPROVED).await` never fail, and take no `?`.
/// * Only an awaited call gets `cx`, as its first argument: `charge(cx, &order).await?`. Another name for `cx`, a closure,
///   a macro or a plain function that takes it could run a step that is neither recorded nor compensated, so each is an
///   error. A step that is awaited behind the saga's back in yet another way [panics](engine::Call#panics), and does nothing.
/// * The answers of `cx.now()` and `cx.uuid()` are recorded in the order of the calls. A macro that may leave its arguments out, such
///   as `debug!` or `debug_assert!`, does not get them: take them in a `let` before it.
///
/// ## Loops
/// A step in a loop is called once in each round. Occurrence numbers distinguish the calls: the keys of the second
/// round end in `/1`. Compensations run in reverse, the last round first.
///
/// ```
/// # use saga_runtime::{Context, saga, step};
/// # struct Depot;
/// # #[step(compensate = put_back)]
/// # async fn reserve(_cx: Context<'_, Depot>, article: &str) -> Result<String, String> { Ok(article.to_owned()) }
/// # async fn put_back(_cx: Context<'_, Depot>, _parcel: &String) -> Result<(), String> { Ok(()) }
/// saga!(
///     async fn pack(cx: Context<'_, Depot>, articles: Vec<String>) -> Result<Vec<String>, String> {
///         let mut parcels = Vec::new();
///         for article in &articles {
///             parcels.push(reserve(cx, article).await?);
///         }
///         Ok(parcels)
///     }
/// );
/// ```
///
/// ## Steps at the same time
/// `try_join!(reserve(cx, &order), charge(cx, &order))?` runs its members at the same time: 2 to 16 steps, sagas, or
/// other `try_join!`s, without an `.await` of their own. If one member fails, the others run to their end; then the
/// steps that were done are compensated, in reverse source order. If several members fail, the error of the first in
/// source order counts; `try_join!(…).map_err(f)?` converts it. Either all members can fail or none: a `retriable` step
/// stands only beside others of its kind, and a pivot stands alone.
///
/// ```
/// # use saga_runtime::{Context, saga, step};
/// # struct Shop;
/// # #[step(compensate = put_back)]
/// # async fn reserve(_cx: Context<'_, Shop>, order: u64) -> Result<String, String> { Ok(order.to_string()) }
/// # async fn put_back(_cx: Context<'_, Shop>, _parcel: &String) -> Result<(), String> { Ok(()) }
/// # #[step(compensate = refund)]
/// # async fn charge(_cx: Context<'_, Shop>, order: u64) -> Result<u64, String> { Ok(order) }
/// # async fn refund(_cx: Context<'_, Shop>, _payment: &u64) -> Result<(), String> { Ok(()) }
/// saga!(
///     async fn sell(cx: Context<'_, Shop>, order: u64) -> Result<(String, u64), String> {
///         let (parcel, payment) = try_join!(reserve(cx, order), charge(cx, order))?;
///         Ok((parcel, payment))
///     }
/// );
/// ```
///
/// [`try_join_all`]`(8, &articles, |article| reserve(cx, article)).await?` calls a step for each item, here at most 8
/// at the same time. After the first refusal no further call begins.
///
/// ## Waits
/// [`sleep`] waits for a time, [`event`] for an event, and [`event_within`] for an event with a time limit. [`first_of`]
/// and [`first_of_within`] wait for the first of several events, and the others stay for later waits. On a
/// journal a saga that waits long is suspended: it costs a row and no task, and survives a restart. Waits may stand
/// anywhere, also after the pivot, but not in a `try_join!`. A saga that is a member of a `try_join!` may wait in its
/// own body.
///
/// ```
/// # use saga_runtime::{Context, EventName, event_within, saga, step};
/// # use std::time::Duration;
/// # struct Shop;
/// # #[step(compensate = cancel)] async fn create_order(_: Context<'_, Shop>, amount: u64) -> Result<u64, String> { Ok(amount) }
/// # async fn cancel(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
/// # #[step(pivot)] async fn ship(_: Context<'_, Shop>, _: u64) -> Result<(), String> { Ok(()) }
/// /// The approval of a sale. The sender uses the same constant: `coordinator.send(&id, APPROVED, &true)`.
/// pub const APPROVED: EventName<bool> = EventName::new("approved");
///
/// saga!(
///     async fn sell(cx: Context<'_, Shop>, amount: u64) -> Result<(), String> {
///         let order = create_order(cx, amount).await?;
///         match event_within(cx, APPROVED, Duration::from_hours(24)).await {
///             Some(true) => ship(cx, order).await,
///             _ => Err("not approved".to_owned()),
///         }
///     }
/// );
/// ```
///
/// ## Sub-sagas
/// A saga calls another saga by its function: `let parcels = pack(cx, articles).await?`. The steps of the sub-saga are
/// steps of the outer saga, recorded as `pack/reserve`, and as `pack#1/reserve` in the second call. If the outer saga
/// fails later, they are compensated with the rest. The options of the outer saga apply. A saga may call itself, up to
/// 64 deep.
///
/// A sub-saga has a kind, as a step has. Its definition sets it: `#[saga(compensatable)]` if all of its steps can be
/// undone, `#[saga(retriable)]` if none of them can fail. Without an option it counts as a pivot.
///
/// ## A part that fails
/// `.await?` on a sub-saga, and `?` on a `try_join!`, end the saga. A body that looks at the result handles the failure: the
/// sub-saga, or the group, is then a part that is undone by itself. If it fails, its steps are compensated, last first, and only
/// when all of them are does the body go on with the `Err`.
///
/// ```
/// # use saga_runtime::{Context, saga, step};
/// # struct Shop;
/// # #[step(compensate = put_back)] async fn reserve(_: Context<'_, Shop>, article: &str) -> Result<String, String> { Ok(article.to_owned()) }
/// # async fn put_back(_: Context<'_, Shop>, _: &str) -> Result<(), String> { Ok(()) }
/// # #[step(compensate = cancel)] async fn order_elsewhere(_: Context<'_, Shop>) -> Result<usize, String> { Ok(1) }
/// # async fn cancel(_: Context<'_, Shop>, _: &usize) -> Result<(), String> { Ok(()) }
/// saga!(
///     #[saga(compensatable)]
///     async fn pack(cx: Context<'_, Shop>, articles: Vec<String>) -> Result<usize, String> {
///         for article in &articles {
///             reserve(cx, article).await?;
///         }
///         Ok(articles.len())
///     }
/// );
///
/// saga!(
///     async fn sell(cx: Context<'_, Shop>, articles: Vec<String>) -> Result<usize, String> {
///         let parcels = match pack(cx, articles).await {
///             Ok(parcels) => parcels,
///             Err(_) => order_elsewhere(cx).await?, // what `pack` has reserved is put back by now
///         };
///         Ok(parcels)
///     }
/// );
/// ```
///
/// * The order rule is the same as without the `match`. A saga with a pivot fails only before its pivot is done: in its `Err` arm the
///   saga is where it was before, and after its success only goes forward.
/// * Its error is `Serialize + Deserialize`; in a group, that of each member is.
/// * Only a failure of its own reaches the body: an error of a step, or of its code. A panic, a cancel, a deadline, a step that
///   stays in doubt, and a compensation that fails for good end the whole saga. The last two are [`Cause::NotUndone`].
///
/// The guide has [a table](guide::sub_sagas) of all of these.
///
/// # Options
/// Options stand in `#[saga(…)]` on the function:
///
/// | option | meaning |
/// |---|---|
/// | `deadline = "30s"` | the saga is cancelled if it has not passed its pivot within this time |
/// | `on_compensation_failure = continue` or `halt` | when a compensation has failed for good, the others still run (default), or stay pending |
/// | `compensations = sequential` or `parallel` | compensations run one by one, the last step first (default), or all at once |
/// | `compensatable`, `pivot` or `retriable` | the kind of the saga where another saga calls it. Default: `pivot` |
/// | `policy = PROVIDER` | the [`Policy`](meta::Policy) of steps that say nothing, also in the sagas that it calls |
/// | `name = "…"` | the durable name. Set it to the old name if you rename the function |
/// | `struct = OrderSaga` | the name of the struct, where another type has the one that the function gives. Nothing records it |
/// | `version = 2` | the version of the definition. Default: 1 |
/// | `crate = path` | the path of this crate, if it was renamed |
#[cfg(not(rust_analyzer))]
pub use saga_macros::saga;
#[cfg(rust_analyzer)]
pub use saga_macros::saga_in_an_editor as saga;
