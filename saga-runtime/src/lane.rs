//! What happens beside other things in a saga: the members of a group, and the sagas inside of it.
//!
//! A lane is a sequence of calls of which each begins when the one before has ended: the body of a saga, or of a saga
//! that it calls. What is written down about different lanes may be in any order.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::{Calls, Instance, Place, Position, Role};
use crate::step::StepMeta;

/// A saga that was called by another one.
#[derive(Debug)]
pub struct Scope {
    /// The outermost saga.
    instance: Instance,
    path: String,
    depth: u32,
}

impl Scope {
    /// How deep sagas may call one another.
    pub(crate) const DEEPEST: u32 = 64;

    /// The saga `name`, called next after `calls` inside of `instance`.
    pub(crate) fn inside(instance: Instance, calls: &dyn Calls, name: &'static str) -> Self {
        let path = crate::place::path(calls.scope(), name);
        let path = Self::path_of(&path, calls.occurrence(name, calls.count()));
        let depth = calls.scope().map_or(0, |scope| scope.depth) + 1;
        Self {
            instance,
            path,
            depth,
        }
    }

    /// The path of the saga that was called by this name, after so many others of that name.
    pub(crate) fn path_of(name: &str, occurrence: usize) -> String {
        match occurrence {
            0 => name.to_owned(),
            occurrence => format!("{name}#{occurrence}"),
        }
    }

    /// The names of the sagas from the outermost but one to this: `place_order#1`, `place_order#1/pack`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of a step with this path before it.
    #[cold]
    pub(crate) fn path_of_step(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Whether it is deeper than sagas may call one another.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth > Self::DEEPEST
    }
}

/// The body of the saga.
impl Place for Scope {
    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn position(&self) -> Option<Position<'_>> {
        None
    }

    fn scope(&self) -> Option<&Scope> {
        Some(self)
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn role(&self) -> Role {
        Role::Action
    }
}

/// Where the calls of a saga are written down.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'lane, 'run> {
    /// The saga inside of another one that makes the calls, if it is one.
    pub(crate) scope: Option<&'run Scope>,
    /// Whether the next call may have been made by an earlier process, if that is not the same for the whole saga.
    pub(crate) doubt: Option<&'lane Doubt>,
}

impl<'run> Lane<'_, 'run> {
    /// Of a saga that nobody called.
    pub(crate) const WHOLE: Self = Self {
        scope: None,
        doubt: None,
    };

    /// The place of the body; of a saga that nobody called, that is the `instance`.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn body(&self, instance: &'run Instance) -> &'run dyn Place {
        match self.scope {
            None => instance,
            Some(scope) => scope,
        }
    }

    /// The saga, if it has a span of its own.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn watched(&self, instance: &'run Instance) -> Option<&'run Instance> {
        match self.scope {
            None => Some(instance),
            Some(_) => None,
        }
    }
}

/// Whether the next call in a lane may have been made by an earlier process, whose answer is lost.
#[derive(Debug, Default)]
pub struct Doubt(AtomicBool);

impl Doubt {
    /// Whether the first call may have been made before.
    #[must_use]
    pub fn new(in_doubt: bool) -> Self {
        Self(AtomicBool::new(in_doubt))
    }

    /// The call is about to be made: whether it may have been made before.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Says whether the next call may have been made before.
    pub fn set(&self, in_doubt: bool) {
        self.0.store(in_doubt, Ordering::Relaxed);
    }

    /// Whether the next call may have been made before.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

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
    pub(crate) fn member(&self, index: usize) -> Beside<'_> {
        Beside { group: self, index }
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

impl std::fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
pub(crate) struct Beside<'a> {
    group: &'a Group<'a>,
    index: usize,
}

impl Calls for Beside<'_> {
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
