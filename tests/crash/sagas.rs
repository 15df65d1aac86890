//! The sagas that are killed: from one to six steps, a branch, a pivot, steps in doubt, steps at the same time, a fan-out,
//! waits.

use std::time::Duration;

use saga_runtime::{Context, EventName, event, saga, sleep, step, try_join_all};

use crate::participant::{Effect, Participant, Plan, Refusal, act, resolve, undo};

macro_rules! steps {
    ($($step:ident $number:literal undone by $undo:ident;)+) => {$(
        #[step(
            compensate = $undo,
            in_doubt(when = Refusal::is_unclear),
            compensation(retry(attempts = 30, backoff = "1ms..2ms"))
        )]
        async fn $step(cx: Context<'_, Participant>, plan: Plan) -> Result<Effect, Refusal> {
            act(cx, $number, plan).await
        }

        async fn $undo(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
            undo(cx, effect).await
        }
    )+};
}

steps! {
    one 1 undone by undo_one;
    two 2 undone by undo_two;
    three 3 undone by undo_three;
    four 4 undone by undo_four;
    five 5 undone by undo_five;
    six 6 undone by undo_six;
}

#[step(
    compensate = undo_two,
    in_doubt(when = Refusal::is_unclear, resolve = resolve_two),
    compensation(retry(attempts = 30, backoff = "1ms..2ms"))
)]
async fn resolved(cx: Context<'_, Participant>, plan: Plan) -> Result<Effect, Refusal> {
    act(cx, 2, plan).await
}

async fn resolve_two(cx: Context<'_, Participant>, _plan: Plan) -> Result<(), Refusal> {
    resolve(cx, 2).await
}

#[step(pivot, in_doubt(when = Refusal::is_unclear))]
async fn ship(cx: Context<'_, Participant>, plan: Plan) -> Result<Effect, Refusal> {
    act(cx, 4, plan).await
}

#[step(retriable, retry(backoff = "1ms..2ms"))]
async fn thank(cx: Context<'_, Participant>, plan: Plan) -> Result<Effect, Refusal> {
    act(cx, 5, plan).await
}

saga!(
    pub(crate) async fn line(cx: Context<'_, Participant>, plan: Plan) -> Result<u32, Refusal> {
        one(cx, plan).await?;
        if plan.steps > 1 {
            two(cx, plan).await?;
        }
        if plan.steps > 2 {
            three(cx, plan).await?;
        }
        if plan.steps > 3 {
            four(cx, plan).await?;
        }
        if plan.steps > 4 {
            five(cx, plan).await?;
        }
        if plan.steps > 5 {
            six(cx, plan).await?;
        }
        Ok(plan.steps)
    }
);

saga!(
    pub(crate) async fn shipping(cx: Context<'_, Participant>, plan: Plan) -> Result<u32, Refusal> {
        one(cx, plan).await?;
        match two(cx, plan).await {
            Ok(_) => {}
            Err(_) => {
                three(cx, plan).await?;
            }
        }
        ship(cx, plan).await?;
        thank(cx, plan).await?;
        Ok(plan.steps)
    }
);

saga!(
    pub(crate) async fn doubting(cx: Context<'_, Participant>, plan: Plan) -> Result<u32, Refusal> {
        one(cx, plan).await?;
        resolved(cx, plan).await?;
        three(cx, plan).await?;
        Ok(plan.steps)
    }
);

saga!(
    #[saga(compensatable)]
    async fn pair(cx: Context<'_, Participant>, plan: Plan) -> Result<(), Refusal> {
        three(cx, plan).await?;
        four(cx, plan).await?;
        Ok(())
    }
);

saga!(
    pub(crate) async fn grouped(cx: Context<'_, Participant>, plan: Plan) -> Result<u32, Refusal> {
        one(cx, plan).await?;
        try_join!(two(cx, plan), pair(cx, plan))?;
        for _ in 4..plan.steps {
            five(cx, plan).await?;
        }
        Ok(plan.steps)
    }
);

/// Ends the process, or takes a while.
#[step(compensate = ())]
async fn kill(_cx: Context<'_, Participant>, millis: u64, is_fatal: bool) -> Result<(), Refusal> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    if is_fatal {
        std::process::abort();
    }
    Ok(())
}

saga!(
    pub(crate) async fn fatal(
        cx: Context<'_, Participant>,
        millis: u64,
        is_fatal: bool,
    ) -> Result<(), Refusal> {
        kill(cx, millis, is_fatal).await?;
        kill(cx, 1, false).await?;
        Ok(())
    }
);

/// The event that some sagas wait for.
pub(crate) const GO: EventName<()> = EventName::new("go");

saga!(
    #[saga(compensatable)]
    async fn leg(cx: Context<'_, Participant>, plan: Plan, number: u32) -> Result<(), Refusal> {
        match number {
            2 => two(cx, plan).await?,
            3 => three(cx, plan).await?,
            _ => four(cx, plan).await?,
        };
        Ok(())
    }
);

saga!(
    pub(crate) async fn spread(cx: Context<'_, Participant>, plan: Plan) -> Result<u32, Refusal> {
        one(cx, plan).await?;
        let begun = cx.now();
        try_join_all(2, 2..5, |number| leg(cx, plan, number)).await?;
        sleep(cx, Duration::from_millis(2)).await;
        event(cx, GO).await;
        five(cx, plan).await?;
        if cx.now() < begun + Duration::from_millis(2) {
            return Err(Refusal::Refused);
        }
        Ok(plan.steps)
    }
);

/// A saga and its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) saga: &'static str,
    pub(crate) plan: Plan,
}

/// Every kind of saga, with every kind of trouble.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |saga, plan| cases.push(Case { saga, plan });
    for steps in 1..=6 {
        let plan = Plan {
            steps,
            ..Plan::default()
        };
        add("line", plan);
        let refused = Some(steps);
        add("line", Plan { refused, ..plan });
    }
    let plan = Plan {
        steps: 4,
        ..Plan::default()
    };
    let refused = Some(4);
    let failing = Plan { refused, ..plan };
    for stubborn in [(2, 2), (2, 100)] {
        let stubborn = Some(stubborn);
        add(
            "line",
            Plan {
                stubborn,
                ..failing
            },
        );
    }
    for unclear in [1, 3] {
        let unclear = Some(unclear);
        add("line", Plan { unclear, ..plan });
    }
    for refused in [None, Some(2), Some(4)] {
        add("shipping", Plan { refused, ..plan });
    }
    let unclear = Some(4);
    add("shipping", Plan { unclear, ..plan });
    for (unclear, refused) in [
        (None, None),
        (Some(2), None),
        (None, Some(2)),
        (None, Some(3)),
    ] {
        let plan = Plan {
            refused,
            unclear,
            ..plan
        };
        add("doubting", plan);
    }
    let plan = Plan { steps: 5, ..plan };
    for (unclear, refused) in [
        (None, None),
        (Some(3), None),
        (None, Some(2)),
        (None, Some(4)),
        (None, Some(5)),
        (Some(2), Some(4)),
    ] {
        let plan = Plan {
            refused,
            unclear,
            ..plan
        };
        add("grouped", plan);
        add("spread", plan);
    }
    cases
}
