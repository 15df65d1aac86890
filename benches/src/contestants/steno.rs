//! The saga on `steno` with its in-memory store: the coordinator and the registry of actions are made once, the graph
//! is built once per length and cloned, because the saga's input is part of it.

use std::sync::Arc;

use ::steno::{
    Action, ActionContext, ActionError, ActionFunc, ActionRegistry, Dag, DagBuilder,
    InMemorySecStore, Node, SagaDag, SagaId, SagaName, SagaType, SecClient, UndoResult,
};
use seq_macro::seq;

use super::Run;
use crate::cell::{Length, time};
use crate::work::{Refusal, Shop, Token, act, undo};

#[derive(Debug)]
struct Services(&'static Shop);

#[derive(Debug)]
struct Steps;

impl SagaType for Steps {
    type ExecContextType = Services;
}

seq!(N in 2..=50 {
    /// The action of each step, in order.
    fn actions() -> Vec<Arc<dyn Action<Steps>>> {
        vec![
            ActionFunc::new_action("step1", first_step, compensate::<1>),
            #( ActionFunc::new_action(concat!("step", N), step::<N>, compensate::<N>), )*
        ]
    }
});

async fn first_step(context: ActionContext<Steps>) -> Result<Token, ActionError> {
    let input = context.saga_params()?;
    act(context.user_data().0, 1, input).map_err(ActionError::action_failed)
}

async fn step<const ORDINAL: usize>(context: ActionContext<Steps>) -> Result<Token, ActionError> {
    let input = context.lookup(NODES[ORDINAL - 2])?;
    act(context.user_data().0, ORDINAL, input).map_err(ActionError::action_failed)
}

async fn compensate<const ORDINAL: usize>(context: ActionContext<Steps>) -> UndoResult {
    let output = context.lookup(NODES[ORDINAL - 1])?;
    undo(context.user_data().0, ORDINAL, output)?;
    Ok(())
}

seq!(N in 1..=50 {
    /// The name of each step's output, in order.
    const NODES: [&str; 50] = [ #( concat!("token", N), )* ];
});

struct Coordinator {
    client: SecClient,
    registry: Arc<ActionRegistry<Steps>>,
    services: Arc<Services>,
    graph: Dag,
    output: &'static str,
}

impl Coordinator {
    fn start(length: Length, shop: &'static Shop) -> anyhow::Result<Self> {
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let mut registry = ActionRegistry::new();
        let mut graph = DagBuilder::new(SagaName::new("steps"));
        let mut output = "";
        for (node, action) in NODES.into_iter().zip(actions()).take(length.steps()) {
            graph.append(Node::action(node, node, action.as_ref()));
            registry.register(action);
            output = node;
        }
        Ok(Self {
            client: ::steno::sec(log, Arc::new(InMemorySecStore::new())),
            registry: Arc::new(registry),
            services: Arc::new(Services(shop)),
            graph: graph.build()?,
            output,
        })
    }

    async fn execute(&self, start: Token) -> anyhow::Result<Token> {
        let id = SagaId::new_v4();
        let graph = SagaDag::new(self.graph.clone(), serde_json::to_value(start)?);
        let (services, registry) = (self.services.clone(), self.registry.clone());
        let finished = self
            .client
            .saga_create(id, services, Arc::new(graph), registry)
            .await?;
        self.client.saga_start(id).await?;
        match finished.await.kind {
            Ok(success) => Ok(success.lookup_node_output(self.output)?),
            Err(failure) => Err(failure.error_source.convert::<Refusal>()?.into()),
        }
    }
}

pub(super) fn run(length: Length, shop: &'static Shop, count: u32) -> Run {
    Box::pin(async move {
        let coordinator = Coordinator::start(length, shop)?;
        let elapsed = time(count, |start| coordinator.execute(start)).await?;
        coordinator.client.shutdown().await;
        Ok(elapsed)
    })
}
