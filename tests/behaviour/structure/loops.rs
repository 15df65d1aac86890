//! `for`, `while`, `loop`: a step in a loop runs once a round, under a key of its own.

use saga_runtime::{Context, saga, step};

use super::{keys, undone};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, thank};

saga!(
    async fn item_by_item(
        cx: Context<'_, Participant>,
        rows: Vec<Vec<bool>>,
    ) -> Result<u32, Refusal> {
        let mut packed = 0;
        for row in &rows {
            pay(cx).await?;
            for fragile in row {
                if *fragile {
                    continue;
                }
                pack(cx).await?;
                packed += 1;
            }
        }
        look(cx).await?;
        Ok(packed)
    }
);

#[step(compensate = ungrab)]
async fn grab(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "grab").await
}

async fn ungrab(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "grab", effect).await
}

saga!(
    /// Tries until it gets hold of one.
    async fn until_it_works(cx: Context<'_, Participant>, most: u32) -> Result<u32, Refusal> {
        let mut tries = 0;
        let grabbed = loop {
            tries += 1;
            match grab(cx).await {
                Ok(grabbed) => break grabbed,
                Err(refusal) if tries == most => return Err(refusal),
                Err(_) => {}
            }
        };
        pay(cx).await?;
        Ok(tries * 100 + grabbed.number)
    }
);

saga!(
    async fn while_it_lasts(cx: Context<'_, Participant>, rounds: u32) -> Result<(), Refusal> {
        let mut left = rounds;
        while left > 0 {
            left -= 1;
            pack(cx).await?;
        }
        Ok(())
    }
);

saga!(
    #[saga(retriable)]
    async fn thanking_everybody(cx: Context<'_, Participant>, count: u32) -> Result<(), Refusal> {
        for _ in 0..count {
            thank(cx).await?;
        }
        Ok(())
    }
);

fn rows() -> ItemByItem {
    let rows = vec![vec![false, true, false], vec![], vec![false]];
    ItemByItem { rows }
}

#[tokio::test]
async fn each_round_runs_its_steps() {
    let participant = Participant::new();
    let packed = participant.run(rows()).await.expect("nothing fails");
    assert_eq!(packed, 3);
    assert_eq!(
        participant.asked(),
        ["pay", "pack", "pack", "pay", "pay", "pack", "look"]
    );
}

#[tokio::test]
async fn each_round_has_keys_of_its_own() {
    let participant = Participant::new();
    participant.run(rows()).await.expect("nothing fails");
    let packed = keys(&participant, "pack");
    assert_eq!(packed, ["saga/pack/0", "saga/pack/1", "saga/pack/2"]);
    assert_eq!(keys(&participant, "pay").len(), 3);
}

#[tokio::test]
async fn rounds_are_undone_last_first() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    participant.run(rows()).await.expect_err("look refuses");
    let undone = undone(&participant);
    let order = ["pack/2", "pay/2", "pay/1", "pack/1", "pack/0", "pay/0"];
    assert_eq!(undone, order.map(|key| format!("saga/{key}")));
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test]
async fn a_failure_in_the_middle_undoes_the_rounds_before() {
    let participant = Participant::new().answers("saga/pack/1", [Answer::Refused]);
    let error = participant.run(rows()).await.expect_err("it refuses");
    assert_eq!(error.step(), Some("pack"));
    assert_eq!(error.call(), Some("pack#1"));
    let line = error.to_string();
    assert!(line.contains("failed at step `pack#1`: "), "{line}");
    assert_eq!(undone(&participant), ["saga/pack/0", "saga/pay/0"]);
}

#[tokio::test]
async fn a_loop_can_try_until_a_step_does_not_refuse() {
    let participant = Participant::new().answers("grab", [Answer::Refused, Answer::Refused]);
    let tried = participant.run(UntilItWorks { most: 9 }).await;
    assert_eq!(tried.expect("the third works"), 301);
    assert_eq!(keys(&participant, "grab")[2], "saga/grab/2");
}

#[tokio::test]
async fn what_was_refused_in_earlier_rounds_is_not_undone() {
    let participant = Participant::new()
        .answers("grab", [Answer::Refused])
        .answers("pay", [Answer::Refused]);
    let tried = participant.run(UntilItWorks { most: 9 }).await;
    tried.expect_err("pay refuses");
    assert_eq!(undone(&participant), ["saga/grab/1"]);
}

#[tokio::test]
async fn a_loop_that_gives_up_fails_the_saga() {
    let participant = Participant::new().always("grab", Answer::Refused);
    let tried = participant.run(UntilItWorks { most: 3 }).await;
    tried.expect_err("it refuses always");
    assert_eq!(participant.asked().len(), 3);
}

#[tokio::test]
async fn a_while_loop_runs_as_long_as_it_says() {
    let participant = Participant::new();
    for rounds in [0, 1, 70] {
        let participant = Participant::new();
        let ended = participant.run(WhileItLasts { rounds }).await;
        ended.expect("nothing fails");
        assert_eq!(participant.left().len(), rounds as usize);
    }
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_retriable_steps_never_fails() {
    let busy = std::iter::repeat_n(Answer::Busy, 7);
    let participant = Participant::new().answers("thank", busy);
    let thanked = participant.run(ThankingEverybody { count: 4 }).await;
    thanked.expect("it is retried");
    assert_eq!(participant.left().len(), 4);
}
