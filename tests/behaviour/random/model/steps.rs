//! The steps of the errand, as the model knows them.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Compensatable,
    NothingToUndo,
    Pivot,
    Retriable,
}

/// A step and its policies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The most attempts.
    pub(super) attempts: u32,
    /// Only `Busy` is retried.
    pub(super) only_busy: bool,
    /// The number of requests that settle it when it is in doubt.
    pub(super) settling: u32,
    pub(super) has_resolver: bool,
    pub(super) undo_attempts: u32,
}

impl Spec {
    /// Says whether the saga only goes forward from here.
    pub(super) fn closes(self) -> bool {
        matches!(self.kind, Kind::Pivot | Kind::Retriable)
    }
}

pub(super) const PLAIN: Spec = Spec {
    name: "plain",
    kind: Kind::Compensatable,
    attempts: 1,
    only_busy: false,
    settling: 5,
    has_resolver: false,
    undo_attempts: 5,
};

pub(super) const ASKED: Spec = Spec {
    name: "asked",
    attempts: 3,
    only_busy: true,
    settling: 3,
    undo_attempts: 3,
    ..PLAIN
};

pub(super) const RESOLVED: Spec = Spec {
    name: "resolved",
    attempts: 2,
    has_resolver: true,
    ..PLAIN
};

pub(super) const PEEK: Spec = Spec {
    name: "peek",
    kind: Kind::NothingToUndo,
    ..PLAIN
};

pub(super) const COMMIT: Spec = Spec {
    name: "commit",
    kind: Kind::Pivot,
    attempts: 2,
    settling: 2,
    ..PLAIN
};

pub(super) const THANK: Spec = Spec {
    name: "thank",
    kind: Kind::Retriable,
    attempts: u32::MAX,
    ..PLAIN
};
