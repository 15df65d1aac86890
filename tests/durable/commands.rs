//! Every command in every state: the table of the guide for operators, cell by cell. And from every reason to be stuck a way to an end.

mod any_order;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use saga_runtime::coordinator::{Coordinator, Effect, OperatorError};
use saga_runtime::journal::{
    AttemptPhase, ClaimedOne, Event, Journal, Lease, Memory, NewSaga, Reason, Settled, Started,
    State, Wakeup, Worker,
};
use saga_runtime::operator::Operator;
use saga_runtime::{Context, EventName, Kind, saga, step};
use tokio::sync::Notify;

use crate::cut_off::{Ended, call, cut_off, done, gone};
use crate::shop::{
    Answer, Refused, Sell, Shop, becomes, builder, id, in_memory, inspected, ship, started,
};

const GUIDE: &str = include_str!("../../docs/guide/operating.md");

const PAID: EventName<u64> = EventName::new("paid");

/// A saga `order-1` in some state.
struct Subject {
    coordinator: Coordinator<Shop>,
    /// The step about which there is something to decide.
    step: &'static str,
    /// Lets an attempt end that is under way.
    until: Arc<Notify>,
}

fn saga(name: &str) -> NewSaga {
    NewSaga {
        id: id("order-1"),
        name: name.to_owned(),
        version: 1,
        fingerprint: 0,
        input: "{\"amount\":3}".to_owned(),
        trace: None,
    }
}

fn forward() -> Vec<Event> {
    vec![
        done("order", Kind::Compensatable),
        done("charge", Kind::Compensatable),
    ]
}

/// Attempts have failed, and the next one comes in an hour.
fn failing(step: &'static str, kind: Kind, phase: AttemptPhase) -> Event {
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    Event::Failing {
        step: call(step, kind),
        phase,
        attempts: 1,
        earlier: 0,
        in_doubt: true,
        reason: Reason::new("error", "no answer"),
        since: now,
        until: now + Duration::from_hours(24 * 365),
    }
}

/// The entries of a saga that is stuck for this reason.
fn stuck(code: &'static str) -> Vec<Event> {
    let mut events = forward();
    let reason = || Reason::new("error", "declined");
    let (attempts, message) = (5, "no answer".to_owned());
    match code {
        "compensation_failed" => events.extend([
            Event::Compensating {
                step: Some("ship".into()),
                reason: reason(),
            },
            Event::CompensationFailed {
                step: call("charge", Kind::Compensatable),
                attempts,
                message,
            },
            Event::CompensationDone {
                step: call("order", Kind::Compensatable),
                attempts,
            },
        ]),
        "pivot_in_doubt" => events.extend([
            Event::StepInDoubt {
                step: call("ship", Kind::Pivot),
                attempts,
                reason: reason(),
            },
            Event::StepSettled {
                step: call("ship", Kind::Pivot),
                settled: Settled::Unresolved { attempts, message },
            },
        ]),
        "retries_exhausted" => events.extend([
            done("ship", Kind::Pivot),
            failing("thank", Kind::Retriable, AttemptPhase::Forward),
        ]),
        // It can't follow.
        "damaged" => events.push(done("order", Kind::Compensatable)),
        _ => {}
    }
    let reason = Reason::new(code, "a reason");
    events.push(Event::Stuck { reason });
    events
}

const CODES: [&str; 9] = [
    "compensation_failed",
    "pivot_in_doubt",
    "retries_exhausted",
    "definition_changed",
    "unreadable",
    "unrecordable",
    "panicked",
    "too_many_recoveries",
    "damaged",
];

/// A coordinator that finds a saga with this history.
async fn found(name: &str, events: &[Event], shop: Shop) -> Coordinator<Shop> {
    let journal = Memory::new();
    cut_off(&journal, saga(name), events, Ended::Orderly).await;
    started(&shop, journal).await
}

#[step(compensate = ())]
async fn look(_: Context<'_, Shop>) -> Result<(), Refused> {
    Ok(())
}

saga!(
    /// A saga that calls no step of the others.
    async fn browse(cx: Context<'_, Shop>) -> Result<(), Refused> {
        look(cx).await
    }
);

/// A coordinator that knows neither the saga `order-1`, which is stuck for this reason, nor its steps.
async fn unknown(code: &'static str) -> Coordinator<Shop> {
    let journal = Memory::new();
    cut_off(&journal, saga("sell"), &stuck(code), Ended::Orderly).await;
    let builder = Coordinator::builder(Shop::default()).register::<Browse>();
    let started = builder.journal(journal).start().await;
    started.expect("the journal works")
}

