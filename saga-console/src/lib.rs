//! The operator's page: which sagas there are, why some do not go on, and what can be done. Beside it stands the same as
//! JSON over HTTP, which the command line uses.
//!
//! ```no_run
//! use axum::Router;
//! use saga_console::Console;
//! use saga_runtime::operator::Operator;
//!
//! # async fn serve<S: Send + Sync>(coordinator: saga_runtime::Coordinator<S>) -> std::io::Result<()> {
//! // In a service: pages at /sagas, JSON at /sagas/api.
//! let console = Console::new(Operator::of(&coordinator)).writable().token("a long random text");
//! let app: Router = Router::new().nest("/sagas", console.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! A page works without JavaScript; with it, what is shown follows the journal. Nothing is loaded from another host.
//!
//! # Security
//! * A console is read-only unless it is made [writable](Console::writable), and shows no payloads unless it
//!   [may](Console::payloads).
//! * [`serve`](Console::serve) listens on loopback only, unless a [token](Console::token) is asked for. It answers requests
//!   for a loopback host only, so that no name of another site leads to it.
//! * Each command is a form with a token that only a page of this console knows, or is JSON. It comes from the same origin, needs
//!   the name of the operator, and is an event of target `saga` at level INFO. A command on sagas and a pause need a reason as
//!   well, which the journal keeps; the end of a pause and a purge have none. There is a limit of commands per second.
//! * Pages run no inline script, are shown in no frame, and escape all texts.

mod answers;
mod api;
mod client;
mod console;
mod desk;
mod form;
mod guard;
mod live;
mod pages;
mod picture;
mod request;

pub use client::{Remote, RemoteError};
pub use console::{Console, ServeError};
pub use request::CommandRequest;
