//! One running saga: its durable name, its id, and the source of its times and random ids.

use std::sync::{Arc, OnceLock};

use crate::id::SagaId;
use crate::place::arena::Arena;
use crate::place::{
    Ambient, Calls, Failure, FreshAmbient, InnerCalls, Place, Position, Role, Scope,
};
use crate::trace::{SagaTrace, TraceContext, TracePropagator};

/// One running saga: its durable name and its id.
#[derive(Debug)]
pub struct Instance {
    name: &'static str,
    id: OnceLock<SagaId>,
    rare: OnceLock<Arc<Rare>>,
}

/// The parts that most sagas do not need, behind one pointer.
#[derive(Debug, Default)]
struct Rare {
    /// The sub-sagas that were called.
    scopes: OnceLock<Box<Arena<Scope>>>,
    /// The steps that attempts have awaited as functions.
    inner_calls: OnceLock<Box<InnerCalls>>,
    failure: OnceLock<Failure>,
    ambient: Option<Arc<dyn Ambient>>,
    trace: SagaTrace,
    /// True if its keys begin with its name.
    is_named_in_keys: bool,
}

impl Rare {
    /// The parts that an engine has set, for another place of the same saga.
    fn settings(&self) -> Self {
        Self {
            ambient: self.ambient.clone(),
            trace: self.trace.clone(),
            is_named_in_keys: self.is_named_in_keys,
            ..Self::default()
        }
    }
}

impl Instance {
    /// Creates the saga `name` with this id. With `None`, the first use generates an id.
    #[inline]
    #[must_use]
    pub fn new(name: &'static str, id: Option<SagaId>) -> Self {
        let id = match id {
            Some(id) => OnceLock::from(id),
            None => OnceLock::new(),
        };
        Self {
            name,
            id,
            rare: OnceLock::new(),
        }
    }

    /// Sets the source of the times and random ids of its bodies.
    #[must_use]
    pub fn with_ambient(self, ambient: Arc<dyn Ambient>) -> Self {
        self.with(|rare| rare.ambient = Some(ambient))
    }

    /// Lets its keys begin with its name, for an engine on which sagas of two names may have the same id.
    #[must_use]
    pub fn with_name_in_keys(self) -> Self {
        self.with(|rare| rare.is_named_in_keys = true)
    }

    /// Sets the trace to which the saga belongs, as its submitter has told: steps hand it on.
    #[must_use]
    pub fn with_trace_context(self, context: TraceContext) -> Self {
        self.with(|rare| rare.trace.context = Some(context))
    }

    /// Sets the service's tracing, which keeps the spans of the saga in its trace.
    #[must_use]
    pub fn with_trace_propagator(self, propagator: Arc<dyn TracePropagator>) -> Self {
        self.with(|rare| rare.trace.propagator = Some(propagator))
    }

    /// Sets the trace to which the saga belongs.
    pub(crate) fn with_trace(self, trace: SagaTrace) -> Self {
        if trace.is_none() {
            return self;
        }
        self.with(|rare| rare.trace = trace)
    }

    /// Changes the rare parts of a saga that has not begun.
    fn with(self, change: impl FnOnce(&mut Rare)) -> Self {
        let known = self.rare.get();
        let mut rare = known.map(|rare| rare.settings()).unwrap_or_default();
        change(&mut rare);
        Self {
            rare: OnceLock::from(Arc::new(rare)),
            ..self
        }
    }

    /// The trace to which the saga belongs, if that is known.
    pub(crate) fn trace(&self) -> Option<&SagaTrace> {
        let trace = &self.rare.get()?.trace;
        (!trace.is_none()).then_some(trace)
    }

    /// The name of the saga, if its keys begin with it.
    pub(crate) fn name_in_keys(&self) -> Option<&'static str> {
        let rare = self.rare.get()?;
        rare.is_named_in_keys.then_some(self.name)
    }

    /// Returns whether nothing was allocated for this saga, so that there is nothing to drop.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.id.get().is_none() && self.rare.get().is_none()
    }

    pub(crate) fn ambient(&self) -> &dyn Ambient {
        let ambient = self.rare.get().and_then(|rare| rare.ambient.as_deref());
        ambient.unwrap_or(&FreshAmbient)
    }

    /// The steps that attempts of this saga have awaited as functions.
    pub(crate) fn inner_calls(&self) -> &InnerCalls {
        let rare = self.rare.get_or_init(Arc::default);
        rare.inner_calls.get_or_init(Box::default)
    }

    /// The failure for which the saga is compensated, once it is.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.rare.get()?.failure.get()
    }

    /// Notes the failure for which the saga is compensated. The first one stays.
    pub(crate) fn fail(&self, failure: &Failure) {
        let rare = self.rare.get_or_init(Arc::default);
        rare.failure.get_or_init(|| failure.clone());
    }

    /// The next attempt at `place` begins: it counts its inner calls anew.
    pub(crate) fn begin_attempt(&self, place: &dyn Place) {
        if let Some(calls) = self.rare.get().and_then(|rare| rare.inner_calls.get()) {
            calls.forget(place);
        }
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The id. If the caller gave none, the first use generates one.
    pub fn id(&self) -> &SagaId {
        self.id.get_or_init(SagaId::generate)
    }

    /// Adds the scope of the sub-saga `name`, which is called next after `calls`.
    pub(crate) fn scope_inside(&self, calls: &dyn Calls, name: &'static str) -> &Scope {
        let this = self.for_scope();
        let rare = self.rare.get_or_init(Arc::default);
        let scopes = rare.scopes.get_or_init(Box::default);
        scopes.push(Scope::new(this, calls, name))
    }

    /// The saga as a scope of it holds it: with the same name, id and settings.
    pub(crate) fn for_scope(&self) -> Self {
        let this = Self::new(self.name, Some(self.id().clone()));
        match self.rare.get() {
            Some(known) => this.with(|rare| *rare = known.settings()),
            None => this,
        }
    }

    /// The id, if the caller gave one or one was generated.
    #[must_use]
    pub fn known_id(&self) -> Option<&SagaId> {
        self.id.get()
    }
}

/// The body of a saga.
impl Place for Instance {
    fn instance(&self) -> &Instance {
        self
    }

    fn position(&self) -> Option<Position<'_>> {
        None
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn role(&self) -> Role {
        Role::Action
    }
}
