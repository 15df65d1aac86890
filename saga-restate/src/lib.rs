//! Runs sagas on [Restate](https://restate.dev), a replicated engine for durable execution: the same definitions, unchanged.
//!
//! A saga is a Restate *workflow*: its durable name is the service, its id the key. Each attempt of a step and of a
//! compensation is a journaled `run`. An attempt with a record is not requested again, in whichever process the saga continues.
//!
//! ```no_run
//! use saga_restate::{Client, Endpoint};
//! use saga_runtime::{Context, saga, step};
//! # #[derive(Debug)] pub struct Shop;
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
//! saga!(
//!     pub async fn place_order(cx: Context<'_, Shop>, item: String) -> Result<u64, String> {
//!         let order = create_order(cx, &item).await?;
//!         Ok(order)
//!     }
//! );
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! // in the service, which is registered with Restate once: `restate deployments register http://localhost:9080`
//! Endpoint::builder(Shop)
//!     .register::<PlaceOrder>()
//!     .serve("127.0.0.1:9080".parse()?)
//!     .await?;
//! # Ok(()) }
//!
//! # async fn order() -> Result<(), Box<dyn std::error::Error>> {
//! // in a client
//! let client = Client::connect("http://127.0.0.1:8080")?;
//! let order = client.execute("order-17", &PlaceOrder { item: "tea".into() }).await?;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! The same as on a journal, see [`saga_runtime`], and:
//! * **A saga that failed ends as a failed invocation.** Its message names the step, the cause and every compensation. The same
//!   follows as JSON, which [`Client`] reads as a [`Report`].
//! * **A saga that can't be undone waits for an operator**, and so does one whose pivot gave no answer. A compensation that
//!   keeps failing is attempted for a day first, behind the others. [`Client::operate`] decides, without the code of the saga.
//! * **A cancel compensates**, from [`SagaHandle::cancel`], Restate's command line or its web UI. A *kill* does not: Restate ends
//!   the invocation on the spot, and nothing is compensated.
//! * **Members of a group run at the same time** and are recorded one after the other. After a crash, members without a record
//!   are asked again under their keys, also if they had ended.
//!
//! # Differences from a journal
//! * An id is unique among the sagas of one name, not among all. So keys begin with the name of the saga:
//!   `/place_order/order-17/charge/0`. A saga that began under a version whose keys were `order-17/charge/0` keeps them
//!   to its end. One such saga whose very first request was under way when its service was replaced, and of which Restate
//!   has recorded nothing but its input, may ask for its first step under both keys.
//! * Operators decide by [`Client::operate`] or the handler `decide`, each about one saga. The guide's
//!   chapter *Operating* has the table of states and commands. These are missing:
//!   * `abandon` of a saga that is in no trouble: *kill* its invocation.
//!   * `compensate` from the record: a saga is undone by its own code, so the definition that fits has to be deployed.
//!   * `retry` of a step in doubt that is no pivot, or of its resolver: after five attempts it is left to `resolve`, `skip` and
//!     `abandon`, since the call is over.
//!   * `complete` of a step that is tried again: Restate repeats it. What an operator knows goes to the participant.
//!   * Dropping an event that was sent: its promise can't be replaced.
//! * A compensation without `compensation(retry(…))` is attempted [for 24 hours](Endpoint::compensation_retry), as on a journal.
//!   A resolver, and a step in doubt, is attempted five times, since no decision is heard between these attempts. A
//!   retriable step is attempted until it succeeds, and never gets stuck.
//! * A compensation in a part of which the body handles the failure holds up the body, by the same policy, and no decision is heard
//!   meanwhile. Once it has failed for good, the saga fails, and `resolve`, `skip` and `abandon` decide about it; `retry` does not.
//! * A saga that began under a version without decisions keeps its form: it ends as a failed invocation if it can't be undone.
//! * The first ten attempts of a `retriable` step are recorded one by one. From then on Restate repeats the entry itself, with
//!   the step's backoff, and the number of the attempt does not grow any more. In a group all attempts are recorded.
//! * The time that a body asks for is that of the last record: of the start, of the attempt before, of the event. The start is
//!   when the client says it was, so the clocks of the client and the service should agree.
//! * A saga that waits longer than the [patience](Endpoint::patience) of its endpoint is suspended. The server asks no saga to
//!   suspend itself while an attempt is under way, so a slow attempt in a group is made once.
//! * The handler `start` is for starts by hand: it reads the input before the saga gets its id. Restate takes any input that is
//!   sent to the handler `run`, and the id with it: there, an input that the saga can't read ends it with the status 400 before the
//!   first step, and the id is used up until the invocation is purged. The [client](Client) sends nothing that the saga can't
//!   read.
//! * An attempt that has ended its process [as often as is allowed](Endpoint::max_recoveries) is paused, with the event `saga
//!   stuck`, ERROR. An operator mends the step and resumes the saga, in the web UI or on the command line; each resumption
//!   is one more attempt. A cancel of a paused saga asks for no attempt: a resolver settles the step, or else the saga is
//!   paused again, until it is resumed. A compensation that ends processes fails for good, and is left to an operator. Restate counts the processes that
//!   it has lost; the first one is not counted if the server ends with it.
//! * An event that the saga can't read is set aside, with the event `event set aside`, WARN, in the log of the service. Its
//!   promise stays in Restate; it can't be replaced.
//! * A wait for the first of several events takes the one that Restate tells first. Of events that were sent before the wait began that
//!   is the first in the list, and not the first that was sent. Which one it was is recorded.
//! * Restate forgets a saga that has ended after the [retention](Endpoint::retention) of its endpoint, 30 days. Its id is free then.
//! * A saga whose result can't be recorded has ended, with a [`Report`] that says so, and not stuck.
//! * After a crash, or a wait during which Restate let the process forget the saga, an earlier process may have requested the
//!   next step. If that step refuses, its resolver runs, for nothing at worst.
//! * A saga whose changed definition does not fit its records fails with Restate's own *journal mismatch* (code 570), and is
//!   retried until the old definition is back. Sagas in flight stay on the deployment on which they began: register a changed
//!   definition under another address.
//! * A saga [without operators](Endpoint::without_operators), or one that has ended with [`Report::is_compensated`] false, can't be
//!   resumed or restarted as new: Restate refuses that for workflows. If the whole saga is to run once more, purge the
//!   invocation and start the same saga again: it asks under the same keys, so its participants answer as they did. After a
//!   purge the id is free for another input, too, which would get the answers to the first one: use a new id for that.
//!
//! # For operators
//! * A saga in trouble has the state `trouble` of its workflow: the report, and the commands that it takes. Restate's table `state` lists
//!   all of them. Its decisions are the promises `decision/0`, `decision/1`, … These names stay.
//! * A saga that waits for an event waits for the promise `event/NAME/N` of its workflow, where `N` counts the events of that
//!   name from 0; Restate's table `sys_promise` lists it. This name stays. For the first of several events it waits for the promise of
//!   each.
//! * This crate writes no inputs, outputs and events to a log, nor the texts of steps' errors. Restate's SDK does, at the level `trace` of
//!   its target `restate_sdk`. At that level, turn the target off: `RUST_LOG=trace,restate_sdk=off`. At the level `warn` the SDK writes the
//!   reason why Restate repeats an invocation: those of this crate name steps, but quote nothing.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempt_record;
mod attempts;
mod client;
mod clock;
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, dead_code, reason = "only a test asks for a crash")
)]
mod crash;
mod decision;
mod endpoint;
mod engine;
mod entry_names;
mod exchange;
mod failure_report;
mod form;
mod handled;
mod inbox;
mod invocation;
mod journal;
mod lock;
mod operated;
mod server;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;
mod trace_headers;
mod turns;
mod wait;
mod workflow;

pub use client::{Client, ClientError, ExecuteError, Http, HttpError, SagaHandle};
pub use decision::Trouble;
pub use endpoint::{Endpoint, InvalidIdentityKey, ServeError, UnknownStep};
pub use failure_report::{Report, Undone, UndoneStep};
pub use invocation::{Ended, Suspended};
