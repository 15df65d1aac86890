//! Texts of others in what people read: no id, error or reason forges a line or reaches the terminal.

use saga_runtime::coordinator::{ExecuteError, SubmitError};
use saga_runtime::journal::{Memory, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Cause, Context, Coordinator, saga, step};

use crate::shop::{Shop, becomes, inspected, order};

/// An error of a participant that nobody has looked at.
const FORGED: &str = "declined\n  7  +    0.001s  completed\u{1b}[2J";
const SHOWN: &str = r"declined\n  7  +    0.001s  completed\u{1b}[2J";

#[step(compensate = undo_pay)]
async fn pay(_cx: Context<'_, Shop>) -> Result<u8, String> {
    Ok(1)
}

async fn undo_pay(_cx: Context<'_, Shop>, _paid: &u8) -> Result<(), String> {
    Err(FORGED.to_owned())
}

#[step(compensate = ())]
async fn refuse(_cx: Context<'_, Shop>) -> Result<(), String> {
    Err(FORGED.to_owned())
}

saga!(
    #[derive(Clone)]
    async fn refused(cx: Context<'_, Shop>, number: u8) -> Result<(), String> {
        let _ = number;
        order(cx).await.map_err(|error| error.to_string())?;
        refuse(cx).await?;
        Ok(())
    }
);

saga!(
    #[derive(Clone)]
    async fn left(cx: Context<'_, Shop>) -> Result<(), String> {
        pay(cx).await?;
        refuse(cx).await?;
        Ok(())
    }
);

async fn started() -> Coordinator<Shop> {
    let builder = Coordinator::builder(Shop::default())
        .compensation_retry(RetryPolicy::COMPENSATION)
        .journal(Memory::new())
        .register::<Refused>()
        .register::<Left>();
    builder.start().await.expect("the journal is new")
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[tokio::test]
async fn an_id_and_an_error_are_one_line_without_control_characters() {
    let coordinator = started().await;
    let id = "order-1\n\u{1b}[31msaga `x` completed";
    let failed = match coordinator.execute(id, Refused { number: 1 }).await {
        Err(ExecuteError::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        failed.to_string(),
        format!("saga `refused` failed at step `refuse`: {SHOWN}; compensated: `order`")
    );
    assert_eq!(
        *failed.cause(),
        Cause::Error(FORGED.to_owned()),
        "it stays as it is"
    );
    assert_eq!(failed.cause().to_string(), SHOWN);
    let later = match coordinator.execute(id, Refused { number: 1 }).await {
        Err(ExecuteError::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        *later.cause(),
        Cause::Error(FORGED.to_owned()),
        "so is what is recorded"
    );
    assert_eq!(later.to_string(), failed.to_string());
    let conflict = match coordinator.execute(id, Refused { number: 2 }).await {
        Err(ExecuteError::NotStarted(SubmitError::Conflict { id, name })) => {
            assert_eq!(id.as_str(), "order-1\n\u{1b}[31msaga `x` completed");
            SubmitError::Conflict { id, name }
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        conflict.to_string(),
        r"the id `order-1\n\u{1b}[31msaga `x` completed` belongs to another `refused`, with another input"
    );
    let history = coordinator.inspect(id).await.expect("it works");
    let history = history.expect("it is there").to_string();
    assert!(history.starts_with(r"saga order-1\n\u{1b}[31msaga `x` completed: refused"));
    assert_eq!(
        history.lines().filter(|line| line.contains(SHOWN)).count(),
        2,
        "{history}"
    );
    assert!(history.lines().all(is_plain), "{history}");
}

#[tokio::test(start_paused = true)]
async fn a_reason_to_be_stuck_is_one_line_without_control_characters() {
    let coordinator = started().await;
    let stuck = match coordinator.execute("order-1", Left {}).await {
        Err(ExecuteError::Stuck(stuck)) => stuck,
        other => panic!("{other:?}"),
    };
    assert!(is_plain(&stuck.to_string()), "{stuck}");
    assert!(stuck.to_string().contains(SHOWN), "{stuck}");
    becomes(&coordinator, "order-1", State::Stuck).await;
    let skipped = coordinator
        .skip_compensation("order-1", "pay", "agreed\r\nby mail")
        .await;
    skipped.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    let history = inspected(&coordinator, "order-1").await.to_string();
    assert!(
        history.contains(r"pay left as it is, by hand: agreed\r\nby mail"),
        "{history}"
    );
    assert!(history.lines().all(is_plain), "{history}");
}