/// A saga at rest whose recorded first call is not the one that its definition makes.
async fn misfit(shop: Shop) -> Coordinator<Shop> {
    let journal = Memory::new();
    let events = [done("charge", Kind::Compensatable)];
    cut_off(&journal, saga("sell"), &events, Ended::Orderly).await;
    rests(&journal).await;
    started(&shop, journal).await
}

/// Lets the saga `order-1` rest until it is called.
async fn rests(journal: &Memory) {
    match journal.claim_one(&gone(), &id("order-1")).await {
        Ok(ClaimedOne::Claimed(claimed)) => {
            let released = journal.release(&claimed.claim, false, Wakeup::WhenCalled);
            released.await.expect("it is in memory");
        }
        other => panic!("{other:?}"),
    }
}

/// A saga that waits for the next attempt at its step, or at its compensation.
async fn attempting_again(row: &str) -> Coordinator<Shop> {
    let mut events = forward();
    let phase = if row == "attempts a step again" {
        events.pop();
        AttemptPhase::Forward
    } else {
        let step = Some("ship".into());
        let reason = Reason::new("error", "declined");
        events.push(Event::Compensating { step, reason });
        AttemptPhase::Compensating
    };
    events.push(failing("charge", Kind::Compensatable, phase));
    let coordinator = found("sell", &events, Shop::default()).await;
    loop {
        let record = inspected(&coordinator, "order-1").await.record;
        if record.epoch > 1 && record.state == State::Waiting {
            return coordinator;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Brings a saga into the state of a row for stuck ones. Returns the step about which there is something to decide.
async fn stuck_as(row: &str) -> (Coordinator<Shop>, &'static str) {
    let code = row.trim_start_matches("stuck: ");
    let (code, is_registered) = match code.strip_suffix(", not registered") {
        Some(code) => (code, false),
        None => (code, true),
    };
    let code = code.trim_matches('`');
    let code = CODES.into_iter().find(|known| *known == code);
    let code = code.unwrap_or_else(|| panic!("an unknown state: {row}"));
    let step = match code {
        "pivot_in_doubt" => "ship",
        "retries_exhausted" => "thank",
        _ => "charge",
    };
    // A step that is retried goes wrong again.
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = if is_registered {
        found("sell", &stuck(code), shop).await
    } else {
        unknown(code).await
    };
    becomes(&coordinator, "order-1", State::Stuck).await;
    (coordinator, step)
}

/// Brings a saga into the state of this row.
async fn in_state(row: &str) -> Subject {
    let until = Arc::new(Notify::new());
    let waits = || [Answer::Waits(Arc::clone(&until))];
    let mut step = "charge";
    let submitted = async |shop: &Shop| {
        let coordinator = in_memory(shop).await;
        drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
        coordinator
    };
    let coordinator = match row {
        "waits for a slot, a time or an event" => {
            let shop = Shop::default().answers("order", waits());
            let builder = builder(&shop).in_flight(1).journal(Memory::new());
            let coordinator = builder.start().await.expect("the journal works");
            drop(coordinator.submit("first", Sell { amount: 1 }).await);
            shop.is_asked("order").await;
            drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
            coordinator
        }
        "runs, before its pivot" => {
            let shop = Shop::default().answers("charge", waits());
            let coordinator = submitted(&shop).await;
            shop.is_asked("charge").await;
            coordinator
        }
        "its pivot is under way" => {
            let shop = Shop::default().answers("ship", waits());
            let coordinator = submitted(&shop).await;
            shop.is_asked("ship").await;
            coordinator
        }
        "runs, past its pivot" => {
            let shop = Shop::default().always("thank", Answer::Refuses);
            let coordinator = submitted(&shop).await;
            shop.is_asked("thank").await;
            coordinator
        }
        "is being compensated" => {
            let shop = Shop::default()
                .always("ship", Answer::Refuses)
                .answers("refund", waits());
            let coordinator = submitted(&shop).await;
            shop.is_asked("refund").await;
            coordinator
        }
        "runs in another process" => {
            let journal = Memory::new();
            let lease = Lease {
                worker: Worker::new("other"),
                duration: Duration::from_mins(10),
            };
            let start = journal.start(saga("sell"), Some(&lease)).await;
            assert!(matches!(start, Ok(Started::New(Some(_)))), "{start:?}");
            started(&Shop::default(), journal).await
        }
        "attempts a step again" | "attempts a compensation again" => attempting_again(row).await,
        "is not registered" => found("refund", &forward(), Shop::default()).await,
        "does not fit its definition" => {
            let coordinator = misfit(Shop::default()).await;
            while coordinator.misfits().is_empty() {
                tokio::task::yield_now().await;
            }
            coordinator
        }
        "`completed`" => {
            let coordinator = in_memory(&Shop::default()).await;
            let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
            executed.expect("nothing fails");
            coordinator
        }
        "`compensated`" => {
            let coordinator = submitted(&Shop::default().always("ship", Answer::Refuses)).await;
            becomes(&coordinator, "order-1", State::Compensated).await;
            coordinator
        }
        "`abandoned`" => {
            let coordinator = found("refund", &forward(), Shop::default()).await;
            let abandoned = coordinator.abandon("order-1", "of no use").await;
            abandoned.expect("it is open");
            coordinator
        }
        "does not exist" => in_memory(&Shop::default()).await,
        row => {
            let (coordinator, open) = stuck_as(row).await;
            step = open;
            coordinator
        }
    };
    Subject {
        coordinator,
        step,
        until,
    }
}

/// Gives the command of this column, and says in a word what the answer is.
async fn answer(subject: &Subject, column: &str) -> String {
    let (coordinator, step) = (&subject.coordinator, subject.step);
    let why = "why not";
    let answered = match column {
        "`cancel`" => coordinator.cancel("order-1", why).await,
        "`compensate`" => coordinator.compensate("order-1", why).await,
        "`abandon`" => coordinator.abandon("order-1", why).await,
        "`retry`" => coordinator.retry("order-1", why).await,
        "`resolve_compensation`" => coordinator.resolve_compensation("order-1", step, why).await,
        "`skip_compensation`" => coordinator.skip_compensation("order-1", step, why).await,
        "`complete_step`" => coordinator.complete_step("order-1", step, &"it", why).await,
        "`send`" => {
            let sent = coordinator.send("order-1", PAID, &3).await;
            sent.map(|()| Effect::Done)
        }
        other => panic!("an unknown command: {other}"),
    };
    match answered {
        Ok(effect) => format!("{effect:?}"),
        Err(error) => {
            // The error says what helps, or that nothing can be done.
            let variant = format!("{error:?}");
            let name = variant.split([' ', '(', '{']).next();
            name.unwrap_or_default().to_owned()
        }
    }
}

/// The rows of the guide's table, the first of them its head.
fn table() -> Vec<Vec<&'static str>> {
    let table = GUIDE.split("## Commands by state").nth(1);
    let rows = table.expect("the guide has the table").lines();
    rows.skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(str::trim).collect()
        })
        .collect()
}

