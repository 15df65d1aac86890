//! The events that the runtime tells on this thread, one line each: level, message, fields.

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// While a process has one subscriber, what another thread meets first is off in all threads. So there is another one.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// Collects until the guard is dropped.
    pub(super) fn start(&self) -> DefaultGuard {
        LazyLock::force(&ANOTHER);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    pub(super) fn has(&self, what: &str) -> bool {
        self.lines().iter().any(|line| line.contains(what))
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("nothing panics under it")
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level();
        let Fields { message, others } = fields;
        self.lines().push(format!("{level} {message}{others}"));
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
        written.expect("writing to a `String` never fails");
    }
}
