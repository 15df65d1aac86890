//! One thing after the other: what a key is told.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use saga_participant::{Begun, Cancellation, Error, Key, Participant, begin_transaction};
use sqlx::Sqlite;
use tokio::task::JoinHandle;

use crate::database::Bank;
use crate::service::{Course, Heard, Moment, Moments, Service};

crate::on_each_database!(
    a_repetition_gets_the_first_answer_and_does_nothing,
    a_refusal_is_final,
    what_is_given_up_was_never_requested,
    a_cancelled_request_is_undone_once,
    a_request_that_lands_after_its_compensation_is_refused,
    a_refused_request_has_nothing_to_undo,
    a_key_is_for_one_request,
    a_commit_without_an_answer_is_reported,
    an_answer_of_another_type_is_reported,
    answers_come_back_as_they_were_written,
    a_text_that_is_no_key_is_refused,
    old_keys_are_forgotten,
    services_in_one_database_have_a_table_each,
    many_processes_may_migrate_at_once,
    two_equal_requests_wait_for_each_other,
    a_caller_that_goes_away_takes_nothing_of_another_with_it,
);

async fn service<DB: Bank>() -> (DB::Home, Service<DB>) {
    let home = DB::home().await;
    let service = Service::open(&DB::url(&home)).await;
    (home, service.expect("a service"))
}

impl<DB: Bank> Service<DB> {
    async fn hears(&self, key: &str, course: Course) -> Heard {
        let heard = self.request(key, course, &()).await;
        heard.expect("the database works")
    }

    async fn cancels(&self, key: &str) -> Heard {
        let heard = self.cancel(key, true, &()).await;
        heard.expect("the database works")
    }

    async fn payments(&self, key: &str) -> Vec<(i64, i64)> {
        let payments = DB::payments(&self.pool, key).await;
        payments.expect("the database works")
    }
}

async fn a_repetition_gets_the_first_answer_and_does_nothing<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let first = service.hears("key", Course::Take).await;
    let Heard::First(answer) = first else {
        panic!("{first:?}");
    };
    for course in [Course::Take, Course::Refuse, Course::GiveUp] {
        let again = service.hears("key", course).await;
        assert_eq!(again, Heard::Repeated(answer.clone()));
    }
    assert_eq!(service.payments("key").await.len(), 1);
}

async fn a_refusal_is_final<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let refused = Err("refused".to_owned());
    let first = service.hears("key", Course::Refuse).await;
    assert_eq!(first, Heard::First(refused.clone()));
    let again = service.hears("key", Course::Take).await;
    assert_eq!(again, Heard::Repeated(refused));
    assert_eq!(service.payments("key").await, []);
}

async fn what_is_given_up_was_never_requested<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let given_up = service.hears("key", Course::GiveUp).await;
    assert!(matches!(given_up, Heard::First(Ok(_))));
    assert_eq!(service.payments("key").await, []);
    let anew = service.hears("key", Course::Take).await;
    assert!(matches!(anew, Heard::First(Ok(_))));

    let given_up = service.cancel("key", false, &()).await;
    assert!(matches!(given_up, Ok(Heard::Undone(_))));
    let again = service.hears("key", Course::Take).await;
    assert!(matches!(again, Heard::Repeated(Ok(_))));
}

async fn a_cancelled_request_is_undone_once<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let first = service.hears("key", Course::Take).await;
    let Heard::First(Ok(id)) = first else {
        panic!("{first:?}");
    };
    assert_eq!(service.cancels("key").await, Heard::Undone(id));
    assert_eq!(service.cancels("key").await, Heard::AlreadyCancelled);
    assert_eq!(service.hears("key", Course::Take).await, Heard::Refused);
    assert_eq!(service.payments("key").await, [(id, 1)]);
}

async fn a_request_that_lands_after_its_compensation_is_refused<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    assert_eq!(service.cancels("key").await, Heard::NothingToUndo);
    assert_eq!(service.hears("key", Course::Take).await, Heard::Refused);
    assert_eq!(service.hears("key", Course::Take).await, Heard::Refused);
    assert_eq!(service.cancels("key").await, Heard::AlreadyCancelled);
    assert_eq!(service.payments("key").await, []);
}

async fn a_refused_request_has_nothing_to_undo<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    service.hears("key", Course::Refuse).await;
    assert_eq!(service.cancels("key").await, Heard::NothingToUndo);
    assert_eq!(service.cancels("key").await, Heard::AlreadyCancelled);
    assert_eq!(service.hears("key", Course::Take).await, Heard::Refused);
}

