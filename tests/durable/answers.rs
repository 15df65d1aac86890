//! Every caller gets the own error of a saga: the one that started it, a later one, and one after a
//! restart, on every journal.

use std::fmt;
use std::time::Duration;

use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::{
    Event, Journal, Memory, NewSaga, Postgres, Reason, Sqlite, State, StepCall,
};
use saga_runtime::{Cause, Context, Coordinator, Kind, Saga, SagaError, saga, step};
use serde::{Deserialize, Serialize};
use test_postgres::Server;

use crate::cut_off::{Ended, left};

#[derive(Default)]
struct Bank;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum PaymentError {
    Declined { code: u16, advice: String },
}

impl fmt::Display for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Declined { code, .. } = self;
        write!(f, "declined with {code}")
    }
}

/// The error of the saga, made of that of its step.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum CheckoutError {
    Payment(PaymentError),
}

impl fmt::Display for CheckoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Payment(error) = self;
        error.fmt(f)
    }
}

impl From<PaymentError> for CheckoutError {
    fn from(error: PaymentError) -> Self {
        Self::Payment(error)
    }
}

/// The behaviour of a step.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum What {
    Refuse,
    Hang,
    Panic,
}

#[step(compensate = cancel)]
async fn order(_: Context<'_, Bank>) -> Result<u64, PaymentError> {
    Ok(7)
}

async fn cancel(_: Context<'_, Bank>, _: &u64) -> Result<(), PaymentError> {
    Ok(())
}

#[step(compensate = (), timeout = "1500us", retry(attempts = 1))]
async fn pay(_: Context<'_, Bank>, what: What) -> Result<(), PaymentError> {
    match what {
        What::Refuse => Err(PaymentError::Declined {
            code: 402,
            advice: "another card".to_owned(),
        }),
        What::Hang => std::future::pending().await,
        What::Panic => std::panic::resume_unwind(Box::new("it broke")),
    }
}

saga!(
    #[derive(Clone)]
    async fn checkout(cx: Context<'_, Bank>, what: What) -> Result<(), CheckoutError> {
        order(cx).await?;
        pay(cx, what).await?;
        Ok(())
    }
);

/// An error that is `Serialize` and can't be read from a journal, which lends nothing.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Lent(&'static str);

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An error that is read back as another value.
#[derive(Debug, PartialEq, Serialize)]
struct Changing(u32);

impl<'de> Deserialize<'de> for Changing {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u32::deserialize(from).map(|number| Self(number + 1))
    }
}

impl fmt::Display for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An error that serde does not know.
#[derive(Debug, PartialEq)]
struct Plain;

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain")
    }
}

saga!(
    #[derive(Clone)]
    async fn lending(cx: Context<'_, Bank>) -> Result<(), Lent> {
        let _ = order(cx).await;
        Err(Lent("lent"))
    }
);

