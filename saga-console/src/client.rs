//! The operator of a service in another process, over its HTTP interface.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::http::response::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use saga_runtime::SagaId;
use saga_runtime::journal::to_millis;
use saga_runtime::operator::{
    Accepted, CheckView, Operations, Outline, PauseView, Refusal, SagaCommand, SagaCounts,
    SagaDetails, SagaList, SagaQuery, WorkerView,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::form::encoded;
use crate::request::{CommandRequest, PauseRequest, PurgeRequest};

/// The time in which a service has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time that a request may wait in all until the console has room for another command.
const MOST_WAIT: Duration = Duration::from_mins(1);

/// The wait if the console does not say when it has room. It is also the shortest one.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// The most bytes of an answer.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// A service in another process: `Operator::over(Remote::new("http://127.0.0.1:8080/sagas", "ann")?)`.
///
/// A console takes so many [commands per second](crate::Console::commands_per_second). A command above that limit waits until
/// the console has room, a minute at most; then the refusal has the code `too_many`.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Without a slash at its end.
    address: String,
    host: String,
    port: u16,
    /// The path of the console, without a slash at its end.
    path: String,
    by: String,
    token: Option<HeaderValue>,
}

/// The error of an address that a [`Remote`] can't use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It is no address.
    #[error("`{0}` is no address of a console: write `http://127.0.0.1:8080/sagas`")]
    NoAddress(String),
    /// The address is for TLS.
    #[error(
        "`{0}` needs TLS, which is not spoken here: use a tunnel to the service, such as `ssh -L 8080:127.0.0.1:8080 host`"
    )]
    Tls(String),
    /// The token has characters that no header can have.
    #[error("the token has characters that can't be sent")]
    Token,
}

