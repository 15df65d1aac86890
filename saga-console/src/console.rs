//! The settings of a console, and the router that is made of them.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, uri::Authority};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use saga_runtime::operator::Operator;
use tokio::net::TcpListener;

use crate::desk::{Desk, Settings};
use crate::{api, guard, live, pages};

/// The settings of a console, which [`router`](Self::router) makes a router of.
#[derive(Clone)]
#[must_use = "call `router` or `serve`"]
pub struct Console {
    settings: Settings,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("operator", &self.settings.operator)
            .field("is_writable", &self.settings.is_writable)
            .field("has_token", &self.settings.token.is_some())
            .finish_non_exhaustive()
    }
}

impl Console {
    /// A console that only reads, and shows no payloads.
    pub fn new(operator: Operator) -> Self {
        let settings = Settings {
            operator,
            is_writable: false,
            shows_payloads: false,
            token: None,
            commands_per_second: 5,
        };
        Self { settings }
    }

    /// Lets operators carry out commands.
    pub fn writable(mut self) -> Self {
        self.settings.is_writable = true;
        self
    }

    /// Lets operators unfold payloads: inputs, outputs and errors as JSON.
    pub fn payloads(mut self) -> Self {
        self.settings.shows_payloads = true;
        self
    }

    /// Asks for this token: in the header `Authorization: Bearer …`, or once on a page. Without one, put the service's own
    /// authentication in front.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(token.into());
        self
    }

    /// Sets how many commands and log-ins are accepted per second, in bursts of ten times as many. Default: 5. Above that the
    /// answer is 429 with `Retry-After`, for which a [`Remote`](crate::Remote) waits.
    pub fn commands_per_second(mut self, commands: u32) -> Self {
        self.settings.commands_per_second = commands.max(1);
        self
    }

    /// The router: pages at its root, JSON at `/api`.
    ///
    /// # Panics
    /// If the operating system has no random numbers.
    pub fn router(self) -> Router {
        let desk = Arc::new(Desk::new(self.settings));
        Router::new()
            .merge(pages::routes())
            .nest("/api", api::routes())
            .route("/live", get(live::live))
            .fallback(pages::not_found)
            .layer(from_fn_with_state(Arc::clone(&desk), guard::guard))
            .with_state(desk)
    }

    /// Serves the console until `stop` is ready.
    ///
    /// # Errors
    /// [`ServeError::Exposed`] if other machines can reach the address, and no [token](Self::token) is asked for.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        let is_loopback = address.ip().is_loopback();
        if !is_loopback && self.settings.token.is_none() {
            return Err(ServeError::Exposed(address));
        }
        let mut router = self.router();
        if is_loopback {
            router = router.layer(from_fn(only_loopback));
        }
        Ok(axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await?)
    }
}

/// The error of a console that does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach it without a token.
    #[error("{0} can be reached from other machines: ask for a token, or listen on 127.0.0.1")]
    Exposed(SocketAddr),
    /// It can't listen there.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Refuses requests for a host with another name, which a page of another site could have given this address.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = guard::host(&request).and_then(|host| host.parse::<Authority>().ok());
    let is_loopback = host.is_some_and(|host| {
        let host = host.host().trim_matches(['[', ']']);
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    if is_loopback {
        next.run(request).await
    } else {
        StatusCode::MISDIRECTED_REQUEST.into_response()
    }
}
