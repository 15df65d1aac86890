//! One saga that runs: its durable name and its id.

use std::sync::{Arc, OnceLock};

use crate::id::SagaId;
use crate::place::arena::Arena;
use crate::place::{Ambient, Calls, FreshAmbient, Place, Position, Role, Scope};

/// One saga that runs: its durable name and its id.
#[derive(Debug)]
pub struct Instance {
    name: &'static str,
    id: OnceLock<SagaId>,
    rare: OnceLock<Arc<Rare>>,
}

/// What most sagas do without.
#[derive(Debug, Default)]
struct Rare {
    /// The sagas that were called by this one.
    scopes: OnceLock<Box<Arena<Scope>>>,
    values: Option<Arc<dyn Ambient>>,
}

impl Instance {
    /// The saga `name` with this id, or with one that is made up when it is first asked for.
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

    /// The same saga, whose body asks `values` for the time and for random ids.
    #[must_use]
    pub fn with_ambient(self, values: Arc<dyn Ambient>) -> Self {
        let rare = Rare {
            scopes: OnceLock::new(),
            values: Some(values),
        };
        Self {
            rare: OnceLock::from(Arc::new(rare)),
            ..self
        }
    }

    /// Whether nothing was allocated for it.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.id.get().is_none() && self.rare.get().is_none()
    }

    pub(crate) fn values(&self) -> &dyn Ambient {
        let values = self.rare.get().and_then(|rare| rare.values.as_deref());
        values.unwrap_or(&FreshAmbient)
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The id, made up if nobody gave one.
    pub fn id(&self) -> &SagaId {
        self.id.get_or_init(SagaId::generate)
    }

    /// The saga `name` is called next after `calls`, inside of this one.
    pub(crate) fn scope_inside(&self, calls: &dyn Calls, name: &'static str) -> &Scope {
        let mut this = Self::new(self.name, Some(self.id().clone()));
        let rare = self.rare.get_or_init(Arc::default);
        if let Some(values) = &rare.values {
            this = this.with_ambient(Arc::clone(values));
        }
        let scopes = rare.scopes.get_or_init(Box::default);
        scopes.push(Scope::inside(this, calls, name))
    }

    /// The id, if one was given or asked for.
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
