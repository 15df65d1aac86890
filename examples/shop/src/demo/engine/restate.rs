//! A Restate server, and what its tables say about the sagas.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use saga_restate::testing::Server;
use saga_runtime::{Saga as _, SagaId};
use serde::Deserialize;
use tonic::codegen::http::Method;

use super::{CutOff, free_address};
use crate::checkout::{APPROVAL, PlaceOrder};

#[derive(Debug)]
pub(in crate::demo) struct OnRestate {
    server: Server,
    /// Where the server finds the sagas: the same before the kill and after it.
    sagas: SocketAddr,
}

/// The answer to a query.
#[derive(Debug, Deserialize)]
struct Answer {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    waits: bool,
}

impl OnRestate {
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let server = Server::start_in(&folder.join("restate")).await?;
        let (ingress, admin) = (server.ingress(), server.admin());
        eprintln!("restate listens at {ingress}; its web UI is at {admin}/ui/");
        Ok(Self {
            server,
            sagas: free_address()?,
        })
    }

    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("--restate", self.server.ingress()),
            ("--sagas-listen", self.sagas.to_string()),
        ]
    }

    pub(super) async fn orders_has_started(&self) -> anyhow::Result<()> {
        let sagas = format!("http://{}", self.sagas);
        Ok(self.server.register(&sagas).await?)
    }

    pub(super) async fn open(&self) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        let query = serde_json::json!({ "query": open_orders() }).to_string();
        let answer = self.server.ask(Method::POST, "/query", query).await?;
        let answer: Answer = serde_json::from_slice(&answer)?;
        let open = answer.rows.into_iter().map(|row| {
            let cut_off = if row.waits {
                CutOff::Waiting
            } else {
                CutOff::Running
            };
            Ok((SagaId::new(row.id)?, cut_off))
        });
        open.collect()
    }
}

/// An event that a saga waits for is a promise that is not completed.
fn open_orders() -> String {
    let (saga, event) = (PlaceOrder::META.name, APPROVAL.name());
    format!(
        "SELECT saga.target_service_key AS id, promise.key IS NOT NULL AS waits
        FROM sys_invocation AS saga LEFT JOIN sys_promise AS promise
            ON promise.service_name = saga.target_service_name
            AND promise.service_key = saga.target_service_key
            AND promise.key = 'event/{event}/0' AND NOT promise.completed
        WHERE saga.target_service_name = '{saga}' AND saga.target_handler_name = 'run'
            AND saga.status <> 'completed'"
    )
}
