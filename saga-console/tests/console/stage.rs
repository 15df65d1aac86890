//! A service with a console, and requests to it without a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use saga_console::Console;
use saga_runtime::journal::{Memory, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::operator::Operator;
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};
use tower::ServiceExt;

/// A bank that is closed until a test opens it.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    is_open: AtomicBool,
}

impl Bank {
    pub(crate) fn opens(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

#[step(compensate = refund, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
async fn charge(_cx: Context<'_, Bank>, amount: u64) -> Result<u64, String> {
    Ok(amount)
}

async fn refund(cx: Context<'_, Bank>, _amount: &u64) -> Result<(), String> {
    if cx.is_open.load(Ordering::SeqCst) {
        Ok(())
    } else {
        Err("the bank <script>alert(1)</script> is closed".to_owned())
    }
}

#[step(compensate = ())]
async fn wrap(_cx: Context<'_, Bank>) -> Result<(), String> {
    Ok(())
}

#[step(pivot)]
async fn ship(_cx: Context<'_, Bank>) -> Result<(), String> {
    Err("no courier".to_owned())
}

saga!(
    pub(crate) async fn sell(cx: Context<'_, Bank>, amount: u64) -> Result<(), String> {
        if amount > 100 {
            wrap(cx).await?;
        } else {
            charge(cx, amount).await?;
        }
        ship(cx).await
    }
);

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    pub(crate) async fn approve(cx: Context<'_, Bank>) -> Result<bool, String> {
        charge(cx, 1).await?;
        Ok(event(cx, APPROVED).await)
    }
);

/// A service with stuck sagas `order-0`, … and one that waits for an approval, and its console at `/sagas`.
pub(crate) struct Stage {
    pub(crate) coordinator: Coordinator<Bank>,
    pub(crate) bank: Arc<Bank>,
    pub(crate) app: Router,
}

pub(crate) async fn stage(stuck: usize, console: impl FnOnce(Console) -> Console) -> Stage {
    let bank = Arc::new(Bank::default());
    let coordinator = Coordinator::builder(Arc::clone(&bank))
        .journal(Memory::new())
        .compensation_retry(RetryPolicy::COMPENSATION)
        .register::<Sell>()
        .register::<Approve>()
        .start()
        .await
        .expect("the journal is new");
    for number in 0..stuck {
        let id = format!("order-{number}");
        let ended = coordinator.execute(id.as_str(), Sell { amount: 3 }).await;
        ended.expect_err("it gets stuck");
    }
    let waiting = coordinator.submit("approval-1", Approve {}).await;
    drop(waiting.expect("it is new"));
    let operator = Operator::of(&coordinator);
    while operator
        .show("approval-1")
        .await
        .expect("it is there")
        .waits
        .is_empty()
    {
        tokio::task::yield_now().await;
    }
    let console = console(Console::new(operator));
    Stage {
        coordinator,
        bank,
        app: Router::new().nest("/sagas", console.router()),
    }
}

/// An answer of the console.
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.transpose().expect("it is text").unwrap_or_default()
    }

    /// The token in the forms of a page.
    pub(crate) fn form_token(&self) -> String {
        let (_, rest) = self
            .text
            .split_once(r#"name="form" value=""#)
            .expect("the page has a form");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

impl Stage {
    pub(crate) async fn get(&self, path: &str, headers: Headers<'_>) -> Seen {
        self.ask("GET", path, headers, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, headers: Headers<'_>, body: &str) -> Seen {
        self.ask("POST", path, headers, body.to_owned().into())
            .await
    }

    async fn ask(&self, method: &str, path: &str, headers: Headers<'_>, body: Bytes) -> Seen {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("it is a request");
        let answer = self.app.clone().oneshot(request).await.expect("it answers");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("the answer ends").to_bytes();
        Seen {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// A form with these fields and the token of the page.
    pub(crate) async fn form(&self, page: &str, fields: &str) -> String {
        let token = self.get(page, &[]).await.form_token();
        format!("form={token}&{fields}")
    }

    pub(crate) async fn becomes(&self, id: &str, state: State) {
        let becoming = async {
            while self
                .coordinator
                .status(id)
                .await
                .expect("the journal works")
                != Some(state)
            {
                tokio::task::yield_now().await;
            }
        };
        let became = tokio::time::timeout(Duration::from_mins(1), becoming).await;
        became.unwrap_or_else(|_| panic!("{id} does not become {state}"));
    }
}