#[tokio::test]
async fn every_command_answers_in_every_state_as_the_guide_says() {
    let mut rows = table().into_iter();
    let columns = rows.next().expect("the table has a head");
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in rows.skip(1) {
        for (column, expected) in columns.iter().zip(&row).skip(1) {
            let subject = in_state(row[0]).await;
            let until = Arc::clone(&subject.until);
            let offered = offered(&subject, column).await;
            // The attempt under way ends a moment after the command.
            let ending = tokio::spawn(async move {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                until.notify_one();
            });
            let answered = answer(&subject, column).await;
            ending.await.expect("it does not panic");
            if answered != expected.trim_matches('`') {
                wrong.push(format!("{}: {column}: {answered}, not {expected}", row[0]));
            }
            let is_accepted = matches!(&*answered, "Done" | "Requested");
            // An event is offered where it is awaited, and a saga that is being compensated need not be cancelled. The worker
            // that holds a saga elsewhere accepts more.
            let is_left_out = *column == "`send`"
                || row[0] == "runs in another process"
                || (*column == "`cancel`" && row[0].contains("compensat"));
            if offered != is_accepted && !is_left_out {
                wrong.push(format!(
                    "{}: {column}: {answered}, offered: {offered}",
                    row[0]
                ));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, 27 * 8);
}

/// Returns whether operators are told that the saga takes the command of this column now.
async fn offered(subject: &Subject, column: &str) -> bool {
    let Ok(shown) = Operator::of(&subject.coordinator).show("order-1").await else {
        return false;
    };
    let command = column.trim_matches('`').split('_').next();
    shown.possible.iter().any(|one| {
        let is_about_it = one
            .target
            .as_deref()
            .is_none_or(|target| target == subject.step);
        Some(&*one.command) == command && is_about_it
    })
}

#[tokio::test]
async fn a_misfit_is_not_cancelled_but_undone_from_its_record() {
    // Whether the check at the start has come to it, or not yet.
    for is_known in [true, false] {
        let shop = Shop::default();
        let coordinator = misfit(shop.clone()).await;
        while is_known && coordinator.misfits().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            let cancelled = coordinator.cancel("order-1", "too late").await;
            let error = cancelled.expect_err("its body can't run");
            let OperatorError::Misfit { code, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(code, "definition_changed");
            assert!(
                error.to_string().contains("`compensate` undoes it"),
                "{error}"
            );
        }
        let record = inspected(&coordinator, "order-1").await.record;
        assert_eq!(record.cancellation, None, "nothing was asked for");
        let undone = coordinator.compensate("order-1", "too late").await;
        assert_eq!(undone.expect("it does not fit"), Effect::Done);
        becomes(&coordinator, "order-1", State::Compensated).await;
        assert_eq!(shop.asked(), ["refund"]);
    }
}

#[tokio::test]
async fn a_misfit_that_is_being_undone_is_not_said_to_be_compensated() {
    let journal = Memory::new();
    let mut events = vec![done("charge", Kind::Compensatable)];
    let reason = Reason::new("error", "declined");
    let step = Some("ship".into());
    events.push(Event::Compensating { step, reason });
    cut_off(&journal, saga("sell"), &events, Ended::Orderly).await;
    rests(&journal).await;
    let coordinator = started(&Shop::default(), journal).await;
    let cancelled = coordinator.cancel("order-1", "too late").await;
    assert!(
        matches!(cancelled, Err(OperatorError::Misfit { .. })),
        "{cancelled:?}"
    );
}

#[tokio::test]
async fn the_output_of_a_stuck_saga_without_a_definition_is_checked_by_the_step() {
    let journal = Memory::new();
    let events = stuck("pivot_in_doubt");
    cut_off(&journal, saga("refund"), &events, Ended::Orderly).await;
    let complete = async |coordinator: &Coordinator<Shop>, output: &serde_json::Value| {
        let completed = coordinator.complete_step("order-1", "ship", output, "it was done");
        completed.await
    };
    // Neither the saga nor a saga with this step is registered.
    let browsing = Coordinator::builder(Shop::default()).register::<Browse>();
    let coordinator = browsing.journal(journal.clone()).start().await;
    let coordinator = coordinator.expect("the journal works");
    for output in ["it".into(), 41.into()] {
        let error = complete(&coordinator, &output).await;
        let error = error.expect_err("nothing knows the type of its output");
        assert!(
            matches!(error, OperatorError::UnknownStep { .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("`Builder::register_step`"),
            "{error}"
        );
    }
    assert_eq!(
        inspected(&coordinator, "order-1").await.record.state,
        State::Stuck
    );
    coordinator.shutdown().await;
    // The step alone, or a saga that calls it, is enough.
    let alone = Coordinator::builder(Shop::default()).register_step(ship);
    let with_others = builder(&Shop::default());
    for knowing in [alone, with_others] {
        let coordinator = knowing.journal(journal.clone()).start().await;
        let coordinator = coordinator.expect("the journal works");
        let error = complete(&coordinator, &41.into()).await;
        assert!(
            matches!(error, Err(OperatorError::Unreadable { .. })),
            "{error:?}"
        );
        coordinator.shutdown().await;
    }
    let coordinator = started(&Shop::default(), journal).await;
    let completed = complete(&coordinator, &"it".into()).await;
    assert_eq!(completed.expect("it is a text"), Effect::Done);
}

/// An operator brings a saga to its end that is stuck for any reason, with what it was undone, and without.
#[tokio::test]
async fn from_every_reason_to_be_stuck_there_is_a_way_to_an_end() {
    for code in CODES {
        let Subject { coordinator, .. } = in_state(code).await;
        coordinator
            .abandon("order-1", "of no use")
            .await
            .expect(code);
        becomes(&coordinator, "order-1", State::Abandoned).await;

        let Subject { coordinator, .. } = in_state(code).await;
        if code == "retries_exhausted" {
            // It is past its pivot, and only goes forward.
            let completed = coordinator.complete_step("order-1", "thank", &"it", "by phone");
            completed.await.expect(code);
            becomes(&coordinator, "order-1", State::Completed).await;
            continue;
        }
        coordinator
            .compensate("order-1", "enough")
            .await
            .expect(code);
        loop {
            let state = inspected(&coordinator, "order-1").await.record.state;
            if state == State::Compensated {
                break;
            }
            // The operator decides about the calls that the code can not undo.
            if state == State::Stuck {
                for step in ["ship", "?"] {
                    let resolved = coordinator.resolve_compensation("order-1", step, "by hand");
                    match resolved.await {
                        Ok(_)
                        | Err(
                            OperatorError::NothingToDecide { .. }
                            | OperatorError::NotStuck(_)
                            | OperatorError::Final(_),
                        ) => {}
                        Err(error) => panic!("{code}: {error}"),
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let later = std::time::SystemTime::now() + Duration::from_hours(1);
        let purged = coordinator.purge(later).await;
        assert_eq!(purged.expect("the journal works"), 1, "{code}");
    }
}
