//! Services whose steps can be held, and a server that knows where they are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint};
use saga_runtime::{Context, saga, step};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::service::Service;

/// Records its requests. Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    held: HashMap<String, Arc<Hold>>,
    refused: HashSet<String>,
}

/// A request waits here until the test releases it.
#[derive(Debug)]
pub(crate) struct Hold {
    came: Semaphore,
    go: Semaphore,
}

impl Hold {
    /// Waits until a request waits here.
    pub(crate) async fn came(&self) {
        self.came.acquire().await.expect("it is open").forget();
    }

    /// Releases the request that waits here, and all later ones.
    pub(crate) fn release(&self) {
        self.go.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the requests for this.
    pub(crate) fn hold(&self, what: &str) -> Arc<Hold> {
        let hold = Arc::new(Hold {
            came: Semaphore::new(0),
            go: Semaphore::new(0),
        });
        self.state().held.insert(what.to_owned(), hold.clone());
        hold
    }

    /// Refuses this.
    pub(crate) fn refuse(&self, what: &str) {
        self.state().refused.insert(what.to_owned());
    }

    /// Allows again what was refused.
    pub(crate) fn allow(&self, what: &str) {
        self.state().refused.remove(what);
    }

    /// All requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The number of requests for this.
    pub(crate) fn times(&self, what: &str) -> usize {
        let state = self.state();
        state.asked.iter().filter(|asked| *asked == what).count()
    }

    pub(crate) async fn ask(&self, what: &str) -> Result<String, String> {
        let (hold, is_refused) = {
            let mut state = self.state();
            state.asked.push(what.to_owned());
            let is_refused = state.refused.contains(what);
            (state.held.get(what).cloned(), is_refused)
        };
        if let Some(hold) = hold {
            hold.came.add_permits(1);
            hold.go.acquire().await.expect("it is open").forget();
        }
        if is_refused {
            return Err(format!("no {what} today"));
        }
        Ok(what.to_owned())
    }
}

macro_rules! steps {
    ($($step:ident undone by $undo:ident;)+) => {$(
        #[step(compensate = $undo, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
        pub(crate) async fn $step(cx: Context<'_, Desk>) -> Result<String, String> {
            cx.ask(stringify!($step)).await
        }

        async fn $undo(cx: Context<'_, Desk>, step: &String) -> Result<(), String> {
            cx.ask(&format!("undo {step}")).await.map(drop)
        }
    )+};
}

steps! {
    reserve undone by release;
    charge undone by refund;
    pack undone by unpack;
    label undone by unlabel;
    book undone by unbook;
}

saga!(
    pub(crate) async fn order(cx: Context<'_, Desk>, article: String) -> Result<String, String> {
        reserve(cx).await?;
        charge(cx).await?;
        book(cx).await?;
        Ok(article)
    }
);

saga!(
    pub(crate) async fn parcels(cx: Context<'_, Desk>) -> Result<usize, String> {
        let (one, two, three, four) = try_join!(reserve(cx), charge(cx), pack(cx), label(cx))?;
        let _ = (one, two, three, four);
        book(cx).await?;
        Ok(4)
    }
);

/// A server, and one endpoint that it knows.
pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) desk: Desk,
    pub(crate) service: Service,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await.expect("a server");
        let client = Client::connect(&server.ingress()).expect("an address");
        let desk = Desk::default();
        let service = Service::start(endpoint(&desk)).await;
        let registered = server.register(&service.url()).await;
        registered.expect("it is an endpoint");
        Self {
            server,
            client,
            desk,
            service,
        }
    }

    /// Serves more sagas, at an address that the server knows.
    pub(crate) async fn serve(&self, endpoint: Endpoint<Desk>) -> Service {
        let service = Service::start(endpoint).await;
        let registered = self.server.register(&service.url()).await;
        registered.expect("it is an endpoint");
        service
    }

    /// Asks the admin API for something that the web UI has a button for.
    pub(crate) async fn press(&self, invocation: &str, button: &str) {
        let path = format!("/invocations/{invocation}/{button}");
        let pressed = self.server.ask(http::Method::PATCH, &path, String::new());
        pressed.await.expect("the server does it");
    }

    /// These columns of an invocation, as the server has them.
    pub(crate) async fn about(&self, invocation: &str, columns: &str) -> Value {
        let query = format!("SELECT {columns} FROM sys_invocation WHERE id = '{invocation}'");
        self.query(query).await[0].clone()
    }

    /// Waits until the server has this entry in the journal of an invocation.
    pub(crate) async fn journaled(&self, invocation: &str, entry: &str) {
        let query =
            format!("SELECT index FROM sys_journal WHERE id = '{invocation}' AND name = '{entry}'");
        while self.query(query.clone()).await[0].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the server has a timer of an invocation.
    pub(crate) async fn sleeps(&self, invocation: &str) {
        let query = format!(
            "SELECT index FROM sys_journal WHERE id = '{invocation}' AND entry_type LIKE '%Sleep%'"
        );
        while self.query(query.clone()).await[0].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the server has this promise of an invocation in its journal.
    pub(crate) async fn waits(&self, invocation: &str, promise: &str) {
        let query = format!(
            "SELECT index FROM sys_journal WHERE id = '{invocation}' AND entry_json LIKE '%{promise}%'"
        );
        while self.query(query.clone()).await[0].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until another wait of an invocation has this promise.
    pub(crate) async fn waits_again(&self, invocation: &str, promise: &str) {
        let query = format!(
            "SELECT index FROM sys_journal WHERE id = '{invocation}' AND entry_json LIKE '%{promise}%'"
        );
        while self.query(query.clone()).await[1].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Calls a handler without the client, as with `curl`. Returns the status of the answer.
    pub(crate) async fn by_hand(&self, path: &str, body: &str) -> StatusCode {
        self.answer_by_hand(path, body).await.0
    }

    /// The same, and the text of the answer.
    pub(crate) async fn answer_by_hand(&self, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::post(format!("{}/{path}", self.server.ingress()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("it is a request");
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("it is whole");
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        (status, body)
    }

    pub(crate) async fn query(&self, query: String) -> Value {
        let query = serde_json::json!({ "query": query }).to_string();
        let answer = self.server.ask(http::Method::POST, "/query", query);
        let answer = answer.await.expect("it is SQL");
        let mut answer: Value = serde_json::from_slice(&answer).expect("it is JSON");
        answer["rows"].take()
    }
}

/// The sagas of this file.
pub(crate) fn endpoint(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone())
        .register::<Order>()
        .register::<Parcels>()
}
