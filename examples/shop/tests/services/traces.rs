//! One trace shows an order over all services: the call of the customer, the saga, its steps, and the calls of the steps.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use observed::traces::layer;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use shop::delivery::DeliveryRules;
use tonic::Code;
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::market::{Market, Trouble, request};

/// While a process has one subscriber, what another thread meets first is off in all threads. So there is another one.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// The name of a span, and of a call its method.
fn name_of(span: &SpanData) -> String {
    let mut attributes = span.attributes.iter();
    let method = attributes.find(|attribute| attribute.key.as_str() == "method");
    match method {
        Some(method) if span.name == "call" => {
            let method = method.value.to_string();
            method.rsplit('/').next().unwrap_or_default().to_owned()
        }
        _ => span.name.to_string(),
    }
}

#[tokio::test]
async fn each_call_of_a_step_belongs_to_the_trace_of_the_order() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(layer(&provider));
    LazyLock::force(&ANOTHER);
    let _traced = tracing::subscriber::set_default(subscriber);
    let rules = DeliveryRules {
        max_parcels: Some(1),
    };
    let market = Market::in_trouble(Trouble {
        delivery_rules: rules,
        ..Trouble::default()
    })
    .await;
    let refused = market.client.clone().place_order(request()).await;
    assert_eq!(
        refused.map_err(|status| status.code()).err(),
        Some(Code::FailedPrecondition),
        "a delivery takes one parcel"
    );

    // A service ends the span of a call when it has answered, which may be after the saga has ended.
    let whole = async {
        loop {
            provider.force_flush().expect("it exports at once");
            let spans = exporter.get_finished_spans().expect("the exporter runs");
            let has = |call: &str| spans.iter().any(|span| name_of(span) == call);
            if has("CancelOrder") && has("PlaceOrder") {
                return spans;
            }
            tokio::task::yield_now().await;
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(30), whole).await;
    let spans = whole.expect("the last call is traced");
    let named: HashMap<_, _> = spans
        .iter()
        .map(|span| (span.span_context.span_id(), name_of(span)))
        .collect();
    let order = spans.iter().find(|span| name_of(span) == "PlaceOrder");
    let trace = order.expect("the customer's call").span_context.trace_id();
    let mut parents = BTreeMap::new();
    for call in spans.iter().filter(|span| span.name == "call") {
        assert_eq!(call.span_context.trace_id(), trace, "{}", name_of(call));
        let parent = named.get(&call.parent_span_id).cloned();
        parents.insert(name_of(call), parent.unwrap_or_default());
    }
    let expected = [
        ("CancelOrder", "compensate create_order"),
        ("CancelPayment", "compensate charge"),
        ("CreateDelivery", "ship"),
        ("CreateOrder", "create_order"),
        ("CreatePayment", "charge"),
        ("PlaceOrder", ""),
        ("Release", "compensate set_aside/reserve"),
        ("Reserve", "set_aside/reserve"),
    ];
    let expected = expected.map(|(call, parent)| (call.to_owned(), parent.to_owned()));
    assert_eq!(parents, BTreeMap::from(expected));
}
