//! The sagas in the recorded data of a Restate server: the moment of each, and its end.

use super::desk::Answer::{self, Never, Panics, Refuses, Succeeds};

/// A definition with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saga {
    Order,
    Bulk,
    Booking,
    Courier,
    Parcels,
    Stamps,
    Rounds,
    Delivery,
    Napping,
    Approval,
    Choosing,
    Meeting,
}

/// One saga in flight.
pub(super) struct Case {
    pub(super) id: &'static str,
    pub(super) saga: Saga,
    /// The answers by key while the data is recorded. Later every request succeeds.
    pub(super) answers: &'static [(&'static str, &'static [Answer])],
    /// The number of results of attempts in the journal of the saga when the data is recorded.
    pub(super) results: u64,
    /// The key of the request that gets no answer.
    pub(super) held: &'static str,
    /// The end of the saga as Restate calls it.
    pub(super) end: &'static str,
    /// The keys of the requests after a start on the recorded data, in order.
    pub(super) asks: &'static [&'static str],
}

const REFUND: &str = "charge/0/compensation";
const RELEASE: &str = "reserve/0/compensation";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "in the middle",
        saga: Saga::Order,
        answers: &[("charge/0", &[Never])],
        results: 1,
        held: "charge/0",
        end: "success",
        asks: &["charge/0", "check/0", "ship/0", "thank/0"],
    },
    Case {
        id: "an id of any text: 17/ü%",
        saga: Saga::Order,
        answers: &[("charge/0", &[Never])],
        results: 1,
        held: "charge/0",
        end: "success",
        asks: &["charge/0", "check/0", "ship/0", "thank/0"],
    },
    Case {
        id: "past its pivot",
        saga: Saga::Order,
        answers: &[("thank/0", &[Never])],
        results: 4,
        held: "thank/0",
        end: "success",
        asks: &["thank/0"],
    },
    Case {
        id: "half compensated",
        saga: Saga::Order,
        answers: &[("ship/0", &[Refuses]), (RELEASE, &[Never])],
        results: 6,
        held: RELEASE,
        end: "failure",
        asks: &[RELEASE],
    },
    Case {
        id: "a compensation is repeated",
        saga: Saga::Order,
        answers: &[("ship/0", &[Refuses]), (REFUND, &[Refuses, Never])],
        results: 6,
        held: REFUND,
        end: "failure",
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "a step in doubt is asked again",
        saga: Saga::Order,
        answers: &[("charge/0", &[Panics, Never])],
        results: 2,
        held: "charge/0",
        end: "failure",
        asks: &["charge/0", REFUND, RELEASE],
    },
    Case {
        id: "a step in doubt was done",
        saga: Saga::Order,
        answers: &[("charge/0", &[Panics, Succeeds]), (REFUND, &[Never])],
        results: 3,
        held: REFUND,
        end: "failure",
        asks: &[REFUND, RELEASE],
    },
    Case {
        id: "resolved",
        saga: Saga::Booking,
        answers: &[("book/0", &[Panics]), (RELEASE, &[Never])],
        results: 4,
        held: RELEASE,
        end: "failure",
        asks: &[RELEASE],
    },
    Case {
        id: "a refusal is handled",
        saga: Saga::Courier,
        answers: &[("weigh.v1/0", &[Refuses]), ("charge/0", &[Never])],
        results: 2,
        held: "charge/0",
        end: "success",
        asks: &["charge/0", "pack/0"],
    },
    Case {
        id: "in a group",
        saga: Saga::Parcels,
        answers: &[("pack/0", &[Never])],
        results: 2,
        held: "pack/0",
        end: "success",
        asks: &["pack/0", "check/0", "ship/0"],
    },
    Case {
        id: "a fan-out is compensated",
        saga: Saga::Stamps,
        answers: &[("ship/0", &[Refuses]), ("stamp/0/compensation", &[Never])],
        results: 7,
        held: "stamp/0/compensation",
        end: "failure",
        asks: &["stamp/0/compensation"],
    },
    Case {
        id: "in a loop",
        saga: Saga::Rounds,
        answers: &[("pack/2", &[Never])],
        results: 2,
        held: "pack/2",
        end: "success",
        asks: &["pack/2", "ship/0"],
    },
    Case {
        id: "after its sub-sagas",
        saga: Saga::Delivery,
        answers: &[("ship/0", &[Never])],
        results: 10,
        held: "ship/0",
        end: "success",
        asks: &["ship/0"],
    },
    Case {
        id: "a sub-saga is compensated",
        saga: Saga::Delivery,
        answers: &[
            ("ship/0", &[Refuses]),
            ("prepare/pack/1/compensation", &[Never]),
        ],
        results: 19,
        held: "prepare/pack/1/compensation",
        end: "failure",
        asks: &[
            "prepare/pack/1/compensation",
            "prepare/pack/0/compensation",
            "prepare/reserve/0/compensation",
        ],
    },
    Case {
        id: "it has slept",
        saga: Saga::Napping,
        answers: &[("charge/0", &[Never])],
        results: 1,
        held: "charge/0",
        end: "success",
        asks: &["charge/0"],
    },
    Case {
        id: "compensated in parallel",
        saga: Saga::Bulk,
        answers: &[("check/0", &[Refuses]), (RELEASE, &[Never])],
        results: 4,
        held: RELEASE,
        end: "failure",
        asks: &[RELEASE],
    },
    Case {
        id: "cancelled",
        saga: Saga::Order,
        answers: &[("charge/0", &[Never])],
        results: 1,
        held: "charge/0",
        end: "failure",
        asks: &["charge/0", REFUND, RELEASE],
    },
    Case {
        id: "an event has ended its wait",
        saga: Saga::Approval,
        answers: &[("charge/0", &[Never])],
        results: 1,
        held: "charge/0",
        end: "success",
        asks: &["charge/0"],
    },
    Case {
        id: "the failure of a called saga is handled",
        saga: Saga::Choosing,
        answers: &[
            ("prepare/pack/1", &[Refuses]),
            ("prepare/reserve/0/compensation", &[Never]),
        ],
        results: 7,
        held: "prepare/reserve/0/compensation",
        end: "success",
        asks: &["prepare/reserve/0/compensation", "charge/0", "ship/0"],
    },
    Case {
        id: "an event was handed to another member",
        saga: Saga::Meeting,
        answers: &[("charge/0", &[Never])],
        results: 2,
        held: "charge/0",
        end: "success",
        asks: &["charge/0"],
    },
];
