//! The sagas whose journal fails: the course of each, and its end.

use saga_runtime::journal::State;

use crate::shop::{Answer, Shop};

/// The course of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    IsSold,
    /// The pivot refuses.
    IsUndone,
    /// It is cancelled while it waits.
    IsCancelled,
    /// A compensation fails until an operator says that it is tried again.
    IsStuck,
    /// Two of them at the same time.
    AreSold,
    /// And both are undone.
    AreUndone,
}

pub(super) const STORIES: [Story; 6] = [
    Story::IsSold,
    Story::IsUndone,
    Story::IsCancelled,
    Story::IsStuck,
    Story::AreSold,
    Story::AreUndone,
];

impl Story {
    pub(super) fn shop(self) -> Shop {
        let shop = Shop::default();
        match self {
            Self::IsSold | Self::IsCancelled | Self::AreSold => shop,
            Self::IsUndone | Self::AreUndone => shop.always("ship", Answer::Refuses),
            Self::IsStuck => shop
                .always("ship", Answer::Refuses)
                .always("refund", Answer::Refuses),
        }
    }

    pub(super) fn end(self) -> State {
        match self {
            Self::IsSold | Self::AreSold => State::Completed,
            Self::IsUndone | Self::IsCancelled | Self::IsStuck | Self::AreUndone => {
                State::Compensated
            }
        }
    }

    /// Says whether two things happen at the same time.
    pub(super) fn is_beside_itself(self) -> bool {
        matches!(self, Self::AreSold | Self::AreUndone)
    }

    /// The requests, without repetitions, and sorted where their order may differ.
    pub(super) fn asked(self) -> &'static [&'static str] {
        match self {
            Self::IsSold => &["order", "charge", "ship", "thank"],
            Self::IsUndone => &["order", "charge", "ship", "refund", "cancel"],
            Self::IsCancelled => &["order", "cancel"],
            Self::IsStuck => &["order", "charge", "ship", "refund", "cancel", "refund"],
            Self::AreSold => &["charge", "order", "ship", "thank"],
            Self::AreUndone => &["cancel", "charge", "order", "refund", "ship"],
        }
    }
}