async fn a_key_is_for_one_request<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let Service { pool, participant } = &service;
    let mut transaction = pool.begin().await.expect("a transaction");
    let begun = participant.begin_for::<i64, String>(&mut transaction, "key", "1.00 for order 7");
    let Ok(Begun::First(first)) = begun.await else {
        panic!("it is new");
    };
    first.answer(&mut transaction, &17).await.expect("answered");
    transaction.commit().await.expect("committed");

    let mut transaction = pool.begin().await.expect("a transaction");
    let same = participant.begin_for::<i64, String>(&mut transaction, "key", "1.00 for order 7");
    assert!(matches!(same.await, Ok(Begun::Repeated(Ok(17)))));
    let other = participant.begin_for::<i64, String>(&mut transaction, "key", "2.00 for order 7");
    assert!(matches!(other.await, Err(Error::KeyReused)));
    let unsaid = participant.begin::<i64, String>(&mut transaction, "key");
    assert!(matches!(unsaid.await, Ok(Begun::Repeated(Ok(17)))));
}

async fn a_commit_without_an_answer_is_reported<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let Service { pool, participant } = &service;
    let mut transaction = pool.begin().await.expect("a transaction");
    let begun = participant.begin::<i64, String>(&mut transaction, "key");
    assert!(matches!(begun.await, Ok(Begun::First(_))));
    transaction.commit().await.expect("committed");

    let mut transaction = pool.begin().await.expect("a transaction");
    let again = participant.begin::<i64, String>(&mut transaction, "key");
    assert!(matches!(again.await, Err(Error::Unanswered)));
    let cancelled = participant.cancel::<i64>(&mut transaction, "key").await;
    assert!(matches!(cancelled, Err(Error::Unanswered)));
}

async fn an_answer_of_another_type_is_reported<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    service.hears("key", Course::Take).await;
    let mut transaction = service.pool.begin().await.expect("a transaction");
    let begun = service
        .participant
        .begin::<String, String>(&mut transaction, "key")
        .await;
    assert!(matches!(begun, Err(Error::Unreadable(_))));
}

type Answer = (u64, f64, String, Option<()>);

async fn answers_come_back_as_they_were_written<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let Service { pool, participant } = &service;
    let answer: Answer = (u64::MAX, 0.1, "\0 \u{1F600} \"'".to_owned(), None);
    let mut transaction = pool.begin().await.expect("a transaction");
    let begun = participant.begin::<Answer, ()>(&mut transaction, "key");
    let Ok(Begun::First(first)) = begun.await else {
        panic!("it is new");
    };
    first
        .answer(&mut transaction, &answer)
        .await
        .expect("answered");
    transaction.commit().await.expect("committed");

    let mut transaction = pool.begin().await.expect("a transaction");
    let begun = participant
        .begin::<Answer, ()>(&mut transaction, "key")
        .await;
    assert!(matches!(begun, Ok(Begun::Repeated(Ok(read))) if read == answer));
    let undo = participant.cancel::<Answer>(&mut transaction, "key").await;
    assert!(matches!(undo, Ok(Cancellation::Undo(read)) if read == answer));
}

async fn a_text_that_is_no_key_is_refused<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let too_long = "k".repeat(Key::MAX_BYTES + 1);
    let mut transaction = service.pool.begin().await.expect("a transaction");
    for key in ["", "a b", "a\0", &too_long] {
        let participant = &service.participant;
        let begun = participant.begin::<(), ()>(&mut transaction, key).await;
        assert!(matches!(begun, Err(Error::InvalidKey(_))), "{key}");
        let cancelled = participant.cancel::<()>(&mut transaction, key).await;
        assert!(matches!(cancelled, Err(Error::InvalidKey(_))), "{key}");
    }
    drop(transaction);
    let longest = "k".repeat(Key::MAX_BYTES);
    let heard = service.hears(&longest, Course::Take).await;
    assert!(matches!(heard, Heard::First(Ok(_))));
}

async fn old_keys_are_forgotten<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    let mut transaction = service.pool.begin().await.expect("a transaction");
    // More than are forgotten at once.
    for number in 0..1_001 {
        let participant = &service.participant;
        let cancelled = participant.cancel::<i64>(&mut transaction, format!("old-{number}"));
        assert!(matches!(cancelled.await, Ok(Cancellation::NothingToUndo)));
    }
    transaction.commit().await.expect("committed");
    service.hears("old-and-answered", Course::Take).await;

    let day = Duration::from_hours(24);
    let Service { pool, participant } = &service;
    let forgotten = participant
        .forget_before(pool, SystemTime::now() - day)
        .await;
    assert_eq!(forgotten.expect("the database works"), 0);
    assert_eq!(service.cancels("old-0").await, Heard::AlreadyCancelled);
    let forgotten = participant
        .forget_before(pool, SystemTime::now() + day)
        .await;
    assert_eq!(forgotten.expect("the database works"), 1_002);
    let anew = service.hears("old-0", Course::Take).await;
    assert!(matches!(anew, Heard::First(Ok(_))));
}

