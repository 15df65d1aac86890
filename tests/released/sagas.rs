//! The sagas of the recorded journals. A definition here never changes, since journals that hold it are checked in: add
//! another saga instead.

use std::time::Duration;

use saga_runtime::{
    Context, EventName, First, event, event_within, first_of, saga, sleep, step, try_join_all,
};

use super::desk::{Desk, Refused, ask, undo};

/// The event that some of the sagas wait for.
pub(crate) const APPROVED: EventName<u32> = EventName::new("approved");

/// The event that ends an approval.
pub(crate) const REVOKED: EventName<u32> = EventName::new("revoked");

macro_rules! steps {
    ($($step:ident undone by $undo:ident;)+) => {$(
        #[step(compensate = $undo, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
        async fn $step(cx: Context<'_, Desk>) -> Result<String, Refused> {
            ask(cx).await
        }

        async fn $undo(cx: Context<'_, Desk>, output: &str) -> Result<(), Refused> {
            undo(cx, output).await
        }
    )+};
}

steps! {
    reserve undone by release;
    charge undone by refund;
    pack undone by unpack;
}

#[step(compensate = ())]
async fn check(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

#[step(compensate = forget, name = "weigh.v1")]
async fn weigh(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

async fn forget(cx: Context<'_, Desk>, output: &str) -> Result<(), Refused> {
    undo(cx, output).await
}

#[step(compensate = unstamp)]
async fn stamp(cx: Context<'_, Desk>, number: u32) -> Result<(u32, String), Refused> {
    Ok((number, ask(cx).await?))
}

async fn unstamp(cx: Context<'_, Desk>, (_, output): &(u32, String)) -> Result<(), Refused> {
    undo(cx, output).await
}

#[step(
    compensate = unbook,
    in_doubt(resolve = settle),
    compensation(retry(attempts = 2, backoff = "1ms..1ms"))
)]
async fn book(cx: Context<'_, Desk>, seat: &u32) -> Result<u32, Refused> {
    ask(cx).await?;
    Ok(*seat)
}

async fn unbook(cx: Context<'_, Desk>, _seat: &u32) -> Result<(), Refused> {
    ask(cx).await.map(drop)
}

async fn settle(cx: Context<'_, Desk>, _seat: &u32) -> Result<(), Refused> {
    ask(cx).await.map(drop)
}

