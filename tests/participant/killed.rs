//! Processes that are killed in the middle of a request, and the request that comes again.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use clap::ValueEnum as _;

use crate::database::Bank;
use crate::service::{Course, Heard, Moment, Service};

crate::on_each_database!(
    a_request_that_was_cut_off_is_carried_out_once,
    a_cancellation_that_was_cut_off_undoes_once,
    any_processes_may_be_killed_at_any_moment,
);

/// How a process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Killed,
    /// What it has heard.
    Said(String),
}

/// Keys of the random test.
const KEYS: u32 = 40;

const SIGKILL: i32 = 9;

async fn service<DB: Bank>() -> (DB::Home, Service<DB>) {
    let home = DB::home().await;
    let service = Service::open(&DB::url(&home)).await;
    (home, service.expect("a service"))
}

fn start(url: &str, what: &str, key: &str, killed_at: Option<Moment>) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_participant-child"));
    child.args([url, what, key]);
    if let Some(moment) = killed_at {
        let moment = format!("{moment:?}").to_lowercase();
        child.args(["--killed-at", &moment]);
    }
    let child = child.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.expect("the child can be run")
}

fn end(child: Child) -> End {
    let output = child.wait_with_output().expect("it ends");
    if output.status.signal() == Some(SIGKILL) {
        return End::Killed;
    }
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8(output.stdout).expect("it says what it has heard");
    End::Said(said.trim_end().to_owned())
}

fn said(heard: &Heard) -> End {
    End::Said(format!("{heard:?}"))
}

async fn a_request_that_was_cut_off_is_carried_out_once<DB: Bank>() {
    let (home, service) = service::<DB>().await;
    let url = DB::url(&home);
    for &moment in Moment::value_variants() {
        let key = format!("killed-at-{moment:?}");
        assert_eq!(end(start(&url, "request", &key, Some(moment))), End::Killed);
        let payments = DB::payments(&service.pool, &key).await;
        let payments = payments.expect("the database works");
        assert_eq!(payments.len(), usize::from(moment == Moment::Committed));

        let again = end(start(&url, "request", &key, None));
        let payments = DB::payments(&service.pool, &key).await;
        let payments = payments.expect("the database works");
        let [(id, 0)] = payments[..] else {
            panic!("{moment:?}: {payments:?}");
        };
        if moment == Moment::Committed {
            assert_eq!(again, said(&Heard::Repeated(Ok(id))));
        } else {
            assert_eq!(again, said(&Heard::First(Ok(id))));
        }
    }
}

async fn a_cancellation_that_was_cut_off_undoes_once<DB: Bank>() {
    let (home, service) = service::<DB>().await;
    let url = DB::url(&home);
    for moment in [Moment::Known, Moment::Acted, Moment::Committed] {
        let key = format!("killed-at-{moment:?}");
        let first = service.request(&key, Course::Take, &()).await;
        let Ok(Heard::First(Ok(id))) = first else {
            panic!("{first:?}");
        };
        assert_eq!(end(start(&url, "cancel", &key, Some(moment))), End::Killed);
        let committed = moment == Moment::Committed;
        let payments = DB::payments(&service.pool, &key).await;
        let payments = payments.expect("the database works");
        assert_eq!(payments, [(id, i64::from(committed))]);

        let again = end(start(&url, "cancel", &key, None));
        let heard = if committed {
            Heard::AlreadyCancelled
        } else {
            Heard::Undone(id)
        };
        assert_eq!(again, said(&heard));
        let late = end(start(&url, "request", &key, None));
        assert_eq!(late, said(&Heard::Refused));
        let payments = DB::payments(&service.pool, &key).await;
        assert_eq!(payments.expect("the database works"), [(id, 1)]);
    }
}

/// Two or three processes at once, most of them killed; then the request or its cancellation comes once more.
async fn any_processes_may_be_killed_at_any_moment<DB: Bank>() {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (home, service) = service::<DB>().await;
    let url = DB::url(&home);
    for number in 0..KEYS {
        let key = format!("key-{number}");
        let plan: Vec<_> = (0..random.usize(2..=3))
            .map(|_| {
                let what = if random.u32(..3) > 0 {
                    "request"
                } else {
                    "cancel"
                };
                let moment = Moment::value_variants()[random.usize(..4)];
                (what, (random.u32(..4) > 0).then_some(moment))
            })
            .collect();
        let children: Vec<_> = plan
            .iter()
            .map(|&(what, moment)| start(&url, what, &key, moment))
            .collect();
        let ends: Vec<_> = children.into_iter().map(end).collect();
        let context = format!("SEED={seed}, {key}: {plan:?} ended with {ends:?}");

        let payments = DB::payments(&service.pool, &key).await;
        let payments = payments.expect("the database works");
        assert!(payments.len() <= 1, "{context}, {payments:?}");
        let last = service.request(&key, Course::Take, &()).await;
        let last = last.expect("the database works");
        match (&last, &payments[..]) {
            (Heard::First(Ok(_)), []) | (Heard::Refused, [] | [(_, 1)]) => {}
            (Heard::Repeated(Ok(answer)), [(id, 0)]) if answer == id => {}
            _ => panic!("{context}, {payments:?}, {last:?}"),
        }
        let cancelled = service.cancel(&key, true, &()).await;
        let cancelled = cancelled.expect("the database works");
        let already = cancelled == Heard::AlreadyCancelled;
        assert_eq!(already, last == Heard::Refused, "{context}, {cancelled:?}");
        let payments = DB::payments(&service.pool, &key).await;
        let payments = payments.expect("the database works");
        assert!(payments.len() <= 1, "{context}, {payments:?}");
        assert!(
            payments.iter().all(|(_, given_back)| *given_back == 1),
            "{context}, {payments:?}"
        );
    }
}
