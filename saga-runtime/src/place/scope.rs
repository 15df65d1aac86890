//! What happens beside other things in a saga: the members of a group, and the sagas inside of it.
//!
//! A lane is a sequence of calls of which each begins when the one before has ended: the body of a saga, or of a saga
//! that it calls. What is written down about different lanes may be in any order.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::{Calls, Instance, Place, Position, Role};

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
pub struct Frame<'lane, 'run> {
    /// The saga inside of another one that makes the calls, if it is one.
    pub(crate) scope: Option<&'run Scope>,
    /// Whether the next call may have been made by an earlier process, if that is not the same for the whole saga.
    pub(crate) doubt: Option<&'lane Doubt>,
}

impl<'run> Frame<'_, 'run> {
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