impl Remote {
    /// The console at this address. `by` is the name of the operator, which stands behind the reason of each command.
    ///
    /// # Errors
    /// If it is no address of a console.
    pub fn new(address: &str, by: &str) -> Result<Self, RemoteError> {
        let no_address = || RemoteError::NoAddress(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| no_address())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(RemoteError::Tls(address.to_owned())),
            _ => return Err(no_address()),
        }
        let host = uri.host().ok_or_else(no_address)?;
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri.path().trim_end_matches('/').to_owned(),
            by: by.to_owned(),
            token: None,
        })
    }

    /// Sets the token that the console asks for.
    ///
    /// # Errors
    /// If it can't be sent.
    pub fn token(self, token: &str) -> Result<Self, RemoteError> {
        let token = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut token = token.map_err(|_| RemoteError::Token)?;
        token.set_sensitive(true);
        let token = Some(token);
        Ok(Self { token, ..self })
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> Refusal {
        let message = format!("the service at {} can't be reached: {error}", self.address);
        Refusal::new("unreachable", message)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| self.unreachable(&error))?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Refusal> {
        let mut waited = Duration::ZERO;
        let (is_success, body) = loop {
            let exchange = self.exchange(method.clone(), path, body.clone());
            let answer = tokio::time::timeout(PATIENCE, exchange).await;
            let (head, body) = answer.map_err(|_| {
                self.unreachable(&format!("no answer within {} seconds", PATIENCE.as_secs()))
            })??;
            match wait(&head, waited) {
                // The console has refused the request before it did anything.
                Some(wait) => {
                    tokio::time::sleep(wait).await;
                    waited += wait;
                }
                None => break (head.status.is_success(), body),
            }
        };
        let unclear =
            |_| self.unreachable(&"its answer is not one of a console; is the path right?");
        if is_success {
            serde_json::from_slice(&body).map_err(unclear)
        } else {
            Err(serde_json::from_slice(&body).unwrap_or_else(unclear))
        }
    }

    /// Sends one request, and returns the answer.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Parts, Bytes), Refusal> {
        let host = self.host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.port)).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let connected = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(|error| self.unreachable(&error))?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/{path}", self.path))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| self.unreachable(&error))?;
        let answer = async {
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(|error| self.unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(|error| self.unreachable(&error))?;
            Ok((head, body.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }
}

/// The wait before a request is sent again, of which a console has too many. `None` if this is the answer.
fn wait(head: &Parts, waited: Duration) -> Option<Duration> {
    if head.status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let after = head.headers.get(header::RETRY_AFTER);
    let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
    let wait = after
        .map_or(SHORT_WAIT, Duration::from_secs)
        .max(SHORT_WAIT);
    (wait <= MOST_WAIT.saturating_sub(waited)).then_some(wait)
}

#[async_trait]
impl Operations for Remote {
    fn access(&self) -> String {
        format!(
            "commands are carried out by the service at {}",
            self.address
        )
    }

    async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal> {
        let text = encoded(&query.to_string());
        let mut path = format!("sagas?q={text}&limit={}", query.limit);
        if let Some(after) = query.after {
            path = format!("{path}&after={after}");
        }
        self.get(&path).await
    }

    async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal> {
        let text = encoded(&query.to_string());
        self.get(&format!("count?q={text}")).await
    }

    async fn show(&self, id: &SagaId, payloads: bool) -> Result<Option<SagaDetails>, Refusal> {
        let payloads = if payloads { "?payloads=yes" } else { "" };
        let shown = self
            .get(&format!("sagas/{}{payloads}", encoded(id.as_str())))
            .await;
        match shown {
            Ok(shown) => Ok(Some(shown)),
            Err(refusal) if refusal.code == "unknown" => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn counts(&self) -> Result<SagaCounts, Refusal> {
        self.get("counts").await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, Refusal> {
        self.get("workers").await
    }

    async fn check(&self) -> Result<CheckView, Refusal> {
        self.get("check").await
    }

    async fn paused(&self) -> Result<Vec<PauseView>, Refusal> {
        self.get("paused").await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<Accepted, Refusal> {
        let (name, reason, by) = (name.to_owned(), reason.to_owned(), self.by.clone());
        let request = PauseRequest { name, reason, by };
        let accepted: Accepted = self.post("pause", &request).await?;
        Ok(accepted.at(&self.address))
    }

    async fn resume(&self, name: &str) -> Result<Accepted, Refusal> {
        let (name, reason, by) = (name.to_owned(), String::new(), self.by.clone());
        let request = PauseRequest { name, reason, by };
        let accepted: Accepted = self.post("resume", &request).await?;
        Ok(accepted.at(&self.address))
    }

    async fn definitions(&self) -> Result<Vec<Outline>, Refusal> {
        self.get("definitions").await
    }

    async fn command(
        &self,
        id: &SagaId,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Accepted, Refusal> {
        let request = CommandRequest {
            command: command.clone(),
            reason: reason.to_owned(),
            by: self.by.clone(),
        };
        let path = format!("sagas/{}/commands", encoded(id.as_str()));
        let accepted: Accepted = self.post(&path, &request).await?;
        Ok(accepted.by(&self.address))
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Refusal> {
        let request = PurgeRequest {
            before: to_millis(before),
            by: self.by.clone(),
        };
        self.post("purge", &request).await
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Response;

    use super::*;

    /// The head of an answer. An empty `after` is none.
    fn head(status: StatusCode, after: &str) -> Parts {
        let mut answer = Response::builder().status(status);
        if !after.is_empty() {
            answer = answer.header(header::RETRY_AFTER, after);
        }
        answer.body(()).expect("it is an answer").into_parts().0
    }

    #[test]
    fn a_request_waits_for_room_and_not_for_ever() {
        let seconds = Duration::from_secs;
        let full = StatusCode::TOO_MANY_REQUESTS;
        for (after, waited, expected) in [
            ("7", 0, Some(7)),
            ("0", 0, Some(1)),
            ("", 0, Some(1)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 0, Some(1)),
            ("60", 0, Some(60)),
            ("61", 0, None),
            ("18446744073709551615", 0, None),
            ("7", 53, Some(7)),
            ("7", 54, None),
            ("", 60, None),
        ] {
            let wait = wait(&head(full, after), seconds(waited));
            assert_eq!(wait, expected.map(seconds), "{after:?} after {waited} s");
        }
        for other in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(wait(&head(other, "1"), Duration::ZERO), None);
        }
    }
}
