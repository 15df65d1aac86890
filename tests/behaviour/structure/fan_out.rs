//! `try_join_all`: a part for each of many items, so many at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_runtime::{Context, saga, step, try_join_all};

use super::{keys, undone};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, ship, thank};

/// The number of steps under way now, and the highest number so far.
static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[step(compensate = ())]
async fn count(_cx: Context<'_, Participant>, yields: usize) -> Result<usize, Refusal> {
    let at_once = AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1;
    MOST.fetch_max(at_once, Ordering::SeqCst);
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    AT_ONCE.fetch_sub(1, Ordering::SeqCst);
    Ok(yields)
}

#[step(compensate = unload)]
async fn load(cx: Context<'_, Participant>, box_number: u32) -> Result<(u32, Effect), Refusal> {
    Ok((box_number, act(cx, "load").await?))
}

async fn unload(cx: Context<'_, Participant>, loaded: &(u32, Effect)) -> Result<(), Refusal> {
    undo(cx, "load", &loaded.1).await
}

saga!(
    async fn counting(
        cx: Context<'_, Participant>,
        limit: usize,
        yields: Vec<usize>,
    ) -> Result<Vec<usize>, Refusal> {
        try_join_all(limit, &yields, |yields| count(cx, *yields)).await
    }
);

saga!(
    async fn loading(
        cx: Context<'_, Participant>,
        limit: usize,
        boxes: u32,
    ) -> Result<Vec<u32>, Refusal> {
        pay(cx).await?;
        load(cx, 99).await?;
        let loaded = try_join_all(limit, 0..boxes, |number| load(cx, number)).await?;
        load(cx, 99).await?;
        look(cx).await?;
        Ok(loaded.into_iter().map(|(number, _)| number).collect())
    }
);

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Participant>, is_heavy: bool) -> Result<u32, Refusal> {
        if is_heavy {
            pack(cx).await?;
        }
        let packed = pack(cx).await?;
        Ok(packed.number)
    }
);

saga!(
    async fn packing_all(cx: Context<'_, Participant>, heavy: Vec<bool>) -> Result<usize, Refusal> {
        let heavy = Arc::new(heavy);
        let packed = try_join_all(None, heavy.iter(), |is_heavy| {
            let is_heavy = *is_heavy;
            packing(cx, is_heavy)
        })
        .await?;
        look(cx).await?;
        Ok(packed.len())
    }
);

saga!(
    async fn thanking_all(cx: Context<'_, Participant>, count: u32) -> Result<(), Refusal> {
        ship(cx).await?;
        try_join_all(2, 0..count, |_| thank(cx)).await?;
        Ok(())
    }
);

fn six_boxes(limit: usize) -> Loading {
    Loading { limit, boxes: 6 }
}

#[tokio::test]
async fn outputs_are_in_the_order_of_the_items_and_no_more_run_than_the_limit_says() {
    for (limit, most) in [(1, 1), (3, 3), (0, 9)] {
        MOST.store(0, Ordering::SeqCst);
        let yields = vec![9, 1, 5, 1, 7, 1, 3, 2, 1];
        let counting = Counting { limit, yields };
        let yields = counting.yields.clone();
        let counted = Participant::new().run(counting).await;
        assert_eq!(counted.expect("nothing fails"), yields);
        assert_eq!(MOST.load(Ordering::SeqCst), most, "limit {limit}");
    }
}

#[tokio::test]
async fn nothing_is_done_for_no_items() {
    let counting = Counting {
        limit: 2,
        yields: Vec::new(),
    };
    let counted = Participant::new().run(counting).await;
    assert_eq!(counted.expect("nothing fails"), [0; 0]);
}

#[tokio::test]
async fn each_item_has_a_key_of_its_own_between_those_of_other_calls() {
    let participant = Participant::new();
    let loaded = participant.run(six_boxes(4)).await.expect("nothing fails");
    assert_eq!(loaded, [0, 1, 2, 3, 4, 5]);
    let mut keys = keys(&participant, "load");
    assert_eq!((&*keys[0], &*keys[7]), ("saga/load/0", "saga/load/7"));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8);
}

#[tokio::test]
async fn items_are_undone_one_by_one_last_first() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    participant
        .run(six_boxes(4))
        .await
        .expect_err("look refuses");
    let expected = (0..8).rev().map(|number| format!("saga/load/{number}"));
    let mut expected: Vec<_> = expected.collect();
    expected.push("saga/pay/0".to_owned());
    assert_eq!(undone(&participant), expected);
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test]
async fn after_a_refusal_no_other_item_is_begun() {
    let participant = Participant::new().answers("saga/load/3", [Answer::Refused]);
    let error = participant.run(six_boxes(1)).await.expect_err("it refuses");
    assert_eq!(error.step(), Some("load"));
    assert_eq!(error.call(), Some("load#3"));
    assert_eq!(keys(&participant, "load").len(), 4, "one by one");
    let undone = undone(&participant);
    let order = ["load/2", "load/1", "load/0", "pay/0"];
    assert_eq!(undone, order.map(|key| format!("saga/{key}")));
}

#[tokio::test]
async fn those_beside_a_refusal_run_to_their_end_and_are_undone() {
    let participant = Participant::new().answers("saga/load/1", [Answer::Refused]);
    let error = participant.run(six_boxes(0)).await.expect_err("it refuses");
    assert!(error.is_compensated());
    assert_eq!(keys(&participant, "load").len(), 7, "all at once");
    let order = [
        "load/6", "load/5", "load/4", "load/3", "load/2", "load/0", "pay/0",
    ];
    assert_eq!(undone(&participant), order.map(|key| format!("saga/{key}")));
}

#[tokio::test]
async fn the_refusal_of_the_first_item_counts() {
    let participant = Participant::new()
        .answers("saga/packing#2/pack/0", [Answer::Refused])
        .answers("saga/packing#1/pack/1", [Answer::Refused]);
    let heavy = vec![false, true, false];
    let error = participant.run(PackingAll { heavy }).await;
    let error = error.expect_err("two of them refuse");
    assert_eq!(error.step(), Some("packing#1/pack"));
    assert_eq!(error.call(), Some("packing#1/pack#1"));
    assert_eq!(
        undone(&participant),
        ["saga/packing#1/pack/0", "saga/packing/pack/0"]
    );
}

#[tokio::test]
async fn sagas_are_called_for_items_as_well() {
    let participant = Participant::new();
    let heavy = vec![true, false, true];
    let packed = participant.run(PackingAll { heavy }).await;
    assert_eq!(packed.expect("nothing fails"), 3);
    let mut keys = keys(&participant, "pack");
    keys.sort();
    assert_eq!(
        keys,
        [
            "saga/packing#1/pack/0",
            "saga/packing#2/pack/0",
            "saga/packing#2/pack/1",
            "saga/packing/pack/0",
            "saga/packing/pack/1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn retriable_steps_never_fail_for_any_item() {
    let busy = std::iter::repeat_n(Answer::Busy, 5);
    let participant = Participant::new().answers("thank", busy);
    let thanked = participant.run(ThankingAll { count: 5 }).await;
    thanked.expect("it is retried");
    assert_eq!(participant.left().len(), 6);
}

#[tokio::test]
async fn a_thousand_items() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    let loading = Loading {
        limit: 50,
        boxes: 1_000,
    };
    participant.run(loading).await.expect_err("look refuses");
    assert_eq!(undone(&participant).len(), 1_003);
    assert_eq!(participant.left(), [""; 0]);
}
