//! The news for pages that are open: an event when what they show has changed. The page then loads itself anew.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use crate::desk::Desk;
use crate::form::Fields;

/// The pause between two looks at the journal.
const PAUSE: Duration = Duration::from_secs(1);

/// `live?saga=order-17` follows one saga, `live?q=state%3Dstuck` a list, `live` the counts.
pub(crate) async fn live(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    // The permit ends with the page.
    let Ok(permit) = desk.try_watch() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let fields = Fields::of(&uri);
    let first = stamp(&desk, &fields).await;
    let news = unfold(
        (desk, fields, first, permit),
        |(desk, fields, known, permit)| async move {
            let changed = loop {
                tokio::time::sleep(PAUSE).await;
                let now = stamp(&desk, &fields).await;
                if now != known {
                    break now;
                }
            };
            let event = Event::default().data("changed");
            Some((Ok::<_, Infallible>(event), (desk, fields, changed, permit)))
        },
    );
    Sse::new(news)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// A number that is another one when what is shown has changed. `None` if it can't be read now.
async fn stamp(desk: &Desk, fields: &Fields) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let saga = fields.get("saga");
    let text = if !saga.is_empty() {
        let saga = desk.operator.show(saga).await.ok()?;
        serde_json::to_string(&(saga.saga, saga.entries.len(), saga.waits)).ok()?
    } else if fields.get("q").is_empty() {
        let (counts, pace) = desk.counts_and_pace().await.ok()?;
        let pace = pace.map(|pace| (pace.started.round(), pace.ended.round()));
        let workers = desk.operator.workers().await.ok()?;
        let workers: Vec<_> = workers.into_iter().map(|one| one.worker).collect();
        let paused = desk.operator.paused().await.ok()?;
        serde_json::to_string(&(counts, pace, workers, paused)).ok()?
    } else {
        let query = fields.query().ok()?;
        serde_json::to_string(&desk.operator.list(&query).await.ok()?).ok()?
    };
    text.hash(&mut hasher);
    Some(hasher.finish())
}