#[step(pivot, retry(attempts = 2, backoff = "1ms..1ms"))]
async fn ship(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

#[step(retriable, retry(backoff = "1ms..1ms"))]
async fn thank(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

#[step(retriable, retry(backoff = "1h..1h"))]
async fn mail(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

#[step(compensate = repay, compensation(retry(attempts = 9, backoff = "1h..1h")))]
async fn pay(cx: Context<'_, Desk>) -> Result<String, Refused> {
    ask(cx).await
}

async fn repay(cx: Context<'_, Desk>, output: &str) -> Result<(), Refused> {
    undo(cx, output).await
}

saga!(
    /// A straight saga with a step of each kind.
    pub(crate) async fn order(cx: Context<'_, Desk>, number: u32) -> Result<u32, Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        check(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(number)
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    pub(crate) async fn halting(cx: Context<'_, Desk>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(name = "bulk.v2", version = 2, compensations = parallel)]
    pub(crate) async fn bulk(cx: Context<'_, Desk>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        check(cx).await?;
        Ok(())
    }
);

saga!(
    pub(crate) async fn booking(cx: Context<'_, Desk>, seat: u32) -> Result<u32, Refused> {
        reserve(cx).await?;
        let booked = book(cx, &seat).await?;
        pack(cx).await?;
        Ok(booked)
    }
);

saga!(
    /// Handles a refusal: the error is part of the history.
    pub(crate) async fn courier(cx: Context<'_, Desk>) -> Result<String, Refused> {
        reserve(cx).await?;
        let sent = match weigh(cx).await {
            Ok(weighed) => weighed,
            Err(refused) => {
                charge(cx).await?;
                refused.0
            }
        };
        pack(cx).await?;
        Ok(sent)
    }
);

saga!(
    pub(crate) async fn parcels(cx: Context<'_, Desk>) -> Result<[String; 3], Refused> {
        let (one, two, three) = try_join!(reserve(cx), charge(cx), pack(cx))?;
        check(cx).await?;
        ship(cx).await?;
        Ok([one, two, three])
    }
);

saga!(
    pub(crate) async fn stamps(cx: Context<'_, Desk>, count: u32) -> Result<u32, Refused> {
        let stamped = try_join_all(2, 0..count, |number| stamp(cx, number)).await?;
        ship(cx).await?;
        Ok(stamped.into_iter().map(|(number, _)| number).sum())
    }
);

saga!(
    pub(crate) async fn rounds(cx: Context<'_, Desk>, count: u32) -> Result<u32, Refused> {
        for _ in 0..count {
            pack(cx).await?;
        }
        ship(cx).await?;
        Ok(count)
    }
);

saga!(
    #[saga(compensatable)]
    pub(crate) async fn prepare(cx: Context<'_, Desk>) -> Result<(), Refused> {
        reserve(cx).await?;
        pack(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    /// Calls another saga three times, twice of these in a group.
    pub(crate) async fn delivery(cx: Context<'_, Desk>) -> Result<(), Refused> {
        prepare(cx).await?;
        charge(cx).await?;
        try_join!(prepare(cx), prepare(cx))?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    pub(crate) async fn napping(cx: Context<'_, Desk>, millis: u64) -> Result<bool, Refused> {
        reserve(cx).await?;
        let (began, id) = (cx.now(), cx.uuid());
        sleep(cx, Duration::from_millis(millis)).await;
        charge(cx).await?;
        Ok(cx.now() >= began && cx.uuid() != id)
    }
);

saga!(
    pub(crate) async fn approval(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        reserve(cx).await?;
        let approved = event(cx, APPROVED).await;
        charge(cx).await?;
        Ok(approved)
    }
);

saga!(
    pub(crate) async fn request(
        cx: Context<'_, Desk>,
        millis: u64,
    ) -> Result<Option<u32>, Refused> {
        reserve(cx).await?;
        Ok(event_within(cx, APPROVED, Duration::from_millis(millis)).await)
    }
);

saga!(
    #[saga(deadline = "1h")]
    pub(crate) async fn urgent(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        reserve(cx).await?;
        let approved = event(cx, APPROVED).await;
        charge(cx).await?;
        Ok(approved)
    }
);

saga!(
    /// Its last step is attempted again after an hour.
    pub(crate) async fn mailing(cx: Context<'_, Desk>) -> Result<String, Refused> {
        reserve(cx).await?;
        let sent = mail(cx).await?;
        Ok(sent)
    }
);

saga!(
    /// A compensation of it is attempted again after an hour.
    pub(crate) async fn paying(cx: Context<'_, Desk>) -> Result<(), Refused> {
        reserve(cx).await?;
        pay(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    /// Handles the failures of a group and of a called saga: what these have done is undone first.
    pub(crate) async fn choosing(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        let mut others = 0;
        if try_join!(reserve(cx), pack(cx)).is_err() {
            weigh(cx).await?;
            others += 1;
        }
        if let Err(refused) = prepare(cx).await {
            assert!(!refused.0.is_empty());
            charge(cx).await?;
            others += 1;
        }
        ship(cx).await?;
        Ok(others)
    }
);

saga!(
    /// Waits for the first of two events, as a member of a group.
    #[saga(compensatable)]
    pub(crate) async fn hearing(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        reserve(cx).await?;
        Ok(match first_of(cx, (APPROVED, REVOKED)).await {
            First::A(told) | First::B(told) => told,
        })
    }
);

saga!(
    /// Two members of a group wait for the first of the same events.
    pub(crate) async fn meeting(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        let (one, other) = try_join!(hearing(cx), hearing(cx))?;
        charge(cx).await?;
        Ok(one + other)
    }
);

const DENIED: EventName<String> = EventName::new("denied");

saga!(
    /// Waits for the first of two events.
    pub(crate) async fn settling(cx: Context<'_, Desk>) -> Result<u32, Refused> {
        reserve(cx).await?;
        let approved = match first_of(cx, (DENIED, APPROVED)).await {
            First::A(_) => 0,
            First::B(approved) => approved,
        };
        charge(cx).await?;
        Ok(approved)
    }
);
