//! Loops, groups, fan-outs, sagas inside of sagas and waits in shapes: as an outline, and in pictures.

use std::time::Duration;

use saga_runtime::shape::Node;
use saga_runtime::{
    Context, EventName, First, Shape, event_within, first_of_within, saga, sleep, try_join_all,
};

use crate::participant::{Participant, Refusal};
use crate::steps::{look, pack, pay, reserve, ship};

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Participant>, boxes: u32) -> Result<(), Refusal> {
        try_join_all(8, 0..boxes, |_| pack(cx)).await?;
        Ok(())
    }
);

saga!(
    async fn selling(cx: Context<'_, Participant>, orders: Vec<u32>) -> Result<(), Refusal> {
        for boxes in orders {
            reserve(cx).await?;
            try_join!(packing(cx, boxes), pay(cx))?;
        }
        let approval = event_within(cx, APPROVED, Duration::from_hours(24)).await;
        if approval != Some(true) {
            return Err(Refusal::objection("nobody has approved it"));
        }
        sleep(cx, Duration::from_hours(1)).await;
        look(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    async fn selling_in_another_way(
        cx: Context<'_, Participant>,
        orders: Vec<u32>,
    ) -> Result<(), Refusal> {
        for boxes in orders {
            reserve(cx).await?;
            try_join!(packing(cx, boxes), pay(cx))?;
        }
        // Another limit and another name for it are the same saga.
        let approval = event_within(cx, APPROVED, Duration::from_mins(5)).await;
        if approval != Some(true) {
            return Err(Refusal::objection("nobody has approved it"));
        }
        sleep(cx, Duration::from_mins(1)).await;
        look(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

#[test]
fn the_outline_reads_like_the_source() {
    let expected = "\
saga `selling`
1. for boxes in orders
     1.1. reserve: compensated by undo_reserve
     1.2. at the same time
          1.2.1. saga packing
               1.2.1.1. for each of 0..boxes, at most 8 at the same time
                    1.2.1.1.1. pack: compensated by undo_pack
          1.2.2. pay: compensated by undo_pay
2. wait: event_within(APPROVED, Duration::from_hours(24))
3. one of
   - approval != Some(true):
     3.1. return
   - else: nothing
4. wait: sleep(Duration::from_hours(1))
5. look: nothing to undo
6. ship: pivot";
    assert_eq!(Selling::shape().to_string(), expected);
}

#[test]
fn mermaid_shows_structure_compensations_and_the_pivot() {
    let picture = Selling::shape().to_mermaid();
    for line in [
        r#"[/"for boxes in orders"\]"#,
        r#"[["at the same time"]]"#,
        r#"(["packing"])"#,
        r#"[["for each of 0..boxes, at most 8 at the same time"]]"#,
        r#">"event_within(APPROVED, Duration::from_hours(24))"]"#,
        r#">"sleep(Duration::from_hours(1))"]"#,
        r#"{{"ship (pivot)"}}"#,
        r#"[/"undo_pack"/]"#,
        r#"[/"undo_pay"/]"#,
        r#"-->|"end"|"#,
    ] {
        assert!(picture.contains(line), "{line} in\n{picture}");
    }
}

#[test]
fn dot_shows_the_same() {
    let picture = Selling::shape().to_dot();
    for line in [
        r#"label="for boxes in orders", shape=trapezium"#,
        r#"label="at the same time", shape=triangle"#,
        r#"label="for each of 0..boxes, at most 8 at the same time", shape=triangle"#,
        r#"label="sleep(Duration::from_hours(1))", shape=cds"#,
        r#"label="ship\n(pivot)", shape=hexagon"#,
        r#"label="undo_pack", shape=parallelogram"#,
    ] {
        assert!(picture.contains(line), "{line} in\n{picture}");
    }
}

#[test]
fn the_words_of_a_wait_are_not_part_of_the_fingerprint() {
    let (one, other) = (Selling::shape(), SellingInAnotherWay::shape());
    assert_ne!(one.to_string(), other.to_string());
    assert_eq!(one.fingerprint(), other.fingerprint());
    assert_ne!(one.fingerprint(), Packing::shape().fingerprint());
}

const PAID: EventName<u32> = EventName::new("paid");
const DECLINED: EventName<u32> = EventName::new("declined");

saga!(
    async fn deciding(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        let first = first_of_within(cx, (PAID, DECLINED), Duration::from_hours(1)).await;
        match first {
            Some(First::A(_)) => drop(look(cx).await?),
            Some(First::B(_)) | None => return Err(Refusal::objection("not paid")),
        }
        ship(cx).await?;
        Ok(())
    }
);

#[test]
fn a_wait_for_the_first_of_two_events_reads_like_the_source() {
    let outline = Deciding::shape().to_string();
    let wait = "2. wait: first_of_within((PAID, DECLINED), Duration::from_hours(1))";
    assert!(outline.contains(wait), "{outline}");
    let picture = Deciding::shape().to_mermaid();
    let wait = r#">"first_of_within((PAID, DECLINED), Duration::from_hours(1))"]"#;
    assert!(picture.contains(wait), "{picture}");
}

const fn asked_for() -> EventName<u32> {
    PAID
}

saga!(
    #[allow(non_snake_case)]
    async fn deciding_by_a_variable(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        let ASKED_FOR = asked_for();
        event_within(cx, ASKED_FOR, Duration::from_hours(1)).await;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    // It comes first in the source, but not in the expansion.
    async fn deciding_by_a_constant_of_its_own(
        cx: Context<'_, Participant>,
    ) -> Result<(), Refusal> {
        const ASKED_FOR: EventName<u32> = asked_for();
        event_within(cx, ASKED_FOR, Duration::from_hours(1)).await;
        ship(cx).await?;
        Ok(())
    }
);

#[test]
fn a_shape_knows_the_durable_names_of_events_that_it_can_name() {
    let events = |shape: Shape| match shape.body.iter().find(|node| matches!(node, Node::Wait(_))) {
        Some(Node::Wait(wait)) => wait.events.clone(),
        other => panic!("it waits: {other:?}"),
    };
    assert_eq!(events(Deciding::shape()), ["paid", "declined"]);
    let none: [&str; 0] = [];
    assert_eq!(events(DecidingByAVariable::shape()), none);
    assert_eq!(events(DecidingByAConstantOfItsOwn::shape()), none);
}
