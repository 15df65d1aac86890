//! One span for each saga, each attempt and each compensation, with ids and outcomes and never a payload.

mod recording;
mod secrets;

use saga_runtime::{Context, InProcess, SagaId, saga, step};
use tracing::Level;

use self::recording::{Recording, Span};
use crate::participant::{Answer, Effect, Participant, Refusal, act, ends, undo};
use crate::steps::{pay, reserve, ship, thank};

#[step(
    compensate = undo_knock,
    timeout = "1s",
    retry(attempts = 4),
    in_doubt(when = Refusal::is_unclear)
)]
async fn knock(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "knock").await
}

async fn undo_knock(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "knock", effect).await
}

saga!(
    #[saga(name = "visit.v1")]
    async fn visiting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        reserve(cx).await?;
        knock(cx).await?;
        pay(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

/// Runs the saga under a subscriber; returns its spans in the order in which they were opened.
async fn spans_of(participant: &Participant) -> Vec<Span> {
    let recording = Recording::new();
    let guard = recording.start();
    let engine = InProcess::new(participant);
    let id = SagaId::new("visit-1").expect("a valid id");
    let _ = ends(engine.saga_id(id).execute(Visiting {})).await;
    drop(guard);
    recording.spans()
}

/// `name step/occurrence attempt outcome` of all spans but the saga's.
fn lines(spans: &[Span]) -> Vec<String> {
    let line = |span: &Span| {
        let [step, occurrence, attempt, outcome] =
            ["step.name", "step.occurrence", "attempt", "outcome"].map(|name| span.field(name));
        format!("{} {step}/{occurrence} {attempt}: {outcome}", span.name)
    };
    spans[1..].iter().map(line).collect()
}

/// In go-saga-poc there is no tracing at all.
#[tokio::test(start_paused = true)]
async fn a_saga_and_each_of_its_attempts_has_a_span() {
    let spans = spans_of(&Participant::new()).await;
    let saga = &spans[0];
    assert_eq!(saga.name, "saga");
    assert_eq!(saga.target, "saga");
    assert_eq!(saga.field("saga.name"), "visit.v1");
    assert_eq!(saga.field("saga.id"), "visit-1");
    assert_eq!(saga.field("outcome"), "completed");
    assert_eq!(saga.parent, None);
    assert_eq!(
        lines(&spans),
        [
            "step reserve/0 1: done",
            "step reserve/1 1: done",
            "step knock/0 1: done",
            "step pay/0 1: done",
            "step ship/0 1: done",
            "step thank/0 1: done",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_span_of_its_own_that_says_how_it_ended() {
    let answers = [Answer::Busy, Answer::Silent, Answer::Panics];
    let participant = Participant::new()
        .answers("knock", answers)
        .answers("thank", [Answer::Refused]);
    let spans = spans_of(&participant).await;
    assert_eq!(
        lines(&spans)[2..],
        [
            "step knock/0 1: refused",
            "step knock/0 2: timed out",
            "step knock/0 3: panicked",
            "step knock/0 4: done",
            "step pay/0 1: done",
            "step ship/0 1: done",
            "step thank/0 1: refused",
            "step thank/0 2: done",
        ]
    );
    assert_eq!(spans[0].field("outcome"), "completed");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_compensation_has_a_span_of_its_own() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .answers("undo reserve", [Answer::Busy, Answer::Panics]);
    let spans = spans_of(&participant).await;
    let lines = lines(&spans);
    assert_eq!(lines[3], "step pay/0 1: refused");
    let outcomes: Vec<_> = spans[5..]
        .iter()
        .map(|span| span.field("outcome"))
        .collect();
    assert_eq!(outcomes[0], "done");
    assert_ne!(outcomes[1], "done");
    assert_eq!(outcomes[2], "panicked");
    assert_eq!(outcomes[3..], ["done", "done"]);
    let whose: Vec<_> = lines[4..]
        .iter()
        .map(|line| line.split(':').next().expect("a line has a beginning"))
        .collect();
    assert_eq!(
        whose,
        [
            "compensation knock/0 1",
            "compensation reserve/1 1",
            "compensation reserve/1 2",
            "compensation reserve/1 3",
            "compensation reserve/0 1",
        ]
    );
    assert_eq!(spans[0].field("outcome"), "compensated");
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_could_not_be_compensated_is_stuck() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .always("undo knock", Answer::Refused);
    let spans = spans_of(&participant).await;
    assert_eq!(spans[0].field("outcome"), "stuck");
}

#[tokio::test(start_paused = true)]
async fn every_span_is_closed_belongs_to_its_saga_and_names_its_id() {
    for participant in [
        Participant::new(),
        Participant::new().answers("pay", [Answer::Refused]),
        Participant::new().always("knock", Answer::Silent),
    ] {
        let spans = spans_of(&participant).await;
        assert!(spans.len() > 5);
        assert!(spans.iter().all(|span| span.closed), "{spans:?}");
        for span in &spans[1..] {
            assert_eq!(span.parent, Some("saga"), "{span:?}");
            assert_eq!(span.field("saga.id"), "visit-1");
            assert_eq!(span.field("saga.name"), "visit.v1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn news_for_operators_is_an_event_that_names_saga_and_step() {
    let recording = Recording::new();
    let guard = recording.start();
    let participant = Participant::new()
        .answers("knock", [Answer::UnclearButDone; 4])
        .always("undo reserve", Answer::Busy);
    participant
        .run(Visiting {})
        .await
        .expect_err("`knock` is unclear");
    drop(guard);
    let events = recording.events();
    let events: Vec<_> = events
        .iter()
        .map(|event| {
            let [id, step, occurrence] =
                ["saga.id", "step.name", "step.occurrence"].map(|name| event.field(name));
            (
                event.level,
                event.message.as_str(),
                format!("{id} {step}/{occurrence}"),
            )
        })
        .collect();
    let failed = |place: &str| (Level::ERROR, "compensation failed", place.to_owned());
    assert_eq!(
        events,
        [
            (Level::WARN, "step in doubt", "saga knock/0".to_owned()),
            failed("saga reserve/1"),
            failed("saga reserve/0"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_step_logs_is_inside_of_its_span() {
    let recording = Recording::new();
    let guard = recording.start();
    Logging {}
        .execute(&Participant::new())
        .await
        .expect("nothing fails");
    drop(guard);
    let events = recording.events();
    let events: Vec<_> = events
        .iter()
        .map(|event| (event.message.as_str(), event.around.as_slice()))
        .collect();
    assert_eq!(
        events,
        [
            ("in the body", &["saga"][..]),
            ("in a step", &["saga", "step"]),
        ]
    );
}

#[step(compensate = ())]
async fn log(_cx: Context<'_, Participant>) -> Result<(), Refusal> {
    tokio::task::yield_now().await;
    tracing::info!("in a step");
    Ok(())
}

saga!(
    async fn logging(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        tracing::info!("in the body");
        log(cx).await
    }
);
