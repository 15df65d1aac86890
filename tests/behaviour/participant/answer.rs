//! How a participant answers one request.

/// What it does, and what it says.
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
    /// Whether it does what it was asked.
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

    /// Whether it says that nothing was done.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Refused | Self::Busy)
    }
}
