//! One request of Restate and its answer, on their way between the network and the SDK.
//!
//! The request has the journal of the saga, from which the SDK replays it, then the results of what the saga asks for. The
//! answer is the stream of entries that the saga adds; the saga runs while that is polled.
//!
//! Four things happen here that the SDK does not offer:
//! * The form of the records is read, see [`Form`].
//! * So is the number of processes that the server has lost since the last entry.
//! * An error pauses the saga, if it says so.
//! * While nothing is under way in the saga but waits, the request is ended after the saga's patience: the SDK then suspends
//!   the saga, so that it takes no slot of the server. The server would do that by a timer of its own, which knows only that
//!   nothing is sent, and so cuts off the members of a group that take their time.
//!
//! ```text
//! Restate ── start, input, CompletePromise "started" {…, "form": 2}, … ──▶ Requested ──▶ SDK ──▶ handler
//!                                                                              ▲                  │
//!                                                                              └──── Exchange ────┘
//! ```

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::crash::CrashPoint;
use crate::form::{Entries, Form, pausing};

/// The state that both sides of one request share.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    form: OnceLock<Form>,
    retries: AtomicU32,
    /// True while nothing is under way in the saga but waits.
    rests: AtomicBool,
    /// True if Restate is to pause the saga instead of trying it again.
    pauses: AtomicBool,
}

tokio::task_local! {
    static CURRENT: Arc<Exchange>;
}

impl Exchange {
    /// The exchange of the handler that runs here.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    /// The form of the saga's records: the recorded one, or `present` if nothing is recorded.
    pub(crate) fn form_or(&self, present: Form) -> Form {
        self.form.get().copied().unwrap_or(present)
    }

    /// The number of requests that have failed since the last entry was recorded, as the server counts them.
    pub(crate) fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// The error with which the saga is about to leave this process pauses it.
    pub(crate) fn pause(&self) {
        self.pauses.store(true, Ordering::Relaxed);
    }

    /// Nothing is under way in the saga but waits, until the result is dropped.
    pub(crate) fn rest(&self) -> Rest<'_> {
        self.rests.store(true, Ordering::Relaxed);
        Rest(self)
    }
}

/// A time in which a saga only waits.
pub(crate) struct Rest<'e>(&'e Exchange);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.rests.store(false, Ordering::Relaxed);
    }
}

/// The body of a request.
pub(crate) struct Requested<B> {
    body: B,
    entries: Entries,
    exchange: Arc<Exchange>,
    patience: Duration,
    /// The rest of the patience, while the saga only waits.
    left: Option<Pin<Box<Sleep>>>,
    /// True if the SDK was told that the request has ended.
    is_ended: bool,
}

/// The body of an answer.
pub(crate) struct Answered<B> {
    /// Gone after a [`CrashPoint`].
    body: Option<B>,
    exchange: Arc<Exchange>,
    crash: CrashPoint,
}

/// Lets `handle` answer this request. Its handler finds the [`Exchange`].
pub(crate) fn exchange<A, B>(
    request: http::Request<A>,
    patience: Duration,
    crash: CrashPoint,
    handle: impl FnOnce(http::Request<Requested<A>>) -> http::Response<B>,
) -> http::Response<Answered<B>> {
    let exchange = Arc::new(Exchange::default());
    let shared = Arc::clone(&exchange);
    let request = request.map(|body| Requested {
        body,
        entries: Entries::default(),
        exchange: shared,
        patience,
        left: None,
        is_ended: false,
    });
    handle(request).map(|body| Answered {
        body: Some(body),
        exchange,
        crash,
    })
}

impl<B> Requested<B> {
    fn read(&mut self, frame: &Frame<Bytes>) {
        if self.exchange.form.get().is_none()
            && let Some(bytes) = frame.data_ref()
        {
            let read = self.entries.read(bytes);
            if let Some(retries) = self.entries.retries() {
                self.exchange.retries.store(retries, Ordering::Relaxed);
            }
            if let Some(form) = read {
                self.exchange.form.get_or_init(|| form);
            }
        }
    }

    /// Returns true once the saga has waited for longer than its patience.
    fn is_impatient(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_ended || !self.exchange.rests.load(Ordering::Relaxed) {
            self.left = None;
            return false;
        }
        let patience = self.patience;
        let left = self
            .left
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        self.is_ended = left.as_mut().poll(cx).is_ready();
        self.is_ended
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Requested<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending if this.is_impatient(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => {
                this.left = None;
                if let Some(Ok(frame)) = &read {
                    this.read(frame);
                }
                Poll::Ready(read)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let exchange = Arc::clone(&this.exchange);
        if this.crash.is_now() {
            this.body = None;
        }
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let polled = CURRENT.sync_scope(exchange, || Pin::new(body).poll_frame(cx));
        if !this.exchange.pauses.load(Ordering::Relaxed) {
            return polled;
        }
        polled.map_ok(|frame: Frame<Bytes>| frame.map_data(|bytes| pausing(&bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, B::size_hint)
    }
}
