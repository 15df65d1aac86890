//! A subscriber that keeps every span and event of the thread that started it.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The record so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Recording(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    spans: Vec<(Id, Span)>,
    events: Vec<Event>,
    everything: String,
}

/// One span.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) target: &'static str,
    /// The name of the span around it.
    pub(super) parent: Option<&'static str>,
    pub(super) closed: bool,
    fields: Vec<(&'static str, String)>,
}

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) message: String,
    pub(super) level: Level,
    /// The names of the spans around it.
    pub(super) around: Vec<&'static str>,
    fields: Vec<(&'static str, String)>,
}

impl Event {
    /// The value of a field; `-` if it has none.
    pub(super) fn field(&self, name: &str) -> &str {
        value(&self.fields, name)
    }
}

impl Span {
    /// The value of a field; `-` if it was never recorded.
    pub(super) fn field(&self, name: &str) -> &str {
        value(&self.fields, name)
    }
}

fn value<'a>(fields: &'a [(&'static str, String)], name: &str) -> &'a str {
    let mut fields = fields.iter().rev();
    fields
        .find(|(field, _)| *field == name)
        .map_or("-", |(_, value)| value)
}

impl Recording {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Records the spans and events of this thread until the guard is dropped.
    pub(super) fn start(&self) -> DefaultGuard {
        crate::begin();
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// The spans in the order in which they were opened.
    pub(super) fn spans(&self) -> Vec<Span> {
        let spans = &self.recorded().spans;
        spans.iter().map(|(_, span)| span.clone()).collect()
    }

    /// The events, in order.
    pub(super) fn events(&self) -> Vec<Event> {
        self.recorded().events.clone()
    }

    /// All that was recorded anywhere, as one text.
    pub(super) fn everything(&self) -> String {
        self.recorded().everything.clone()
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().expect("nothing panics under the lock")
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Span)) {
        let mut recorded = self.recorded();
        let mut spans = recorded.spans.iter_mut().rev();
        if let Some((_, span)) = spans.find(|(other, _)| other == id) {
            change(span);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recording {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let parent = cx.span(id).and_then(|span| span.parent());
        let span = Span {
            name: metadata.name(),
            target: metadata.target(),
            parent: parent.map(|parent| parent.name()),
            closed: false,
            fields: fields.0,
        };
        let mut recorded = self.recorded();
        write!(recorded.everything, "{span:?}").expect("writing to a `String` never fails");
        recorded.spans.push((id.clone(), span));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        write!(self.recorded().everything, "{fields:?}")
            .expect("writing to a `String` never fails");
        self.change(id, |span| span.fields.append(&mut fields.0));
    }

    fn on_event(&self, event: &tracing::Event<'_>, cx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let around = cx.event_scope(event).into_iter();
        let around = around.flat_map(Scope::from_root);
        let around = around.map(|span| span.name()).collect();
        let event = Event {
            message: value(&fields.0, "message").to_owned(),
            level: *event.metadata().level(),
            around,
            fields: fields.0,
        };
        let mut recorded = self.recorded();
        write!(recorded.everything, "{event:?}").expect("writing to a `String` never fails");
        recorded.events.push(event);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |span| span.closed = true);
    }
}

/// The fields of one span or event as text.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}