saga!(
    #[derive(Clone)]
    async fn naming(cx: Context<'_, Bank>) -> Result<(), &'static str> {
        let _ = order(cx).await;
        Err("named")
    }
);

saga!(
    #[derive(Clone)]
    async fn altering(cx: Context<'_, Bank>) -> Result<(), Changing> {
        let _ = order(cx).await;
        Err(Changing(1))
    }
);

saga!(
    #[derive(Clone)]
    async fn bare(cx: Context<'_, Bank>) -> Result<(), Plain> {
        let _ = order(cx).await;
        Err(Plain)
    }
);

saga!(
    #[derive(Clone)]
    async fn verbose(cx: Context<'_, Bank>) -> Result<(), String> {
        let _ = order(cx).await;
        Err("x".repeat(100_000))
    }
);

saga!(
    #[derive(Clone)]
    async fn shouting(cx: Context<'_, Bank>) -> Result<(), String> {
        let _ = order(cx).await;
        std::panic::resume_unwind(Box::new("y".repeat(100_000)))
    }
);

async fn bank(journal: impl Journal) -> Coordinator<Bank> {
    let builder = Coordinator::builder(Bank)
        .journal(journal)
        .register::<Checkout>()
        .register::<Lending>()
        .register::<Naming>()
        .register::<Altering>()
        .register::<Bare>()
        .register::<Verbose>()
        .register::<Shouting>();
    builder.start().await.expect("the journal works")
}

fn failed<T: fmt::Debug, E: fmt::Display>(ended: Result<T, ExecuteError<E>>) -> SagaError<E> {
    match ended {
        Err(ExecuteError::Failed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The causes that the first caller, a second one, and one after a restart get.
async fn causes<J: Journal, G>(open: impl AsyncFn() -> J, saga: G) -> [(Cause<G::Error>, String); 3]
where
    G: Saga<Services = Bank, Output = ()> + Serialize + Clone,
{
    let first = bank(open().await).await;
    let one = failed(first.execute("order-1", saga.clone()).await);
    let two = failed(first.execute("order-1", saga).await);
    first.shutdown().await;
    let second = bank(open().await).await;
    let handle = second.attach::<G>("order-1").await.expect("it is there");
    let three = failed(handle.wait().await);
    second.shutdown().await;
    [one, two, three].map(|error| {
        let text = error.to_string();
        (error.into_cause(), text)
    })
}

/// A name, what the step does, and the cause that callers are told.
type Case<'a> = (&'a str, What, &'a dyn Fn() -> Cause<CheckoutError>);

async fn all_get_the_same<J: Journal>(open: impl AsyncFn(&str) -> J) {
    let declined = || {
        Cause::Error(CheckoutError::Payment(PaymentError::Declined {
            code: 402,
            advice: "another card".to_owned(),
        }))
    };
    let timed_out = || Cause::TimedOut {
        after: Duration::from_micros(1500),
    };
    let panicked = || Cause::Panicked {
        message: "it broke".to_owned(),
    };
    let cases: [Case<'_>; 3] = [
        ("refused", What::Refuse, &declined),
        ("timed out", What::Hang, &timed_out),
        ("panicked", What::Panic, &panicked),
    ];
    for (name, what, expected) in cases {
        let got = causes(async || open(name).await, Checkout { what }).await;
        let text = got[0].1.clone();
        for (cause, line) in got {
            assert_eq!(cause, expected(), "{name}");
            assert_eq!(line, text, "{name}");
        }
    }
}

#[tokio::test]
async fn every_caller_gets_the_typed_error_from_memory() {
    let journals = std::sync::Mutex::new(std::collections::HashMap::new());
    all_get_the_same(async |name: &str| {
        let mut journals = journals.lock().expect("nothing panics under the lock");
        Memory::clone(journals.entry(name.to_owned()).or_insert_with(Memory::new))
    })
    .await;
}

#[tokio::test]
async fn every_caller_gets_the_typed_error_from_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    all_get_the_same(async |name: &str| {
        let file = folder.path().join(name);
        Sqlite::open(file).await.expect("it is a journal")
    })
    .await;
}

#[tokio::test]
async fn every_caller_gets_the_typed_error_from_postgres() {
    let mut databases = Vec::new();
    for name in ["refused", "timed out", "panicked"] {
        databases.push((name, Server::shared().database().await));
    }
    all_get_the_same(async |name: &str| {
        let mut databases = databases.iter();
        let (_, database) = databases.find(|one| one.0 == name).expect("it is there");
        Postgres::connect(database.url())
            .await
            .expect("it is there")
    })
    .await;
}

#[tokio::test]
async fn an_error_that_can_not_be_read_again_is_text_for_every_caller() {
    async fn texts<G>(saga: G) -> [String; 3]
    where
        G: Saga<Services = Bank, Output = ()> + Serialize + Clone,
    {
        let journal = Memory::new();
        let causes = causes(async || journal.clone(), saga).await;
        causes.map(|(cause, _)| match cause {
            Cause::Recorded { message } => message,
            cause => format!("a cause with the code {}", cause.code()),
        })
    }
    let all = |text: &str| [text, text, text].map(str::to_owned);
    assert_eq!(texts(Lending {}).await, all("lent"));
    assert_eq!(texts(Naming {}).await, all("named"));
    assert_eq!(texts(Altering {}).await, all("1"));
    // It is too large, and a journal keeps so much of its text.
    let mark = "… (100000 bytes)";
    let kept = format!("{}{mark}", "x".repeat(Event::MAX_TEXT - mark.len()));
    assert_eq!(texts(Verbose {}).await, all(&kept));
    // Its type is not serializable: only the first caller has it.
    let texts = texts(Bare {}).await;
    assert_eq!(texts, ["a cause with the code error", "plain", "plain"]);
}

#[tokio::test]
async fn a_panic_that_says_much_is_the_same_for_every_caller() {
    let journal = Memory::new();
    let causes = causes(async || journal.clone(), Shouting {}).await;
    let causes = causes.map(|(cause, _)| cause);
    for cause in &causes {
        assert_eq!(cause, &causes[0]);
        let Cause::Panicked { message } = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(message.len(), Event::MAX_TEXT - "panicked: ".len());
    }
}

fn checkout_left(events: &[Event]) -> impl Future<Output = Memory> {
    let saga = NewSaga {
        id: crate::shop::id("order-1"),
        name: "checkout".to_owned(),
        version: 1,
        fingerprint: Checkout::shape().fingerprint(),
        input: r#"{"what":"Refuse"}"#.to_owned(),
        trace: None,
    };
    left(saga, events, Ended::Killed)
}

fn call(name: &'static str, kind: Kind) -> StepCall {
    StepCall {
        name: name.into(),
        occurrence: 0,
        kind,
    }
}

fn ordered() -> Event {
    Event::StepDone {
        step: call("order", Kind::Compensatable),
        attempts: 1,
        output: "7".to_owned(),
        inputs: None,
    }
}

/// A refusal with this error as JSON.
fn refused(error: Option<&str>) -> Event {
    let mut reason = Reason::new("error", "declined with 402");
    reason.error = error.map(str::to_owned);
    Event::StepRefused {
        step: call("pay", Kind::NothingToUndo),
        attempts: 1,
        reason,
    }
}

async fn error_of(journal: Memory) -> SagaError<CheckoutError> {
    let coordinator = bank(journal).await;
    let handle = coordinator.attach::<Checkout>("order-1").await;
    failed(handle.expect("it is there").wait().await)
}

async fn cause_of(journal: Memory) -> Cause<CheckoutError> {
    error_of(journal).await.into_cause()
}

#[tokio::test]
async fn a_crash_between_the_refusal_and_the_decision_keeps_the_error() {
    let error = r#"{"Declined":{"code":402,"advice":"another card"}}"#;
    let journal = checkout_left(&[ordered(), refused(Some(error))]).await;
    let declined = PaymentError::Declined {
        code: 402,
        advice: "another card".to_owned(),
    };
    assert_eq!(
        cause_of(journal).await,
        Cause::Error(CheckoutError::Payment(declined))
    );
}

#[tokio::test]
async fn an_error_that_an_older_or_another_version_has_recorded_is_its_text() {
    for error in [None, Some("7"), Some("no JSON"), Some("null")] {
        let mut reason = Reason::new("error", "declined with 402");
        reason.error = error.map(str::to_owned);
        let decision = Event::Compensating {
            step: Some("pay".into()),
            reason,
        };
        for events in [
            vec![ordered(), refused(error)],
            vec![ordered(), refused(error), decision.clone()],
            vec![ordered(), refused(error), decision, Event::Compensated],
        ] {
            let cause = cause_of(checkout_left(&events).await).await;
            let message = "declined with 402".to_owned();
            assert_eq!(cause, Cause::Recorded { message }, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_saga_that_has_ended_and_can_not_be_read_keeps_no_caller_waiting() {
    for harm in [
        "UPDATE entries SET event = 'boiled' WHERE seq = (SELECT max(seq) FROM entries)",
        "UPDATE entries SET checksum = 0 WHERE seq = (SELECT max(seq) FROM entries)",
        "UPDATE entries SET at = 'noon' WHERE seq = (SELECT max(seq) FROM entries)",
        "DELETE FROM entries",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bank.db");
        let open = async || Sqlite::open(&path).await.expect("it is a journal");
        let first = bank(open().await).await;
        let what = What::Refuse;
        failed(first.execute("order-1", Checkout { what }).await);
        first.shutdown().await;
        let connection = rusqlite::Connection::open(&path).expect("it is a database");
        assert!(connection.execute(harm, []).expect("it can be written") > 0);
        drop(connection);
        let second = bank(open().await).await;
        let limit = Duration::from_mins(1);
        let ended = second.execute_within("order-1", Checkout { what }, limit);
        match ended.await {
            Err(ExecuteError::Unreadable { state, .. }) => {
                assert_eq!(state, State::Compensated, "{harm}");
            }
            other => panic!("{harm}: {other:?}"),
        }
        let hours = |hours| Duration::from_hours(hours);
        let now = std::time::SystemTime::now();
        for (before, count) in [(now - hours(1), 0), (now + hours(1), 1)] {
            let purged = second.purge(before).await;
            assert_eq!(purged.expect("the journal works"), count, "{harm}");
        }
        assert_eq!(second.status("order-1").await.expect("it works"), None);
        second.shutdown().await;
    }
}

#[tokio::test]
async fn an_error_that_is_recorded_has_no_entry_of_its_own() {
    let journal = Memory::new();
    let coordinator = bank(journal.clone()).await;
    let what = What::Refuse;
    failed(coordinator.execute("order-1", Checkout { what }).await);
    let shown = coordinator.inspect("order-1").await.expect("it goes on");
    let shown = shown.expect("it is there");
    let names: Vec<_> = shown.entries.iter().map(|one| one.event.name()).collect();
    let expected = [
        "step_done",
        "step_refused",
        "compensating",
        "compensation_done",
        "compensated",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_later_caller_learns_which_call_of_the_step_has_failed() {
    for call in ["pay", "pay#1"] {
        let decision = Event::Compensating {
            step: Some(call.into()),
            reason: Reason::new("error", "declined with 402"),
        };
        let events = [ordered(), refused(None), decision, Event::Compensated];
        let error = error_of(checkout_left(&events).await).await;
        assert_eq!((error.step(), error.call()), (Some("pay"), Some(call)));
    }
}
