//! A called saga and a group whose failure the body handles, through every failure: the process ends at each place of them.

use saga_runtime::testing::{FailureMatrix, Script};
use saga_runtime::{Context, saga, step};

macro_rules! steps {
    ($($step:ident undone by $undo:ident;)+) => {
        $(
            #[step(compensate = $undo)]
            async fn $step(cx: Context<'_, Script>) -> Result<u64, String> {
                cx.ask(stringify!($step), cx.idempotency_key(), 1).await
            }

            async fn $undo(cx: Context<'_, Script>, _: &u64) -> Result<(), String> {
                cx.undo(stringify!($undo), cx.idempotency_key(), &cx.action_key())
                    .await
            }
        )+
    };
}

steps! {
    order undone by cancel;
    reserve undone by release;
    pack undone by unpack;
    rent undone by give_back;
    drive undone by stop;
    borrow undone by restore;
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>) -> Result<(), String> {
    cx.ask("ship", cx.idempotency_key(), ()).await
}

saga!(
    #[saga(compensatable)]
    async fn near(cx: Context<'_, Script>) -> Result<u64, String> {
        reserve(cx).await?;
        pack(cx).await
    }
);

saga!(
    /// The near supplier, or one that is far, or none.
    #[saga(deadline = "1h")]
    async fn buy(cx: Context<'_, Script>) -> Result<u64, String> {
        order(cx).await?;
        let ways = match near(cx).await {
            Ok(_) => 1,
            Err(_) => match try_join!(rent(cx), drive(cx)) {
                Ok(_) => 2,
                Err(_) => 3,
            },
        };
        ship(cx).await?;
        Ok(ways)
    }
);

/// The numbers of effects that a completed saga may have: all of a part or nothing of it.
fn is_whole(effects: &[String]) -> bool {
    let has = |step: &str| {
        effects
            .iter()
            .any(|effect| effect.contains(&format!("/{step}/")))
    };
    has("order") && has("ship") && has("reserve") == has("pack") && has("rent") == has("drive")
}

#[test]
fn a_saga_that_handles_the_failures_of_its_parts_passes_every_case() {
    let report = FailureMatrix::new(Script::new, || Buy {})
        .invariant("each part as a whole, or not at all", |shop, end| {
            let effects = shop.effects();
            if end.is_completed() {
                is_whole(&effects)
            } else {
                effects.is_empty()
            }
        })
        .run();
    println!("{}", report.summary());
    assert!(report.is_ok(), "{report}");
    for case in [
        "near/pack: refused + near/release process ends after the effect",
        "near/pack: refused + near/release refused for good",
        "near/pack: refused + near/release asked twice",
        "near/pack: process ends after the record",
    ] {
        let case = case.to_owned();
        assert!(
            report.names().contains(&case),
            "{case} of {:#?}",
            report.names()
        );
    }
    let in_the_group = |name: &&String| {
        name.starts_with("near/reserve: refused + rent refused")
            && name.contains("stop process ends")
    };
    assert!(
        report.names().iter().any(|name| in_the_group(&name)),
        "{:#?}",
        report.names()
    );
}

saga!(
    #[saga(compensatable)]
    async fn nested(cx: Context<'_, Script>) -> Result<u64, String> {
        order(cx).await?;
        if near(cx).await.is_err() {
            borrow(cx).await?;
        }
        rent(cx).await
    }
);

saga!(
    /// A part in a member of a group that is a part itself.
    async fn beside(cx: Context<'_, Script>) -> Result<bool, String> {
        let are_there = try_join!(nested(cx), drive(cx)).is_ok();
        ship(cx).await?;
        Ok(are_there)
    }
);

#[test]
fn a_part_inside_of_a_part_beside_another_step_passes_every_case() {
    let report = FailureMatrix::new(Script::new, || Beside {})
        .invariant("each part as a whole, or not at all", |shop, end| {
            let effects = shop.effects();
            let has = |step: &str| {
                effects
                    .iter()
                    .any(|effect| effect.contains(&format!("/{step}/")))
            };
            if !end.is_completed() {
                return effects.is_empty();
            }
            has("ship")
                && has("order") == has("drive")
                && has("rent") == has("drive")
                && has("reserve") == has("pack")
                && (has("reserve") || has("borrow")) == has("drive")
        })
        .run();
    println!("{}", report.summary());
    assert!(report.is_ok(), "{report}");
}
