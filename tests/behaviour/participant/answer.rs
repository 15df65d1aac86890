//! The answer of a participant to one request.

/// An effect, and the text about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Does it.
    Done,
    /// Does nothing, and says so for good.
    Refused,
    /// Does nothing, and says that another attempt may help.
    Busy,
    /// Does it, and says that another attempt may help.
    BusyButDone,
    /// Does nothing, and says that it doesn't know.
    Unclear,
    /// Does it, and says that it doesn't know.
    UnclearButDone,
    /// Does nothing, and never answers.
    Silent,
    /// Does it, and never answers.
    SilentButDone,
    /// Does nothing, and the caller panics.
    Panics,
    /// Does it, and the caller panics.
    PanicsButDone,
}

impl Answer {
    /// Says whether the request has its effect.
    pub(crate) fn acts(self) -> bool {
        match self {
            Self::Done
            | Self::BusyButDone
            | Self::UnclearButDone
            | Self::SilentButDone
            | Self::PanicsButDone => true,
            Self::Refused | Self::Busy | Self::Unclear | Self::Silent | Self::Panics => false,
        }
    }

    /// Says whether the answer is a refusal.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Refused | Self::Busy)
    }
}
