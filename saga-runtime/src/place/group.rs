//! Groups: calls of a saga that run at the same time, and the position of each of them.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::meta::{StepMeta, UndoRules};
use crate::place::{Calls, Doubt, Instance, Position, Scope};

/// The calls of a `try_join!` or a `try_join_all`: members that run at the same time.
pub struct Group<'a> {
    calls: &'a dyn Calls,
    members: &'a [Member],
    /// Set if all members call the same step or sub-saga.
    are_alike: bool,
    /// The number of calls before the group that have the name of its first member.
    before: OnceLock<usize>,
    /// The call numbers of the members that are steps, counted in the body that calls the group.
    numbers: OnceLock<Range<usize>>,
    /// The number of members that an earlier process may have begun.
    begun: OnceLock<usize>,
    /// The number of members, from the first on, that begin at all.
    most: OnceLock<usize>,
}

/// One member of a group.
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

    /// The doubt about the member's next call.
    #[must_use]
    pub fn doubt(&self) -> &Doubt {
        &self.doubt
    }

    pub(crate) fn is_saga(&self) -> bool {
        self.is_saga
    }
}

impl<'a> Group<'a> {
    /// Creates the group of these members, called after `calls`.
    pub(crate) fn new(calls: &'a dyn Calls, members: &'a [Member]) -> Self {
        Self {
            calls,
            members,
            are_alike: false,
            before: OnceLock::new(),
            numbers: OnceLock::new(),
            begun: OnceLock::new(),
            most: OnceLock::new(),
        }
    }

    /// Creates a group whose members all call the same step or sub-saga.
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
        // Set once, when the group begins.
        let _ = self.numbers.set(numbers);
    }

    /// The number of members, from the first on, that an earlier process may have begun. They run to their end, also if
    /// another member has failed.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.begun.get().copied().unwrap_or(0)
    }

    pub(crate) fn set_begun(&self, begun: usize) {
        // Set once, when the group begins.
        let _ = self.begun.set(begun);
    }

    /// The number of members, from the first on, that begin at all.
    pub(crate) fn most(&self) -> usize {
        self.most.get().copied().unwrap_or(self.members.len())
    }

    /// No member begins that an earlier process has not begun: the group is known to fail.
    pub(crate) fn end_with_begun(&self) {
        let _ = self.most.set(self.begun());
    }

    /// Every member begins with this doubt: `in_doubt`, an earlier process may already have made its first call.
    pub fn begin_in_doubt(&self, in_doubt: bool) {
        for member in self.members {
            member.doubt.set(in_doubt);
        }
    }

    /// Returns true if an earlier process may already have made the call after the group.
    ///
    /// If every member was replayed, that call may have been requested as well. If the engine has suspended a member, the next
    /// process runs the group again, so one member that was between two attempts is enough.
    #[must_use]
    pub fn ends_in_doubt(&self, is_suspended: bool) -> bool {
        let mut doubts = self.members.iter().map(|member| member.doubt.get());
        if is_suspended {
            doubts.any(|in_doubt| in_doubt)
        } else {
            doubts.all(|in_doubt| in_doubt)
        }
    }

    /// The members, in source order.
    #[must_use]
    pub fn members(&self) -> &'a [Member] {
        self.members
    }

    /// The calls before the group.
    #[must_use]
    pub fn before(&self) -> &'a dyn Calls {
        self.calls
    }

    /// The calls as the member with this index sees them.
    pub(crate) fn member(&self, index: usize) -> MemberCalls<'_> {
        MemberCalls { group: self, index }
    }

    /// The position of each member that is a step.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Position<'_>> {
        let members = self.members.iter().zip(self.positions());
        members
            .filter(|(member, _)| !member.is_saga)
            .map(|(_, position)| position)
    }

    /// The position of each member.
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

/// Counts all members as called, in source order.
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

    fn undo_rules(&self) -> UndoRules {
        self.calls.undo_rules()
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

/// The calls as one member of a group sees them: the members before it in the source count as called.
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

    fn undo_rules(&self) -> UndoRules {
        self.group.undo_rules()
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        self.group.occurrence(name, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Kind;
    use crate::place::Scope;

    /// Whether the call after a group is in doubt, whose members have these doubts.
    fn ends_in_doubt(doubts: [bool; 2], is_suspended: bool) -> bool {
        const STEP: &StepMeta = &StepMeta::new("step", Kind::Compensatable);
        let calls = Nothing(Instance::new("saga", None));
        let members = doubts.map(|_| Member::new(STEP, false));
        let group = Group::new(&calls, &members);
        group.begin_in_doubt(true);
        for (member, in_doubt) in members.iter().zip(doubts) {
            assert!(member.doubt().take(), "each member begins in doubt");
            member.doubt().set(in_doubt);
        }
        group.ends_in_doubt(is_suspended)
    }

    struct Nothing(Instance);

    impl Calls for Nothing {
        fn instance(&self) -> &Instance {
            &self.0
        }

        fn count(&self) -> usize {
            0
        }

        fn name(&self, _: usize) -> &'static str {
            unreachable!("nothing was called")
        }

        fn scope(&self) -> Option<&Scope> {
            None
        }
    }

    #[test]
    fn the_call_after_a_group_is_in_doubt_if_every_member_was_replayed() {
        assert!(ends_in_doubt([true, true], false));
        assert!(!ends_in_doubt([true, false], false));
        assert!(!ends_in_doubt([false, false], false));
    }

    #[test]
    fn a_suspended_group_is_in_doubt_if_one_member_is() {
        assert!(ends_in_doubt([true, true], true));
        assert!(ends_in_doubt([true, false], true));
        assert!(!ends_in_doubt([false, false], true));
    }
}
