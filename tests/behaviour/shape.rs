//! The shape of a saga as data: its steps and branches, read without running anything.

mod parts;
mod structure;

use std::time::Duration;

use saga_runtime::meta::{CompensationOrder, OnCompensationFailure};
use saga_runtime::shape::Node;
use saga_runtime::{Context, Kind, Saga, Shape, saga, step};

use crate::participant::{Effect, Participant, Refusal, act, resolve, undo};
use crate::steps::{look, pay, reserve, ship, thank};

mod abroad {
    //! Steps that sagas name by a path.

    use saga_runtime::{Context, step};

    use crate::participant::{Effect, Participant, Refusal, act, undo};

    #[step(compensate = self::give_back, name = "lend.v2")]
    pub(super) async fn lend(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        act(cx, "lend").await
    }

    async fn give_back(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
        undo(cx, "lend", effect).await
    }
}

#[step(
    compensate = refund,
    timeout = "3s",
    retry(attempts = 4, backoff = "10ms..1s"),
    in_doubt(when = Refusal::is_unclear, resolve = void),
    compensation(timeout = "7s", retry(attempts = 9))
)]
async fn charge(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "charge").await
}

async fn refund(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "charge", effect).await
}

async fn void(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    resolve(cx, "charge").await
}

saga!(
    #[saga(name = "sell", version = 3, deadline = "30s", compensations = parallel)]
    async fn selling(cx: Context<'_, Participant>, gift: bool, weight: u32) -> Result<(), Refusal> {
        reserve(cx).await?;
        if gift {
            look(cx).await?;
        } else {
            charge(cx).await?;
            if weight == 0 {
                return Err(Refusal::objection("too light"));
            }
        }
        let limit = 100;
        match weight {
            0 | 1 => {}
            2 => {
                abroad::lend(cx).await?;
            }
            _ => match pay(cx).await {
                Ok(_) => {}
                Err(_) => {
                    abroad::lend(cx).await?;
                }
            },
        }
        if weight > limit {
            return Err(Refusal::objection("too heavy"));
        }
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn plain(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        reserve(cx).await
    }
);

/// The nodes as lines, indented where they stand in a branch.
fn lines(nodes: &[Node], indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for node in nodes {
        match node {
            Node::Step(step) => {
                let undone = step.compensation.unwrap_or("-");
                lines.push(format!("{indent}{} {:?} {undone}", step.name, step.kind));
            }
            Node::Return => lines.push(format!("{indent}return")),
            Node::Branch(arms) => {
                for arm in arms {
                    lines.push(format!("{indent}{}:", arm.when));
                    lines.extend(self::lines(&arm.body, &format!("{indent}  ")));
                }
            }
            other => lines.push(format!("{indent}{other:?}")),
        }
    }
    lines
}

#[test]
fn it_lists_steps_kinds_compensations_and_branches() {
    assert_eq!(
        lines(&Selling::shape().body, ""),
        [
            "reserve Compensatable undo_reserve",
            "gift:",
            "  look NothingToUndo -",
            "else:",
            "  charge Compensatable refund",
            "  weight == 0:",
            "    return",
            "  else:",
            "weight is 0 | 1:",
            "weight is 2:",
            "  lend.v2 Compensatable self::give_back",
            "weight is _:",
            "  pay Compensatable undo_pay",
            "  pay(cx).await is Ok(_):",
            "  pay(cx).await is Err(_):",
            "    lend.v2 Compensatable self::give_back",
            "weight > limit:",
            "  return",
            "else:",
            "ship Pivot -",
            "thank Retriable -",
        ]
    );
}

#[test]
fn its_steps_are_those_of_all_branches_in_the_order_of_the_source() {
    let shape = Selling::shape();
    let steps: Vec<_> = shape.steps().map(|step| (step.name, step.kind)).collect();
    assert_eq!(
        steps,
        [
            ("reserve", Kind::Compensatable),
            ("look", Kind::NothingToUndo),
            ("charge", Kind::Compensatable),
            ("lend.v2", Kind::Compensatable),
            ("pay", Kind::Compensatable),
            ("lend.v2", Kind::Compensatable),
            ("ship", Kind::Pivot),
            ("thank", Kind::Retriable),
        ]
    );
}

#[test]
fn a_step_in_it_has_all_its_policies() {
    let shape = Selling::shape();
    let charge = shape
        .steps()
        .find(|step| step.name == "charge")
        .expect("the saga charges");
    assert_eq!(charge.resolver, Some("void"));
    assert_eq!(charge.timeout, Some(Duration::from_secs(3)));
    assert_eq!(charge.compensation_timeout, Some(Duration::from_secs(7)));
    let retry = charge.retry.expect("it says how often");
    assert_eq!(retry.max_attempts(), Some(4));
    let compensation_retry = charge.compensation_retry.expect("it says how often");
    assert_eq!(compensation_retry.max_attempts(), Some(9));

    let reserve = shape.steps().next().expect("the saga reserves");
    assert_eq!(reserve.resolver, None);
    assert_eq!(reserve.timeout, None);
    assert_eq!(reserve.retry, None);
    assert_eq!(reserve.compensation_timeout, None);
    assert_eq!(reserve.compensation_retry, None);
    assert_eq!(reserve.forward_retry().max_attempts(), Some(1));

    let thank = shape.steps().last().expect("the saga thanks");
    assert_eq!(thank.forward_retry().max_attempts(), None);
}

#[test]
fn it_says_the_options_of_its_saga() {
    let meta = Selling::shape().saga;
    assert_eq!(meta.name, "sell");
    assert_eq!(meta.version, 3);
    assert_eq!(meta.deadline, Some(Duration::from_secs(30)));
    assert_eq!(meta.compensations, CompensationOrder::Parallel);
    assert_eq!(
        meta.on_compensation_failure,
        OnCompensationFailure::Continue
    );

    let meta = Plain::shape().saga;
    assert_eq!(meta.name, "plain");
    assert_eq!(meta.version, 1);
    assert_eq!(meta.deadline, None);
    assert_eq!(meta.compensations, CompensationOrder::Sequential);
    assert_eq!(meta.on_compensation_failure, OnCompensationFailure::Halt);
}

#[test]
fn it_is_the_same_through_the_trait_and_every_time() {
    fn outline<G: Saga>() -> String {
        let shape: Shape = G::shape();
        shape.to_string()
    }
    assert_eq!(outline::<Selling>(), Selling::shape().to_string());
    assert_eq!(outline::<Plain>(), Plain::shape().to_string());
}