async fn services_in_one_database_have_a_table_each<DB: Bank>() {
    let (_home, service) = service::<DB>().await;
    service.hears("key", Course::Take).await;
    let other = Participant::in_table("other_answers").expect("a name");
    other.migrate(&service.pool).await.expect("migrated");
    let other = Service {
        pool: service.pool.clone(),
        participant: other,
    };
    assert!(matches!(
        other.hears("key", Course::Refuse).await,
        Heard::First(Err(_))
    ));
    let again = service.hears("key", Course::Take).await;
    assert!(matches!(again, Heard::Repeated(Ok(_))));
    let rows = DB::execute(&service.pool, "UPDATE other_answers SET request = 'seen'").await;
    assert_eq!(rows.expect("the table is there"), 1);
}

async fn many_processes_may_migrate_at_once<DB: Bank>() {
    let home = DB::home().await;
    let pool = DB::open(&DB::url(&home)).await.expect("a pool");
    let migrations = (0..8).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { Participant::<DB>::new().migrate(&pool).await })
    });
    for migration in migrations.collect::<Vec<_>>() {
        migration.await.expect("no panic").expect("migrated");
    }
}

/// Lets a second request come when the first has acted, and sees that it is not answered before the first has ended.
struct Second<DB: Bank> {
    service: Service<DB>,
    request: Mutex<Option<JoinHandle<Heard>>>,
}

impl<DB: Bank> Moments for Second<DB> {
    async fn at(&self, moment: Moment) {
        if moment == Moment::Acted {
            let service = self.service.clone();
            let request = tokio::spawn(async move { service.hears("key", Course::Take).await });
            *self.request.lock().expect("no panic") = Some(request);
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let request = self.request.lock().expect("no panic");
        let is_answered = request.as_ref().is_some_and(JoinHandle::is_finished);
        assert!(!is_answered || moment == Moment::Committed);
    }
}

async fn two_equal_requests_wait_for_each_other<DB: Bank>() {
    for course in [Course::Take, Course::GiveUp] {
        let (_home, service) = service::<DB>().await;
        let second = Second {
            service: service.clone(),
            request: Mutex::default(),
        };
        let first = service.request("key", course, &second).await;
        let first = first.expect("the database works");
        let second = second.request.into_inner().expect("no panic");
        let second = second.expect("it has come").await.expect("no panic");
        let Heard::First(answer) = first else {
            panic!("{first:?}");
        };
        if course == Course::Take {
            assert_eq!(second, Heard::Repeated(answer));
        } else {
            assert!(matches!(second, Heard::First(Ok(_))));
        }
        assert_eq!(service.payments("key").await.len(), 1);
    }
}

/// The keys of a saga are keys of a participant, as they are.
#[tokio::test]
async fn a_step_may_use_its_own_database() {
    use saga_runtime::{Context, InProcess, SagaId, saga, step};

    /// The services of the saga below; they are not generic, as steps are not.
    struct Bank(Service<Sqlite>);

    #[step(compensate = give_back)]
    async fn charge(cx: Context<'_, Bank>) -> Result<i64, String> {
        let heard =
            cx.0.hears(cx.idempotency_key().as_str(), Course::Take)
                .await;
        match heard {
            Heard::First(answer) | Heard::Repeated(answer) => answer,
            other => Err(format!("{other:?}")),
        }
    }

    async fn give_back(cx: Context<'_, Bank>, payment: &i64) -> Result<(), String> {
        let heard = cx.0.cancels(cx.action_key().as_str()).await;
        assert_eq!(heard, Heard::Undone(*payment));
        Ok(())
    }

    saga!(
        /// Charges, and finds that it should not have.
        async fn mistake(cx: Context<'_, Bank>) -> Result<(), String> {
            charge(cx).await?;
            Err("a mistake".to_owned())
        }
    );

    let (_home, service) = service::<Sqlite>().await;
    let bank = Bank(service);
    let id = SagaId::new("order-17").expect("an id");
    let ended = InProcess::new(&bank).saga_id(id).execute(Mistake {}).await;
    ended.expect_err("it fails");
    let payments = bank.0.payments("order-17/charge/0").await;
    assert!(matches!(payments[..], [(_, 1)]));
}

async fn a_caller_that_goes_away_takes_nothing_of_another_with_it<DB: Bank>() {
    let (home, service) = service::<DB>().await;
    for number in 0..200 {
        {
            let mut beginning = pin!(begin_transaction(&service.pool));
            let mut left = number % 5;
            let gone = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                beginning.as_mut().poll(cx).map(drop)
            });
            gone.await;
        }
        // Another caller of the pool needs no transaction.
        let mut connection = service.pool.acquire().await.expect("the database works");
        let taken = DB::take(&mut connection, &format!("key-{number}")).await;
        taken.expect("the database works");
    }
    let others = DB::open(&DB::url(&home)).await.expect("the database works");
    for number in 0..200 {
        let payments = DB::payments(&others, &format!("key-{number}")).await;
        let payments = payments.expect("the database works");
        assert_eq!(payments.len(), 1, "of the request {number}");
    }
}
