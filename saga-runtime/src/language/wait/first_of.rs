//! The first of several events. The others stay for later waits.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Awaited, EventName, EventNames, Never, Wait, Waits};
use crate::language::Callee;
use crate::language::kind::Waiting;
use crate::meta::{Kind, StepMeta};
use crate::place::Context;
use crate::shape::{Node, WaitFor};

/// The event that came first, with its value: of two events `A` or `B`, in the order in which the saga names them.
///
/// A `match` has an arm for each event that the saga waits for, and no others: see [`first_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum First<A, B, C = Never, D = Never> {
    /// The first one in the list.
    A(A),
    /// The second.
    B(B),
    /// The third.
    C(C),
    /// The fourth.
    D(D),
}

/// Waits without a limit for the first of two, three or four events in the body of a saga.
///
/// The event that was sent first ends the wait, and is recorded. The others stay unread: a later wait for one of them gets it.
///
/// ```
/// use saga_runtime::{Context, EventName, Events, First, InProcess, event, first_of, saga, step};
///
/// const PAID: EventName<u64> = EventName::new("paid");
/// const DECLINED: EventName<String> = EventName::new("declined");
///
/// # struct Shop;
/// # #[step(compensate = cancel)] async fn send_bill(_: Context<'_, Shop>) -> Result<u64, String> { Ok(17) }
/// # async fn cancel(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
/// saga!(
///     async fn sell(cx: Context<'_, Shop>) -> Result<u64, String> {
///         send_bill(cx).await?;
///         match first_of(cx, (PAID, DECLINED)).await {
///             First::A(cents) => Ok(cents),
///             First::B(reason) => Err(reason),
///         }
///     }
/// );
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let events = Events::new();
/// events.send(PAID, &1900).unwrap();
/// events.send(DECLINED, &"too late".to_owned()).unwrap();
/// let cents = InProcess::new(&Shop).receives(events).execute(Sell {}).await;
/// assert_eq!(cents.unwrap(), 1900);
/// # }
/// ```
///
/// The names of the events are part of the durable name of the wait, `event:paid|declined`, in this order. A saga in flight whose
/// definition names others, or in another order, is set aside, as after any other change.
///
/// On Restate, of several events that were sent before the wait, the first in the list ends it.
///
/// Of an event and a time, [`event_within`](crate::event_within) waits for the first; of several events and a time,
/// [`first_of_within`].
pub fn first_of<S: ?Sized, E: OneOf<Came = W>, W: Awaited<EventReader = E>>(
    cx: Context<'_, S>,
    events: E,
) -> Waits<W> {
    let _ = cx;
    let wait = Wait {
        events: events.names(),
        limit: None,
    };
    Waits::new(wait, events)
}

/// Waits for the first of two, three or four events in the body of a saga, at most this long. `None` if none of them came in
/// time. See [`first_of`].
pub fn first_of_within<S: ?Sized, E: OneOf<CameWithin = W>, W: Awaited<EventReader = E>>(
    cx: Context<'_, S>,
    events: E,
    limit: Duration,
) -> Waits<W> {
    let _ = cx;
    let wait = Wait {
        events: events.names(),
        limit: Some(limit),
    };
    Waits::new(wait, events)
}

/// The events of which a saga waits for the first: a tuple of two, three or four [`EventName`]s.
#[diagnostic::on_unimplemented(
    message = "`first_of` waits for two, three or four events",
    label = "this is no tuple of their names",
    note = "write `first_of(cx, (PAID, DECLINED)).await`; for one event `event(cx, PAID).await`"
)]
pub trait OneOf: fmt::Debug + Copy + Send + Sync + 'static {
    /// The value of the wait: a [`First`].
    type First: Send;

    /// The wait of [`first_of`], whose type follows from here so that the compiler reports a wrong argument once.
    type Came: Awaited<EventReader = Self>;

    /// The wait of [`first_of_within`].
    type CameWithin: Awaited<EventReader = Self>;

    /// The names of the events, in order.
    fn names(self) -> EventNames;

    /// Reads the value of the event at this place.
    ///
    /// # Errors
    /// If the JSON is not a value of the event's type.
    fn read(self, event: usize, json: &str) -> serde_json::Result<Self::First>;
}

macro_rules! one_of {
    ($($T:ident $at:tt),+) => {
        #[diagnostic::do_not_recommend]
        impl<$($T: Send + 'static),+> OneOf for ($(EventName<$T>,)+) {
            type First = First<$($T),+>;
            type Came = CameFirst<Self>;
            type CameWithin = CameFirstWithin<Self>;

            fn names(self) -> EventNames {
                EventNames::of(&[$(self.$at.name),+])
            }

            fn read(self, event: usize, json: &str) -> serde_json::Result<Self::First> {
                match event {
                    $($at => (self.$at.read)(json).map(First::$T),)+
                    _ => Err(no_such_event()),
                }
            }
        }
    };
}

one_of!(A 0, B 1);
one_of!(A 0, B 1, C 2);
one_of!(A 0, B 1, C 2, D 3);

fn no_such_event() -> serde_json::Error {
    serde::de::Error::custom("the saga does not wait for this event")
}

/// The wait of [`first_of`].
#[derive(Debug)]
pub struct CameFirst<E>(PhantomData<fn() -> E>);

/// The wait of [`first_of_within`].
#[derive(Debug)]
pub struct CameFirstWithin<E>(PhantomData<fn() -> E>);

/// Both are waits for events, as journals have them.
const NAME: &str = "event";

macro_rules! callee {
    ($callee:ident: $what:literal) => {
        impl<E: OneOf> Callee for $callee<E> {
            const CALLEE: StepMeta = StepMeta::new(NAME, Kind::NothingToUndo);

            type Kind = Waiting;

            fn node() -> Node {
                Node::Wait(WaitFor {
                    name: NAME,
                    what: $what,
                    events: Vec::new(),
                })
            }
        }
    };
}

callee!(CameFirst: "first_of");
callee!(CameFirstWithin: "first_of_within");

impl<E: OneOf> Awaited for CameFirst<E> {
    type Output = E::First;
    type EventReader = E;

    fn output(events: E, received: Option<(usize, &str)>) -> serde_json::Result<E::First> {
        let (event, json) = received.unwrap_or_default();
        events.read(event, json)
    }
}

impl<E: OneOf> Awaited for CameFirstWithin<E> {
    type Output = Option<E::First>;
    type EventReader = E;

    fn output(events: E, received: Option<(usize, &str)>) -> serde_json::Result<Option<E::First>> {
        let read = |(event, json)| events.read(event, json);
        received.map(read).transpose()
    }
}
