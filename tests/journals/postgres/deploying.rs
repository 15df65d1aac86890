//! A rolling deployment: workers with two versions of a saga run beside each other, and claim what they have.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{Builder, Rejected, SubmitError};
use saga_runtime::journal::{Journal, Postgres, State};
use saga_runtime::{Context, Coordinator, saga, step};
use test_postgres::Server;
use tokio::sync::{Notify, Semaphore};

/// The service of the steps. The first version has to wait for permits.
struct Depot {
    asked: Notify,
    passes: Semaphore,
}

#[step(compensate = ())]
async fn reserve(cx: Context<'_, Arc<Depot>>) -> Result<(), String> {
    cx.asked.notify_one();
    cx.passes.acquire().await.expect("it stays open").forget();
    Ok(())
}

#[step(compensate = ())]
async fn look_up(_cx: Context<'_, Arc<Depot>>) -> Result<u32, String> {
    Ok(2)
}

mod first {
    use super::*;

    saga!(
        pub(super) async fn sell(cx: Context<'_, Arc<Depot>>, number: u32) -> Result<u32, String> {
            reserve(cx).await?;
            Ok(number)
        }
    );
}

mod second {
    use super::*;

    saga!(
        #[saga(version = 2)]
        pub(super) async fn sell(cx: Context<'_, Arc<Depot>>, number: u32) -> Result<u32, String> {
            let factor = look_up(cx).await?;
            Ok(factor * number)
        }
    );
}

async fn settings(depot: &Arc<Depot>) -> Builder<Arc<Depot>, Arc<dyn Journal>> {
    let journal = Postgres::options()
        .schema(format!("deploying_{}", std::process::id()))
        .connect(Server::shared().url())
        .await;
    Coordinator::builder(Arc::clone(depot))
        .journal(journal.expect("the database works"))
        .lease(Duration::from_hours(1))
}

#[tokio::test]
async fn two_versions_run_beside_each_other_and_each_worker_claims_what_it_has() {
    const SAGAS: u32 = 10;
    let depot = Arc::new(Depot {
        asked: Notify::new(),
        passes: Semaphore::new(0),
    });
    let old = settings(&depot).await.register::<first::Sell>();
    let old = old.start().await.expect("the journal works");
    for number in 0..SAGAS {
        let id = format!("old-{number}");
        let submitted = old.submit(&*id, first::Sell { number }).await;
        drop(submitted.expect("it is new"));
    }
    let new = settings(&depot).await.register::<second::Sell>();
    let new = new.start().await.expect("the journal works");
    // Each takes what it has, and refuses what it has not.
    for number in 0..SAGAS {
        let id = format!("new-{number}");
        let executed = new.execute(&*id, second::Sell { number }).await;
        assert_eq!(executed.expect("nothing fails"), 2 * number);
    }
    let refused = new.submit("other", first::Sell { number: 0 }).await;
    let Err(SubmitError::Rejected(Rejected::NotRegistered { version, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(version, 1);
    // The old worker goes while its sagas are under way.
    let stopped = tokio::spawn(async move { old.shutdown().await });
    tokio::task::yield_now().await;
    depot.passes.add_permits(SAGAS as usize / 2);
    for _ in 0..SAGAS / 2 {
        depot.asked.notify_one();
    }
    depot.passes.add_permits(SAGAS as usize / 2);
    stopped.await.expect("it does not panic");
    // A worker without their version leaves them alone, though it was told of them.
    for number in 0..SAGAS {
        let id = format!("newer-{number}");
        let executed = new.execute(&*id, second::Sell { number }).await;
        assert_eq!(executed.expect("nothing fails"), 2 * number);
    }
    for number in 0..SAGAS {
        let found = new.inspect(&*format!("old-{number}")).await;
        let record = found
            .expect("the journal works")
            .expect("it is there")
            .record;
        let is_left = record.state == State::Waiting && record.epoch == 1;
        assert!(is_left || record.state == State::Completed, "{record:?}");
    }
    // A worker with both goes on with them.
    let both = settings(&depot).await;
    let both = both.register::<first::Sell>().register::<second::Sell>();
    let both = both.start().await.expect("the journal works");
    for number in 0..SAGAS {
        let attached = new.attach::<first::Sell>(&*format!("old-{number}")).await;
        let ended = attached.expect("it is there").wait().await;
        assert_eq!(ended.expect("nothing fails"), number, "the first version");
    }
    both.shutdown().await;
    new.shutdown().await;
}
