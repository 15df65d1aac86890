//! The sagas of a recorded SQLite journal: the script up to the record of each, and the script from there to its end.

use saga_runtime::journal::State;

use super::desk::Answer::{self, Never, Panics, Refuses, Succeeds};

/// A definition with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Order,
    Halting,
    Bulk,
    Booking,
    Courier,
    Parcels,
    Stamps,
    Rounds,
    Delivery,
    Napping,
    Approval,
    Request,
    Urgent,
    Mailing,
    Paying,
    Choosing,
    Settling,
}

impl Start {
    /// Says whether some of its steps run at the same time, so that they may be recorded in any order.
    pub(crate) fn has_group(self) -> bool {
        matches!(
            self,
            Self::Parcels | Self::Stamps | Self::Delivery | Self::Choosing
        )
    }
}

/// One line of the script of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Waits until a request under this key gets no answer.
    Held(&'static str),
    /// Waits until the journal has this number of entries.
    Entries(usize),
    /// Waits for a state.
    Becomes(State),
    Cancel,
    /// Sends the event that the saga waits for.
    Send(u32),
    Retry,
    Resolve(&'static str),
    Skip(&'static str),
    /// Says that a step in doubt was done.
    Complete(&'static str),
    Abandon,
}

use Act::{Abandon, Becomes, Cancel, Complete, Entries, Held, Resolve, Retry, Send, Skip};
use State::{Abandoned, Compensated, Completed, Stuck, Waiting};

/// One saga of a recorded journal.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) start: Start,
    /// The answers by key while the journal is recorded. Later every request succeeds.
    pub(crate) answers: &'static [(&'static str, &'static [Answer])],
    /// The script up to the moment in which the journal is recorded.
    pub(crate) recorded: &'static [Act],
    /// The script from a start on the recorded journal to the end.
    pub(crate) resumed: &'static [Act],
    /// The keys of the requests after that start, in order.
    pub(crate) asks: &'static [&'static str],
}

const SHIP_REFUSES: (&str, &[Answer]) = ("ship/0", &[Refuses]);
const REFUND: &str = "charge/0/compensation";
const RELEASE: &str = "reserve/0/compensation";

pub(crate) const CASES: &[Case] = &[
    Case {
        id: "at its first step",
        start: Start::Order,
        answers: &[("reserve/0", &[Never])],
        recorded: &[Held("reserve/0")],
        resumed: &[Becomes(Completed)],
        asks: &["reserve/0", "charge/0", "check/0", "ship/0", "thank/0"],
    },
    Case {
        id: "in the middle",
        start: Start::Order,
        answers: &[("charge/0", &[Never])],
        recorded: &[Held("charge/0")],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0", "check/0", "ship/0", "thank/0"],
    },
    Case {
        id: "an id of any text: 17/ü%",
        start: Start::Order,
        answers: &[("charge/0", &[Never])],
        recorded: &[Held("charge/0")],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0", "check/0", "ship/0", "thank/0"],
    },
    Case {
        id: "past its pivot",
        start: Start::Order,
        answers: &[("thank/0", &[Never])],
        recorded: &[Held("thank/0")],
        resumed: &[Becomes(Completed)],
        asks: &["thank/0"],
    },
    Case {
        id: "at its first compensation",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Never])],
        recorded: &[Held(REFUND)],
        resumed: &[Becomes(Compensated)],
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "half compensated",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (RELEASE, &[Never])],
        recorded: &[Held(RELEASE)],
        resumed: &[Becomes(Compensated)],
        asks: &[RELEASE],
    },
    Case {
        id: "stuck at a compensation",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses])],
        recorded: &[Becomes(Stuck)],
        resumed: &[Retry, Becomes(Compensated)],
        asks: &[REFUND],
    },
    Case {
        id: "abandoned at a compensation",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses])],
        recorded: &[Becomes(Stuck), Abandon],
        resumed: &[Becomes(Abandoned)],
        asks: &[],
    },
    Case {
        id: "stuck, one compensation skipped",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses]), (RELEASE, &[Refuses])],
        recorded: &[Becomes(Stuck), Skip("charge"), Entries(10)],
        resumed: &[Resolve("reserve"), Becomes(Compensated)],
        asks: &[],
    },
    Case {
        id: "stuck, one compensation resolved",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses]), (RELEASE, &[Refuses])],
        recorded: &[Becomes(Stuck), Resolve("charge"), Entries(10)],
        resumed: &[Skip("reserve"), Becomes(Compensated)],
        asks: &[],
    },
    Case {
        id: "stuck and retried",
        start: Start::Order,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses, Refuses, Never])],
        recorded: &[Becomes(Stuck), Retry, Held(REFUND)],
        resumed: &[Becomes(Compensated)],
        asks: &[REFUND],
    },
    Case {
        id: "halted",
        start: Start::Halting,
        answers: &[SHIP_REFUSES, (REFUND, &[Refuses])],
        recorded: &[Becomes(Stuck)],
        resumed: &[Retry, Becomes(Compensated)],
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "a step in doubt is asked again",
        start: Start::Order,
        answers: &[("charge/0", &[Panics, Never])],
        recorded: &[Held("charge/0"), Entries(2)],
        resumed: &[Becomes(Compensated)],
        asks: &["charge/0", REFUND, RELEASE],
    },
    Case {
        id: "a step in doubt was refused",
        start: Start::Order,
        answers: &[("charge/0", &[Panics, Refuses]), (RELEASE, &[Never])],
        recorded: &[Held(RELEASE)],
        resumed: &[Becomes(Compensated)],
        asks: &[RELEASE],
    },
    Case {
        id: "a step in doubt was done",
        start: Start::Order,
        answers: &[("charge/0", &[Panics, Succeeds]), (REFUND, &[Never])],
        recorded: &[Held(REFUND)],
        resumed: &[Becomes(Compensated)],
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "stuck with its pivot in doubt",
        start: Start::Order,
        answers: &[("ship/0", &[Panics])],
        recorded: &[Becomes(Stuck)],
        resumed: &[Complete("ship"), Becomes(Completed)],
        asks: &["thank/0"],
    },
    Case {
        id: "its pivot was completed by hand",
        start: Start::Order,
        answers: &[("ship/0", &[Panics]), ("thank/0", &[Never])],
        recorded: &[Becomes(Stuck), Complete("ship"), Held("thank/0")],
        resumed: &[Becomes(Completed)],
        asks: &["thank/0"],
    },
    Case {
        id: "resolving",
        start: Start::Booking,
        answers: &[("book/0", &[Panics]), ("book/0/compensation", &[Never])],
        recorded: &[Held("book/0/compensation")],
        resumed: &[Becomes(Compensated)],
        asks: &["book/0/compensation", RELEASE],
    },
    Case {
        id: "resolved",
        start: Start::Booking,
        answers: &[("book/0", &[Panics]), (RELEASE, &[Never])],
        recorded: &[Held(RELEASE)],
        resumed: &[Becomes(Compensated)],
        asks: &[RELEASE],
    },
    Case {
        id: "stuck at a resolver",
        start: Start::Booking,
        answers: &[("book/0", &[Panics]), ("book/0/compensation", &[Refuses])],
        recorded: &[Becomes(Stuck)],
        resumed: &[Retry, Becomes(Compensated)],
        asks: &["book/0/compensation"],
    },
    Case {
        id: "cancelled",
        start: Start::Order,
        answers: &[("charge/0", &[Never])],
        recorded: &[Held("charge/0"), Cancel],
        resumed: &[Becomes(Compensated)],
        asks: &["charge/0", REFUND, RELEASE],
    },
    Case {
        id: "a refusal is handled",
        start: Start::Courier,
        answers: &[("weigh.v1/0", &[Refuses]), ("charge/0", &[Never])],
        recorded: &[Held("charge/0")],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0", "pack/0"],
    },
    Case {
        id: "in a group",
        start: Start::Parcels,
        answers: &[("charge/0", &[Never])],
        recorded: &[Held("charge/0"), Entries(2)],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0", "check/0", "ship/0"],
    },
    Case {
        id: "a group is compensated",
        start: Start::Parcels,
        answers: &[("check/0", &[Refuses]), (REFUND, &[Never])],
        recorded: &[Held(REFUND)],
        resumed: &[Becomes(Compensated)],
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "in a fan-out",
        start: Start::Stamps,
        answers: &[("stamp/1", &[Never])],
        recorded: &[Held("stamp/1"), Entries(2)],
        resumed: &[Becomes(Completed)],
        asks: &["stamp/1", "ship/0"],
    },
    Case {
        id: "a fan-out is compensated",
        start: Start::Stamps,
        answers: &[SHIP_REFUSES, ("stamp/2/compensation", &[Never])],
        recorded: &[Held("stamp/2/compensation")],
        resumed: &[Becomes(Compensated)],
        asks: &[
            "stamp/2/compensation",
            "stamp/1/compensation",
            "stamp/0/compensation",
        ],
    },
    Case {
        id: "in a loop",
        start: Start::Rounds,
        answers: &[("pack/1", &[Never])],
        recorded: &[Held("pack/1")],
        resumed: &[Becomes(Completed)],
        asks: &["pack/1", "pack/2", "ship/0"],
    },
    Case {
        id: "in a sub-saga of a group",
        start: Start::Delivery,
        answers: &[("prepare#1/pack/0", &[Never])],
        recorded: &[Held("prepare#1/pack/0"), Entries(8)],
        resumed: &[Becomes(Completed)],
        asks: &["prepare#1/pack/0", "prepare#1/pack/1", "ship/0"],
    },
    Case {
        id: "a sub-saga is compensated",
        start: Start::Delivery,
        answers: &[SHIP_REFUSES, ("prepare/pack/1/compensation", &[Never])],
        recorded: &[Held("prepare/pack/1/compensation")],
        resumed: &[Becomes(Compensated)],
        asks: &[
            "prepare/pack/1/compensation",
            "prepare/pack/0/compensation",
            "prepare/reserve/0/compensation",
        ],
    },
    Case {
        id: "asleep",
        start: Start::Napping,
        answers: &[],
        recorded: &[Becomes(Waiting)],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0"],
    },
    Case {
        id: "waiting",
        start: Start::Approval,
        answers: &[],
        recorded: &[Becomes(Waiting)],
        resumed: &[Becomes(Waiting), Send(7), Becomes(Completed)],
        asks: &["charge/0"],
    },
    Case {
        id: "an event came before it waited",
        start: Start::Approval,
        answers: &[("reserve/0", &[Never])],
        recorded: &[Held("reserve/0"), Send(7)],
        resumed: &[Becomes(Completed)],
        asks: &["reserve/0", "charge/0"],
    },
    Case {
        id: "its wait is over",
        start: Start::Approval,
        answers: &[("charge/0", &[Never])],
        recorded: &[Becomes(Waiting), Send(7), Held("charge/0")],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0"],
    },
    Case {
        id: "waiting for an hour",
        start: Start::Request,
        answers: &[],
        recorded: &[Becomes(Waiting)],
        resumed: &[Becomes(Completed)],
        asks: &[],
    },
    Case {
        id: "past its deadline",
        start: Start::Urgent,
        answers: &[],
        recorded: &[Becomes(Waiting)],
        resumed: &[Becomes(Compensated)],
        asks: &[RELEASE],
    },
    Case {
        id: "compensated in parallel",
        start: Start::Bulk,
        answers: &[("check/0", &[Refuses]), (REFUND, &[Never])],
        recorded: &[Held(REFUND), Entries(4)],
        resumed: &[Becomes(Compensated)],
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "completed",
        start: Start::Order,
        answers: &[],
        recorded: &[Becomes(Completed)],
        resumed: &[Becomes(Completed)],
        asks: &[],
    },
    Case {
        id: "compensated",
        start: Start::Order,
        answers: &[("check/0", &[Refuses])],
        recorded: &[Becomes(Compensated)],
        resumed: &[Becomes(Compensated)],
        asks: &[],
    },
    Case {
        id: "a step fails, and is attempted again",
        start: Start::Mailing,
        answers: &[("mail/0", &[Refuses])],
        recorded: &[Entries(2), Becomes(Waiting)],
        resumed: &[Becomes(Completed)],
        asks: &["mail/0"],
    },
    Case {
        id: "a compensation fails, and is attempted again",
        start: Start::Paying,
        answers: &[SHIP_REFUSES, ("pay/0/compensation", &[Refuses])],
        recorded: &[Entries(6), Becomes(Waiting)],
        resumed: &[Becomes(Compensated)],
        asks: &["pay/0/compensation"],
    },
    Case {
        id: "in a group that is undone, since its failure is handled",
        start: Start::Choosing,
        answers: &[("pack/0", &[Refuses]), (RELEASE, &[Never])],
        recorded: &[Held(RELEASE)],
        resumed: &[Becomes(Completed)],
        asks: &[
            RELEASE,
            "weigh.v1/0",
            "prepare/reserve/0",
            "prepare/pack/0",
            "prepare/pack/1",
            "ship/0",
        ],
    },
    Case {
        id: "in a called saga that is undone, since its failure is handled",
        start: Start::Choosing,
        answers: &[
            ("prepare/pack/1", &[Refuses]),
            ("prepare/reserve/0/compensation", &[Never]),
        ],
        recorded: &[Held("prepare/reserve/0/compensation")],
        resumed: &[Becomes(Completed)],
        asks: &["prepare/reserve/0/compensation", "charge/0", "ship/0"],
    },
    Case {
        id: "behind two parts whose failure was handled",
        start: Start::Choosing,
        answers: &[
            ("reserve/0", &[Refuses]),
            ("prepare/pack/0", &[Refuses]),
            ("ship/0", &[Never]),
        ],
        recorded: &[Held("ship/0")],
        resumed: &[Becomes(Completed)],
        asks: &["ship/0"],
    },
    Case {
        id: "waiting for the first of two events",
        start: Start::Settling,
        answers: &[],
        recorded: &[Becomes(Waiting)],
        resumed: &[Becomes(Waiting), Send(7), Becomes(Completed)],
        asks: &["charge/0"],
    },
    Case {
        id: "the first of two events has come",
        start: Start::Settling,
        answers: &[("charge/0", &[Never])],
        recorded: &[Becomes(Waiting), Send(7), Held("charge/0")],
        resumed: &[Becomes(Completed)],
        asks: &["charge/0"],
    },
];
