//! Sagas whose wiring the compiler checks.
//!
//! A saga is a long-running transaction across services: a sequence of steps, each with a compensation that undoes it
//! when a later step fails. Write the happy path as the async function that you would have written anyway, and say
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
//! * [`step`](macro@step) makes a step of an `async fn`, [`saga!`] a saga of another one that calls steps.
//! * [`InProcess`] runs a saga in the caller's future. The generated `execute` is short for it.
//! * [`Coordinator`] runs sagas on a [`journal`], so that they survive the process.
//! * [`Context`] is what steps are given: the services, ids, the idempotency key.
//! * [`SagaError`] says at which step a saga failed, why, and what has become of every step before.
//! * [`Shape`] is a saga as data: an outline, a Mermaid flowchart, a DOT graph.
//! * [`Engine`] is the seam for other ways to run the same sagas. Whatever is not named here or by one of these is for those
//!   who write an engine, see [`engines`], or a [`journal`].
//!
//! # What is guaranteed
//! * **All or compensated.** If a saga fails, every step that may have had an effect is compensated, last first, or the
//!   error names those that are not.
//! * **A step that refused is not compensated**: an `Err` says that nothing has happened. A timeout, a panic, and an
//!   error that `in_doubt(when = …)` names leave that open; such a step is *in doubt*, and is settled first: by its
//!   resolver, or by asking it again under the same key until the answer is definite.
//! * **Effects happen at least once**, under a stable [idempotency key](IdempotencyKey). Participants that remember keys
//!   make that exactly once.
//! * **The order rule**, `(compensatable | nothing to undo)* pivot? retriable*`, is checked by the compiler: nothing that
//!   can fail comes after a step that can't be undone.
//!
//! # What is not
//! * **Isolation.** Others see the states in between: an order that exists and is not paid yet. The usual
//!   counter-measures are a status that says so (*semantic lock*), updates that commute, and reading again before acting
//!   (H. Garcia-Molina and K. Salem, *Sagas*, 1987; C. Richardson, *Microservices Patterns*, 2018, chapter 4).
//! * **In process, survival.** A saga on [`InProcess`] ends with its process or its future.

mod attempts;
pub mod coordinator;
mod engines;
mod error;
mod generated;
mod id;
pub mod journal;
mod language;
mod lock;
pub mod meta;
mod panic;
mod place;
mod run;
pub mod shape;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub use generated::private as __private;
#[doc(hidden)]
pub use generated::rules;
// Generated code names these at the root.
#[doc(hidden)]
pub use {
    language::{Call, Part, Step},
    meta::{CompensationOrder, OnCompensationFailure, RetryPolicy, SagaMeta, StepMeta},
    place::Place,
    run::Engine,
    shape::Node,
};

pub use coordinator::{Coordinator, ExecuteError};
pub use engines::in_process::{Events, InProcess};
pub use error::{Cause, Compensation, CompensationFailure, CompensationOutcome, SagaError};
pub use id::{InvalidSagaId, SagaId};
pub use language::kind;
pub use language::{EventName, event, event_within, sleep};
pub use meta::Kind;
pub use place::{Context, IdempotencyKey};
pub use run::{Saga, try_join_all};
pub use shape::Shape;
pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;

pub mod engine {
    //! Everything that an engine outside of this crate is built of.
    //!
    //! An [`Engine`] says where an attempt is made, what is recorded about it, and how long it waits ([`Surroundings`]).
    //! This module decides what follows an attempt, how often it is repeated, and how a step in doubt is settled. The
    //! decisions are the same on every engine.

