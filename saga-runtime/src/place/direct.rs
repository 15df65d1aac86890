//! A step that other code than the body of a saga awaits: a test, another step, or a compensation. It is part of that
//! code, and has a key of its own.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Mutex;

use crate::lock::lock;
use crate::meta::{Kind, StepMeta};
use crate::place::{Failure, IdempotencyKey, Instance, Place, Position, Role, Scope, key};

/// A step that code at another place awaits as a function.
pub struct DirectCall<'a> {
    outer: &'a dyn Place,
    step: &'static StepMeta,
    /// `None` in a test, where the step has the key of the test.
    key: Option<IdempotencyKey>,
    inner: InnerCalls,
}

impl fmt::Debug for DirectCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectCall")
            .field("step", &self.step.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<'a> DirectCall<'a> {
    /// Begins to call `step` as a function from the code at `outer`.
    ///
    /// # Panics
    /// In the body of a saga, where only the engine calls steps. In a step that can be refused, if `step` has something
    /// to undo: after a refusal nothing would undo it.
    #[track_caller]
    pub(crate) fn begin(outer: &'a dyn Place, step: &'static StepMeta) -> Self {
        let around = match outer.direct() {
            Some(direct) => Some(direct.step),
            None => outer.position().map(|position| position.step()),
        };
        if let Some(around) = around {
            let is_undone = match (outer.role(), around.kind, step.kind) {
                (Role::Compensation, _, _) | (_, Kind::Retriable, _) => true,
                (Role::Action, _, inner) => inner == Kind::NothingToUndo,
            };
            let (inner, outer) = (step.name, around.name);
            assert!(
                is_undone,
                "step `{outer}` awaits step `{inner}`, which nothing would record or undo: \
                 make `{outer}` a saga with `#[saga(compensatable)]`, or move what `{inner}` does into a plain function \
                 and call that"
            );
        } else {
            let inner = step.name;
            assert!(
                outer.is_test(),
                "step `{inner}` is awaited where the saga does not see it, so nothing would record or undo it: \
                 await its call in the body of the saga itself"
            );
        }
        let key = around.map(|_| {
            let calls = match outer.direct() {
                Some(direct) => &direct.inner,
                None => outer.instance().inner_calls(),
            };
            calls.next(&key(outer, outer.role()), step.name)
        });
        Self {
            outer,
            step,
            key,
            inner: InnerCalls::default(),
        }
    }

    /// The key of the step. A step that a compensation awaits sees the key of the undone step as its action key.
    pub(crate) fn key(&self, role: Role) -> IdempotencyKey {
        match &self.key {
            Some(own) if role == self.outer.role() => own.clone(),
            _ => key(self.outer, role),
        }
    }
}

impl Place for DirectCall<'_> {
    fn instance(&self) -> &Instance {
        self.outer.instance()
    }

    fn position(&self) -> Option<Position<'_>> {
        self.outer.position()
    }

    fn scope(&self) -> Option<&Scope> {
        self.outer.scope()
    }

    fn attempt(&self) -> u32 {
        self.outer.attempt()
    }

    fn role(&self) -> Role {
        self.outer.role()
    }

    fn failure(&self) -> Option<&Failure> {
        self.outer.failure()
    }

    fn direct(&self) -> Option<&DirectCall<'_>> {
        Some(self)
    }
}

/// The number of calls that were made under each key so far.
#[derive(Debug, Default)]
pub(crate) struct InnerCalls(Mutex<HashMap<String, usize>>);

impl InnerCalls {
    /// The key of the next call of `step` in the attempt with the key `outer`: `{outer}/{step}/{number}`.
    fn next(&self, outer: &IdempotencyKey, step: &str) -> IdempotencyKey {
        let call = outer.inside(step);
        let mut calls = lock(&self.0);
        let next = calls.entry(call.clone()).or_default();
        let mut key = call;
        write!(key, "/{next}").expect("writing to a `String` never fails");
        *next += 1;
        IdempotencyKey::of_text(key)
    }

    /// Forgets the calls of the attempt at `place`: the next attempt makes them again, under the same keys.
    pub(crate) fn forget(&self, place: &dyn Place) {
        let mut outer = String::from(key(place, place.role()));
        outer.push('/');
        lock(&self.0).retain(|call, _| !call.starts_with(&outer));
    }
}
