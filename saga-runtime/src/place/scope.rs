//! Sub-sagas: the scope of one, the frame in which a body makes its calls, and the doubt about the next call.
//!
//! The calls of one body come one after the other, except in groups. The journal keeps the calls of each body in order;
//! the entries of different bodies may be interleaved.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::call_name;
use crate::meta::UndoRules;
use crate::place::{Calls, Instance, Place, Position, Role};

/// A sub-saga: a saga that another saga has called.
#[derive(Debug)]
pub struct Scope {
    /// The outermost saga.
    instance: Instance,
    path: String,
    depth: u32,
}

impl Scope {
    /// The maximal nesting of sub-sagas.
    pub(crate) const DEEPEST: u32 = 64;

    /// Creates the scope of the sub-saga `name`, called next after `calls` in the outermost saga `instance`.
    pub(crate) fn new(instance: Instance, calls: &dyn Calls, name: &'static str) -> Self {
        let path = crate::place::path(calls.scope(), name);
        let path = call_name::numbered(path, calls.occurrence(name, calls.count())).into_owned();
        let depth = calls.scope().map_or(0, |scope| scope.depth) + 1;
        Self {
            instance,
            path,
            depth,
        }
    }

    /// Creates the scope of a sub-saga by its recorded path: `place_order#1/pack`.
    pub(crate) fn recorded(instance: Instance, path: &str) -> Self {
        let depth = path.split('/').count();
        Self {
            instance,
            path: path.to_owned(),
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
        }
    }

    /// The names of the nested sagas, from the one that the outermost saga calls down to this one: `place_order#1`,
    /// `place_order#1/pack`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a step in this sub-saga: `place_order#1/charge`.
    #[cold]
    pub(crate) fn step_path(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Returns whether the sub-saga is nested too deep.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth > Self::DEEPEST
    }
}

/// The body of the sub-saga.
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

/// The frame of a body's calls: the sub-saga and, in a group, the doubt that they belong to.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'group, 'run> {
    /// The sub-saga that makes the calls. `None` for the outermost saga.
    pub(crate) scope: Option<&'run Scope>,
    /// Set inside groups: whether an earlier process may already have made the next call. `None`: use the saga-wide
    /// flag.
    pub(crate) doubt: Option<&'group Doubt>,
    /// The rules of the outermost saga.
    pub(crate) rules: UndoRules,
}

impl<'run> Frame<'_, 'run> {
    /// The frame of an outermost saga with these rules.
    pub(crate) const fn whole(rules: UndoRules) -> Self {
        Self {
            scope: None,
            doubt: None,
            rules,
        }
    }

    /// The place of the body. For an outermost saga it is the `instance`.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn body(&self, instance: &'run Instance) -> &'run dyn Place {
        match self.scope {
            None => instance,
            Some(scope) => scope,
        }
    }

    /// The saga, if it has a span of its own: sub-sagas have none.
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

/// A flag: an earlier process may already have made the next call, and its answer is lost.
#[derive(Debug, Default)]
pub struct Doubt(AtomicBool);

impl Doubt {
    /// Creates the flag for the first call.
    #[must_use]
    pub fn new(in_doubt: bool) -> Self {
        Self(AtomicBool::new(in_doubt))
    }

    /// Returns the flag and clears it. Called when the call is about to be made.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Sets the flag for the next call.
    pub fn set(&self, in_doubt: bool) {
        self.0.store(in_doubt, Ordering::Relaxed);
    }

    /// Returns the flag.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
