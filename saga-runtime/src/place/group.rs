//! Parts of a saga that run at the same time, and the calls of each of them.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::meta::StepMeta;
use crate::place::{Calls, Doubt, Instance, Position, Scope};

/// Parts of a saga that run at the same time.
pub struct Group<'a> {
    calls: &'a dyn Calls,
    members: &'a [Member],
    /// Whether all members are calls of the same part.
    are_alike: bool,
    /// How many calls with the name of the first member came before the group.
    before: OnceLock<usize>,
    /// The numbers of the members that are steps, in the lane that they are called in.
    numbers: OnceLock<Range<usize>>,
    /// How many of the members may have begun in an earlier process.
    begun: OnceLock<usize>,
}

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    meta: &'static StepMeta,
    is_saga: bool,
    doubt: Doubt,
}

impl Member {
    pub(crate) fn new(meta: &'static StepMeta, is_saga: bool) -> Self {
        Self {
            meta,
            is_saga,
            doubt: Doubt::default(),
        }
    }

    /// Whether the first call in it may have been made before.
    #[must_use]
    pub fn doubt(&self) -> &Doubt {
        &self.doubt
    }

    pub(crate) fn is_saga(&self) -> bool {
        self.is_saga
    }
}

impl<'a> Group<'a> {
    /// These members, called after `calls`.
    pub(crate) fn new(calls: &'a dyn Calls, members: &'a [Member]) -> Self {
        Self {
            calls,
            members,
            are_alike: false,
            before: OnceLock::new(),
            numbers: OnceLock::new(),
            begun: OnceLock::new(),
        }
    }

    /// These calls of the same part, made after `calls`.
    pub(crate) fn alike(calls: &'a dyn Calls, members: &'a [Member]) -> Self {
        Self {
            are_alike: true,
            ..Self::new(calls, members)
        }
    }

    pub(crate) fn numbers(&self) -> Range<usize> {
        self.numbers.get().cloned().unwrap_or_default()
    }

    pub(crate) fn set_numbers(&self, numbers: Range<usize>) {
        // It is begun once.
        let _ = self.numbers.set(numbers);
    }

    /// How many of the members, from the first on, may have begun in an earlier process: they are to be brought to an end.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.begun.get().copied().unwrap_or(0)
    }

    pub(crate) fn set_begun(&self, begun: usize) {
        // It is begun once.
        let _ = self.begun.set(begun);
    }

    /// Its members, in the order of the source.
    #[must_use]
    pub fn members(&self) -> &'a [Member] {
        self.members
    }

    /// The calls before the group.
    #[must_use]
    pub fn before(&self) -> &'a dyn Calls {
        self.calls
    }

    /// The call of the member with this index.
    pub(crate) fn member(&self, index: usize) -> MemberCalls<'_> {
        MemberCalls { group: self, index }
    }

    /// The step and the occurrence of each member that is a step.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Position<'_>> {
        let members = self.members.iter().zip(self.positions());
        members
            .filter(|(member, _)| !member.is_saga)
            .map(|(_, position)| position)
    }

    /// The part and the occurrence of each member.
    pub(crate) fn positions(
        &self,
    ) -> impl DoubleEndedIterator<Item = Position<'_>> + ExactSizeIterator {
        let members = self.members.iter().enumerate();
        members.map(|(index, member)| Position::new(self, member.meta, self.calls.count() + index))
    }
}

impl fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// All members count as called, in the order of the source.
impl Calls for Group<'_> {
    fn instance(&self) -> &Instance {
        self.calls.instance()
    }

    fn count(&self) -> usize {
        self.calls.count() + self.members.len()
    }

    fn name(&self, index: usize) -> &'static str {
        match index.checked_sub(self.calls.count()) {
            None => self.calls.name(index),
            Some(index) => self.members[index].meta.name,
        }
    }

    fn scope(&self) -> Option<&Scope> {
        self.calls.scope()
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        let count = self.calls.count();
        if self.are_alike && before >= count && self.name(count) == name {
            let first = || self.calls.occurrence(name, count);
            return self.before.get_or_init(first) + before - count;
        }
        let beside = self.members[..before.saturating_sub(count)].iter();
        let beside = beside.filter(|member| member.meta.name == name).count();
        self.calls.occurrence(name, before.min(count)) + beside
    }
}

/// The call of one member of a group: those before it in the source count as called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberCalls<'a> {
    group: &'a Group<'a>,
    index: usize,
}

impl Calls for MemberCalls<'_> {
    fn instance(&self) -> &Instance {
        self.group.instance()
    }

    fn count(&self) -> usize {
        self.group.calls.count() + self.index
    }

    fn name(&self, index: usize) -> &'static str {
        self.group.name(index)
    }

    fn scope(&self) -> Option<&Scope> {
        self.group.scope()
    }

    fn group(&self) -> Option<&Group<'_>> {
        Some(self.group)
    }

    fn doubt(&self) -> Option<&Doubt> {
        Some(&self.group.members[self.index].doubt)
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        self.group.occurrence(name, before)
    }
}
