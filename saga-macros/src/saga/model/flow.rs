//! The flow of a body: the part of its meaning that the order rule and the shape need.

use proc_macro2::Span;

/// One action of the body.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::saga) enum Flow {
    /// Calls the step of a site.
    Step(usize),
    /// Calls the steps of these sites at the same time.
    Group(Vec<usize>),
    /// Calls the step of a site for each of many items.
    FanOut(FanOut),
    /// May fail by itself.
    MayFail(Place),
    /// Takes one of several ways.
    Branch(Vec<Way>),
    /// Repeats its flow any number of times.
    Loop(Loop),
    /// A block that can be left by a [`Leave`](Self::Leave).
    Block { id: usize, flow: Vec<Flow> },
    /// Goes to the end of a block or a loop that it is in, or to the next round of a loop.
    Leave(usize),
    /// Returns.
    Return,
}

impl Flow {
    /// Returns whether it calls a step.
    pub(in crate::saga) fn has_steps(&self) -> bool {
        let any = |flow: &[Self]| flow.iter().any(Self::has_steps);
        match self {
            Self::Step(_) | Self::Group(_) | Self::FanOut(_) => true,
            Self::MayFail(_) | Self::Leave(_) | Self::Return => false,
            Self::Branch(ways) => ways.iter().any(|way| any(&way.guard) || any(&way.flow)),
            Self::Loop(each) => any(&each.flow),
            Self::Block { flow, .. } => any(flow),
        }
    }

    /// The first place where it may fail by itself.
    pub(in crate::saga) fn may_fail(&self) -> Option<Place> {
        let any = |flow: &[Self]| flow.iter().find_map(Self::may_fail);
        match self {
            Self::MayFail(place) => Some(*place),
            Self::Step(_) | Self::Group(_) | Self::FanOut(_) | Self::Leave(_) | Self::Return => {
                None
            }
            Self::Branch(ways) => {
                let mut ways = ways.iter();
                ways.find_map(|way| any(&way.guard).or_else(|| any(&way.flow)))
            }
            Self::Loop(each) => any(&each.flow),
            Self::Block { flow, .. } => any(flow),
        }
    }
}

/// The call of a step for each of many items.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::saga) struct FanOut {
    pub(in crate::saga) site: usize,
    /// The items, in the words of the source.
    pub(in crate::saga) items: String,
    /// The most calls at the same time, in the words of the source.
    pub(in crate::saga) limit: String,
}

/// A flow that repeats.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::saga) struct Loop {
    /// The head of the loop, in the words of the source.
    pub(in crate::saga) of: String,
    pub(in crate::saga) flow: Vec<Flow>,
    /// The number of its end in [`Leave`](Flow::Leave).
    pub(in crate::saga) end: usize,
    /// The number of the beginning of its next round in [`Leave`](Flow::Leave).
    pub(in crate::saga) again: usize,
    /// Set if it can end by itself before a round, as a `for` does.
    pub(in crate::saga) ends_itself: bool,
}

/// One way through a branch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::saga) struct Way {
    /// The condition, in the words of the source.
    pub(in crate::saga) when: String,
    /// The flow that decides if the way is taken. The ways behind it may begin after that.
    pub(in crate::saga) guard: Vec<Flow>,
    pub(in crate::saga) flow: Vec<Flow>,
    /// The site of the step called last, if only its refusal leads here.
    pub(in crate::saga) refused: Option<usize>,
    /// Set if only the success of that step leads here.
    pub(in crate::saga) succeeded: bool,
}

/// A place in the source. All places are equal: they do not change the meaning of a body.
#[derive(Debug, Clone, Copy)]
pub(in crate::saga) struct Place(pub(in crate::saga) Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One line of the order rule. A point is the number of the line that gives it.
#[derive(Debug, Clone, Copy)]
pub(in crate::saga) enum Line {
    /// Before the first step.
    Begin,
    /// After the step of a site.
    Then { from: usize, site: usize },
    /// The step of a site runs beside that of another. It gives no point.
    Beside { first: usize, site: usize },
    /// The body may fail by itself here. It gives no point.
    MayFail { from: usize, place: Place },
    /// After two ways that meet.
    Join { one: usize, other: usize },
}