    pub use crate::attempts::{
        AttemptOutcome, AttemptReport, AttemptResult, BoxFuture, Compensate, CompensationResult,
        Compensator, ErrorRecord, FailureCause, GiveUp, Origin, PendingStep, Purpose, Settlement,
        StepCompensator, StepEnd, Surroundings, Verdict, compensate, pursue,
    };
    pub use crate::error::{Interruption, Reason};
    pub use crate::language::{
        Call, Came, CameWithin, Part, Payload, Slept, Step, Wait, Waits, from_json, to_json,
    };
    pub use crate::place::{
        Ambient, Attempt, Calls, Doubt, Frame, Group, Instance, Member, Place, Position, Role,
        Scope,
    };
    pub use crate::run::{Engine, FanOut, FanOutCall, GroupMember, SagaEnd, WaitEnd};
}

/// Makes a step of a free `async fn`.
///
/// The function takes a [`Context`] first, then its inputs, by value or by reference, and returns
/// `Result<Output, Error>`. The output is `Clone + Serialize + Deserialize`; the error is `Display`. Inputs are cloned
/// for each attempt, so take by reference what is large.
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
/// Exactly one of these must be said:
///
/// | option | meaning |
/// |---|---|
/// | `compensate = path` | undone by `async fn path(cx, output: &Output) -> Result<(), E>`. A step returns what its compensation needs |
/// | `compensate = ()` | nothing to undo: it reads, or what it does is harmless |
/// | `pivot` | can't be undone; once it has succeeded the saga only goes forward |
/// | `retriable` | retried until it succeeds; it never makes the saga fail |
///
/// # Policies
/// | option | meaning |
/// |---|---|
/// | `timeout = "3s"` | the longest that one attempt may take; in process there is no limit without it |
/// | `retry(attempts = 5, backoff = "100ms..10s", when = path)` | attempts, the waits between (exponential, jittered), and for which errors: `fn(&Error) -> bool`. Without it, one attempt |
/// | `in_doubt(when = path, resolve = path)` | which errors leave open if something has happened, and an `async fn` with the parameters of the step that undoes whatever may have happened under its key |
/// | `compensation(timeout = "3s", retry(attempts = 5, backoff = "…"))` | the same for the compensation and the resolver. Without it, five attempts |
/// | `name = "…"` | the durable name, when the function was renamed |
/// | `crate = path` | where this crate is, when it was renamed |
///
/// Durations are a whole number and one of `us`, `ms`, `s`, `m`, `h`, `d`.
///
/// # What the function becomes
/// A function that returns a [`Call`], which a saga hands to its engine. Anywhere else, `.await` runs the function as it
/// was written, so that a unit test needs nothing but [`Context::for_test`].
pub use saga_macros::step;

/// Makes a saga of an `async fn` that calls steps.
///
/// **The code between the steps is deterministic**: it depends on the input and on what steps returned, and on nothing
/// else. An engine with a journal runs it again after a crash, with the recorded outputs. What reads a file or the services
/// is a step; the time and random ids come from [`Context::now`] and [`Context::uuid`], which are written down.
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
/// # What it becomes
/// A struct that is named like the function, in camel case, with the inputs as fields: the saga's identity and its
/// serializable input in one value. Attributes written on the function (documentation, derives) go to the struct. It has
/// `execute(self, &services)`, which runs the saga [in process](InProcess), `shape()`, and implements [`Saga`].
///
/// Write it in parentheses, `saga!( … );`: then rustfmt formats it. Braces work too.
///
/// # The body
/// It is plain Rust: `let`, `if`, `match`, `for`, `while`, early `return`, `?` mean what they always mean. Every `.await`
/// in it is the call of a step, of another saga, or of one of this library's own: [`sleep`], [`event`], [`event_within`],
/// [`try_join_all`].
///
/// The body has to be deterministic: a coordinator that goes on after a crash runs it again, and gives it what is written
/// down about the steps that were called before. Plain code between steps may use the inputs and the outputs, `cx.now()` and
/// `cx.uuid()`, and nothing else: no other clock, no random number, no map whose order is another one each time.
///
/// * `.await?` is the usual form: a refusal ends the saga, and what was done is compensated.
/// * `match charge(cx, &order).await { … }` handles a refusal instead. The error is then `Serialize + Deserialize`,
///   because a replay has to take the same branch.
/// * A `?` on plain code, or an `Err` that the body returns, is a failure at that point and unwinds like a step's.
/// * After a `pivot` or a `retriable` step nothing may fail any more: only `retriable` steps follow, and the body ends with
///   `Ok(…)`. After `if` and `match` the strictest branch counts; the body of a loop has to be allowed after itself.
/// * `sleep(cx, duration).await` and `event(cx, APPROVED).await` never fail, and have no `?`.
///
/// ## Loops
/// A step in a loop is called once in each round, and occurrence numbers keep the calls apart: the keys of the second round
/// end in `/1`. Compensations run in reverse, the last round first.
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
/// other `try_join!`s. None of them is awaited by itself. If one of them fails, the others run to their end; then what was
/// done is compensated, in reverse order of the source. The error is that of the first member that has failed, in the
/// order of the source, whoever failed first; `try_join!(…).map_err(f)?` makes another one of it. All members can fail, or
/// none: a `retriable` step does not stand beside others, and a pivot stands alone.
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
/// [`try_join_all`]`(8, &articles, |article| reserve(cx, article)).await?` does the same for each of many items, here for 8
/// of them at a time. It stops at the first refusal: what has not begun then does not begin.
///
/// ## Waits
/// [`sleep`] waits for a time, [`event`] for somebody who sends an event, [`event_within`] for whichever is first. On a
/// journal a saga that waits long is let go of meanwhile: it costs a row and no task, and a restart changes nothing. They
/// stand anywhere, also after the pivot, but not in a `try_join!`, except inside of a saga that is a member of it.
///
/// ```
/// # use saga_runtime::{Context, EventName, event_within, saga, step};
/// # use std::time::Duration;
/// # struct Shop;
/// # #[step(compensate = cancel)] async fn create_order(_: Context<'_, Shop>, amount: u64) -> Result<u64, String> { Ok(amount) }
/// # async fn cancel(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
/// # #[step(pivot)] async fn ship(_: Context<'_, Shop>, _: u64) -> Result<(), String> { Ok(()) }
/// /// Whether somebody approves; the same constant where it is sent: `coordinator.send(&id, APPROVED, &true)`.
/// pub const APPROVED: EventName<bool> = EventName::new("approved");
///
/// saga!(
///     async fn sell(cx: Context<'_, Shop>, amount: u64) -> Result<(), String> {
///         let order = create_order(cx, amount).await?;
///         match event_within(cx, APPROVED, Duration::from_secs(24 * 60 * 60)).await {
///             Some(true) => ship(cx, order).await,
///             _ => Err("nobody has approved it".to_owned()),
///         }
///     }
/// );
/// ```
///
/// ## Sagas inside of sagas
/// A saga calls another one by its function: `let parcels = pack(cx, articles).await?`. Its steps are steps of the outer
/// saga, written down as `pack/reserve`, and as `pack#1/reserve` in the second call; if the outer saga fails later, they
/// are compensated with the rest. The options of the outer saga hold. A saga may call itself, up to 64 deep.
///
/// What a saga counts as where another one calls it, it says itself: `#[saga(compensatable)]` if all of its steps can be
/// undone, `#[saga(retriable)]` if none of them can fail. A saga that says nothing counts as a pivot.
///
/// # Options
/// They stand in `#[saga(…)]` on the function:
///
/// | option | meaning |
/// |---|---|
/// | `deadline = "30s"` | the saga is cancelled when it passes before the pivot |
/// | `on_compensation_failure = continue` or `halt` | whether the other compensations still run when one has failed for good; `continue` is the default |
/// | `compensations = sequential` or `parallel` | last first, which is the default, or all at once |
/// | `compensatable`, `pivot` or `retriable` | what it counts as where another saga calls it; `pivot` is the default |
/// | `name = "…"` | the durable name, when the function was renamed |
/// | `version = 2` | the version of the definition, 1 without it |
/// | `crate = path` | where this crate is, when it was renamed |
pub use saga_macros::saga;
