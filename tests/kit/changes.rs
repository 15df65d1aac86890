//! Changes of definitions: each verdict is proved. Sagas of the old definition go on with the new one, from every prefix of their histories.

use std::time::Duration;

use saga_runtime::coordinator::{Builder, Registrable};
use saga_runtime::journal::{
    Entry, Event, Journal, Lease, Memory, NewSaga, Started, State, Wakeup, Worker,
};
use saga_runtime::testing::{
    ChangeVerdict, DefinitionChange, ReplayReport, Script, ScriptedAnswer, changes_since, lock_of,
    replay_of,
};
use saga_runtime::{Context, Coordinator, EventName, event, event_within, saga, sleep, step};

use crate::replays::exported;

const APPROVED: EventName<bool> = EventName::new("approved");
const PAID: EventName<bool> = EventName::new("paid");
const DAY: Duration = Duration::from_hours(24);

/// Steps that are undone, with these names.
macro_rules! steps {
    ($($name:ident)*) => {
        $(
            #[step(compensate = undo)]
            async fn $name(cx: Context<'_, Script>) -> Result<u64, String> {
                cx.ask(stringify!($name), cx.idempotency_key(), 1).await
            }
        )*
    };
}

steps!(a b c d);

async fn undo(cx: Context<'_, Script>, _: &u64) -> Result<(), String> {
    cx.undo("undo", cx.idempotency_key(), &cx.action_key())
        .await
}

/// What another release has.
mod later {
    use super::{Context, EventName, Script, step, undo};

    /// The event `APPROVED` of before.
    pub(super) const BY_THE_BOSS: EventName<bool> = EventName::new("approved");

    /// An event of another durable name.
    pub(super) const APPROVED: EventName<bool> = EventName::new("ok_by_boss");

    #[step(compensate = ())]
    pub(super) async fn b(cx: Context<'_, Script>) -> Result<u64, String> {
        cx.ask("b", cx.idempotency_key(), 1).await
    }

    #[step(compensate = undo, name = "b")]
    pub(super) async fn renamed_with_its_name(cx: Context<'_, Script>) -> Result<u64, String> {
        cx.ask("b", cx.idempotency_key(), 1).await
    }

    #[step(compensate = undo, timeout = "9s", retry(attempts = 2))]
    pub(super) async fn c(cx: Context<'_, Script>) -> Result<u64, String> {
        cx.ask("c", cx.idempotency_key(), 1).await
    }
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("ship", cx.idempotency_key(), 1).await
}

#[step(retriable)]
async fn thank(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("thank", cx.idempotency_key(), 1).await
}

/// Definitions of the saga `sale`.
macro_rules! sales {
    ($($name:ident = |$cx:ident| $body:block)*) => {
        $(saga!(
            #[derive(Default)]
            #[saga(name = "sale")]
            async fn $name($cx: Context<'_, Script>) -> Result<u64, String> $body
        );)*
    };
}

saga!(
    #[derive(Default)]
    #[saga(name = "sale", compensatable)]
    async fn counting(cx: Context<'_, Script>, rounds: u64) -> Result<u64, String> {
        a(cx).await?;
        if rounds < 2 {
            counting(cx, rounds + 1).await?;
        }
        b(cx).await
    }
);

saga!(
    #[derive(Default)]
    #[saga(name = "sale", compensatable)]
    async fn counting_with_more(cx: Context<'_, Script>, rounds: u64) -> Result<u64, String> {
        a(cx).await?;
        if rounds < 2 {
            counting_with_more(cx, rounds + 1).await?;
        }
        b(cx).await?;
        c(cx).await
    }
);

sales! {
    plain = |cx| { a(cx).await?; b(cx).await?; c(cx).await }
    other_policies = |cx| { a(cx).await?; b(cx).await?; later::c(cx).await }
    renamed_with_its_name = |cx| { a(cx).await?; later::renamed_with_its_name(cx).await?; c(cx).await }
    with_a_step_behind = |cx| { a(cx).await?; b(cx).await?; c(cx).await?; d(cx).await }
    with_a_pivot_behind = |cx| { a(cx).await?; b(cx).await?; c(cx).await?; ship(cx).await?; thank(cx).await?; Ok(1) }
    with_a_branch_behind = |cx| { a(cx).await?; let b = b(cx).await?; c(cx).await?; if b == 1 { d(cx).await?; } Ok(1) }
    with_a_wait_behind = |cx| { a(cx).await?; b(cx).await?; c(cx).await?; sleep(cx, DAY).await; Ok(1) }
    with_a_group_behind = |cx| { a(cx).await?; b(cx).await?; c(cx).await?; try_join!(ship_free(cx), d(cx))?; Ok(1) }
    with_a_step_in_front = |cx| { d(cx).await?; a(cx).await?; b(cx).await?; c(cx).await }
    with_a_step_between = |cx| { a(cx).await?; d(cx).await?; b(cx).await?; c(cx).await }
    with_a_sleep_between = |cx| { a(cx).await?; sleep(cx, DAY).await; b(cx).await?; c(cx).await }
    without_the_first = |cx| { b(cx).await?; c(cx).await }
    without_the_second = |cx| { a(cx).await?; c(cx).await }
    without_the_last = |cx| { a(cx).await?; b(cx).await }
    moved = |cx| { b(cx).await?; a(cx).await?; c(cx).await }
    renamed = |cx| { a(cx).await?; d(cx).await?; c(cx).await }
    not_undone = |cx| { a(cx).await?; later::b(cx).await?; c(cx).await }
    in_a_branch = |cx| {
        let a = a(cx).await?;
        if a > 1 { b(cx).await?; }
        c(cx).await
    }
    in_a_loop = |cx| { let a = a(cx).await?; for _ in 1..a { b(cx).await?; } c(cx).await }
    at_the_same_time = |cx| { try_join!(c(cx), d(cx))?; a(cx).await?; b(cx).await }
    with_an_early_return = |cx| { let a = a(cx).await?; if a == 1 { return Ok(2); } b(cx).await?; c(cx).await }

    waiting = |cx| { a(cx).await?; event_within(cx, APPROVED, DAY).await; b(cx).await }
    waiting_for_any_time = |cx| { a(cx).await?; event(cx, APPROVED).await; b(cx).await }
    waiting_longer = |cx| { a(cx).await?; event_within(cx, APPROVED, 2 * DAY).await; b(cx).await }
    waiting_for_another = |cx| { a(cx).await?; event_within(cx, PAID, DAY).await; b(cx).await }
    waiting_by_another_constant = |cx| { a(cx).await?; event_within(cx, later::BY_THE_BOSS, DAY).await; b(cx).await }
    waiting_for_a_renamed = |cx| { a(cx).await?; event_within(cx, later::APPROVED, DAY).await; b(cx).await }
    not_waiting = |cx| { a(cx).await?; b(cx).await }
    sleeping = |cx| { a(cx).await?; sleep(cx, DAY).await; b(cx).await }

    branching = |cx| { let a = a(cx).await?; if a == 1 { b(cx).await?; } Ok(1) }
    branching_otherwise = |cx| { let a = a(cx).await?; if a == 2 { b(cx).await?; } Ok(1) }
    branching_with_more = |cx| { let a = a(cx).await?; if a == 1 { b(cx).await?; c(cx).await?; } Ok(1) }

    looping = |cx| { for _ in 0..3 { a(cx).await?; } Ok(1) }
    looping_with_more = |cx| { for _ in 0..3 { a(cx).await?; b(cx).await?; } Ok(1) }
    looping_and_more = |cx| { for _ in 0..3 { a(cx).await?; } b(cx).await }

    grouped = |cx| { try_join!(a(cx), b(cx))?; Ok(1) }
    grouped_with_more = |cx| { try_join!(a(cx), b(cx), c(cx))?; Ok(1) }
    grouped_with_less = |cx| { try_join!(b(cx), c(cx))?; Ok(1) }

    calling = |cx| { part(cx).await?; Ok(1) }
    calling_more = |cx| { longer::part(cx).await?; Ok(1) }
    calling_another = |cx| { other_part(cx).await?; Ok(1) }
    calling_between = |cx| { part(cx).await?; c(cx).await }
    calling_more_between = |cx| { changed::part(cx).await?; c(cx).await }
}

#[step(compensate = ())]
async fn ship_free(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("ship_free", cx.idempotency_key(), 1).await
}

saga!(
    #[saga(compensatable)]
    async fn part(cx: Context<'_, Script>) -> Result<u64, String> {
        a(cx).await?;
        b(cx).await
    }
);

saga!(
    #[saga(compensatable)]
    async fn other_part(cx: Context<'_, Script>) -> Result<u64, String> {
        a(cx).await?;
        b(cx).await
    }
);

mod longer {
    use super::{Context, Script, a, b, d, saga};

    saga!(
        #[saga(compensatable)]
        pub(super) async fn part(cx: Context<'_, Script>) -> Result<u64, String> {
            a(cx).await?;
            b(cx).await?;
            d(cx).await
        }
    );
}

mod changed {
    use super::{Context, Script, a, b, d, saga};

    saga!(
        #[saga(compensatable)]
        pub(super) async fn part(cx: Context<'_, Script>) -> Result<u64, String> {
            d(cx).await?;
            a(cx).await?;
            b(cx).await
        }
    );
}

saga!(
    #[saga(name = "sale", version = 2)]
    async fn second_version(cx: Context<'_, Script>) -> Result<u64, String> {
        d(cx).await?;
        a(cx).await
    }
);

saga!(
    async fn bargain(cx: Context<'_, Script>) -> Result<u64, String> {
        a(cx).await?;
        b(cx).await?;
        c(cx).await
    }
);

fn builder(script: &Script) -> Builder<Script> {
    Coordinator::builder(script.clone())
}

/// The histories of a saga of this definition: it completes, and each of its steps refuses once.
async fn histories<G: Registrable<Script> + Default>() -> Vec<(NewSaga, Vec<Entry>)> {
    let mut histories = Vec::new();
    for refuses in ["", "a", "b", "c"] {
        let (script, journal) = (Script::new(), Memory::in_tokio_time());
        script.next(refuses, ScriptedAnswer::Refuses);
        let coordinator = builder(&script).journal(journal.clone()).register::<G>();
        let coordinator = coordinator.start().await.expect("it can be registered");
        let _ = coordinator.execute("saga", G::default()).await;
        coordinator.shutdown().await;
        let id = "saga".parse().expect("an id");
        let history = journal.load(&id).await.expect("it is in memory");
        let history = history.expect("it was started");
        let entries = history.entries.expect("it is not damaged");
        histories.push((history.record.saga, entries));
    }
    histories
}

/// A journal with a saga that has got so far.
async fn recorded(saga: &NewSaga, entries: &[Entry]) -> Memory {
    let journal = Memory::in_tokio_time();
    let lease = Lease {
        worker: Worker::new("of the old release"),
        duration: Duration::from_secs(1),
    };
    let started = journal.start(saga.clone(), Some(&lease)).await;
    let Ok(Started::New(Some(claim))) = started else {
        panic!("the journal is new");
    };
    let events = entries.iter().map(|entry| entry.event.clone()).collect();
    journal.append(&claim, 1, events).await.expect("it is held");
    let released = journal.release(&claim, false, Wakeup::Now).await;
    released.expect("it is held");
    journal
}

/// The end of a saga that goes on with the sagas of this builder, after ten days.
async fn end_of(journal: &Memory, sagas: Builder<Script>) -> State {
    let sagas = sagas.journal(journal.clone()).lease(100 * DAY).start();
    let coordinator = sagas.await.expect("they can be registered");
    let mut state = State::Waiting;
    for _ in 0..10 {
        state = coordinator
            .status("saga")
            .await
            .expect("it is in memory")
            .expect("it is there");
        if state.is_final() || state == State::Stuck {
            break;
        }
        tokio::time::sleep(DAY).await;
    }
    coordinator.shutdown().await;
    state
}

/// Replays the sagas of a journal with the sagas of this builder, as exported histories.
async fn replay(journal: &Memory, payloads: bool, sagas: &Builder<Script>) -> ReplayReport {
    let lines = exported(journal, payloads).await;
    let report = replay_of(&lines, sagas).await;
    report.expect("what was exported can be read")
}

/// Checks the verdict about a change, and proves it.
async fn prove<G: Registrable<Script> + Default>(
    register: fn(Builder<Script>) -> Builder<Script>,
    verdict: Option<ChangeVerdict>,
    words: &str,
) {
    let script = Script::new();
    let old = lock_of(&builder(&script).register::<G>()).expect("it can be registered");
    let changes = changes_since(&old, &register(builder(&script))).expect("it is a lock");
    let of_old = |change: &&DefinitionChange| change.version == 1 && change.saga == "sale";
    let change = changes.iter().find(of_old);
    assert_eq!(change.map(|change| change.verdict), verdict, "{changes:?}");
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    let told = told.join("\n");
    assert!(told.contains(words), "{told}");

    let (mut ends, mut stuck) = (Vec::new(), 0);
    for (saga, entries) in histories::<G>().await {
        for length in 0..entries.len() {
            let journal = recorded(&saga, &entries[..length]).await;
            let replayed = replay(&journal, true, &register(builder(&script))).await;
            let compared = replay(&journal, false, &register(builder(&script))).await;
            let end = end_of(&journal, register(builder(&Script::new()))).await;
            // The test of an exported history says what a deploy would have found out.
            assert_eq!(replayed.is_fine(), end.is_final(), "{end}: {replayed}");
            assert!(compared.is_fine() || !end.is_final(), "{end}: {compared}");
            stuck += u32::from(end == State::Stuck);
            ends.push((end, format!("{:?}", &entries[..length])));
        }
    }
    let is_final = |(end, _): &&(State, String)| end.is_final();
    match verdict {
        None | Some(ChangeVerdict::Safe) => {
            let other = ends.iter().find(|end| !is_final(end));
            assert_eq!(other, None, "{told}");
        }
        Some(ChangeVerdict::NeedsNewVersion) => assert!(stuck > 0, "{told}: {ends:?}"),
        Some(ChangeVerdict::Strands) => assert_eq!(ends.iter().find(is_final), None, "{told}"),
        Some(other) => panic!("{other}"),
    }
}

/// A test for each change: old, new, the verdict, and the words of the review.
macro_rules! changes {
    ($($test:ident: $old:ident => $($new:ident)+, $verdict:ident, $words:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                let verdict = Some(ChangeVerdict::$verdict);
                prove::<$old>(|builder| builder$(.register::<$new>())+, verdict, $words).await;
            }
        )*
    };
}

changes! {
    a_step_behind_all_is_safe: Plain => WithAStepBehind, Safe, "`d` is new behind all that";
    a_pivot_behind_all_is_safe: Plain => WithAPivotBehind, Safe, "`ship` is new behind all that";
    a_branch_behind_all_is_safe: Plain => WithABranchBehind, Safe, "A branch is new behind all that";
    a_sleep_behind_all_is_safe: Plain => WithAWaitBehind, Safe, "A sleep is new behind all that";
    a_group_behind_all_is_safe: Plain => WithAGroupBehind, Safe, "A group is new behind all that";
    a_step_behind_a_loop_is_safe: Looping => LoopingAndMore, Safe, "`b` is new behind all that";
    a_step_at_the_end_of_the_last_branch_is_safe: Branching => BranchingWithMore, Safe, "`c` is new behind all that";
    a_member_of_the_last_group_is_safe: Grouped => GroupedWithMore, Safe, "A member of a group is new";
    a_step_at_the_end_of_the_last_called_saga_is_safe: Calling => CallingMore, Safe, "`d` is new behind all that";
    a_step_behind_a_called_saga_is_safe: Calling => CallingBetween, Safe, "`c` is new behind all that";
    a_version_beside_the_old_one_is_safe_for_it: Plain => WithAStepBehind SecondVersion, Safe, "It is new beside the older version";

    a_step_in_front_needs_a_version: Plain => WithAStepInFront, NeedsNewVersion, "`d` is new before `a`";
    a_step_between_needs_a_version: Plain => WithAStepBetween, NeedsNewVersion, "`d` is new before `b`";
    a_sleep_between_needs_a_version: Plain => WithASleepBetween, NeedsNewVersion, "A sleep is new before `b`";
    a_removed_first_step_needs_a_version: Plain => WithoutTheFirst, NeedsNewVersion, "`a` is removed before `b`";
    a_removed_step_needs_a_version: Plain => WithoutTheSecond, NeedsNewVersion, "`b` is removed before `c`";
    a_removed_last_step_needs_a_version: Plain => WithoutTheLast, NeedsNewVersion, "`c` is removed";
    a_moved_step_needs_a_version: Plain => Moved, NeedsNewVersion, "`b` comes before `a` now";
    a_renamed_step_needs_a_version: Plain => Renamed, NeedsNewVersion, "keep the recorded one with `name = \"b\"`";
    a_step_that_is_undone_otherwise_needs_a_version: Plain => NotUndone, NeedsNewVersion, "`b` was compensatable, and is nothing to undo now";
    a_step_in_a_branch_needs_a_version: Plain => InABranch, NeedsNewVersion, "`b` is in `one of` now";
    a_step_in_a_loop_needs_a_version: Plain => InALoop, NeedsNewVersion, "`b` is in `loop for _ in 1..a` now";
    a_group_in_front_needs_a_version: Plain => AtTheSameTime, NeedsNewVersion, "A group";
    an_early_return_needs_a_version: Plain => WithAnEarlyReturn, NeedsNewVersion, "A branch is new before `b`";
    another_event_needs_a_version: Waiting => WaitingForAnother, NeedsNewVersion, "`event approved` is `event paid` now";
    a_renamed_event_needs_a_version: Waiting => WaitingForARenamed, NeedsNewVersion, "`event approved` is `event ok_by_boss` now";
    a_removed_wait_needs_a_version: Waiting => NotWaiting, NeedsNewVersion, "The wait for `approved` is removed before `b`";
    a_sleep_for_an_event_needs_a_version: Waiting => Sleeping, NeedsNewVersion, "The wait for `approved` is a sleep now";
    another_condition_needs_a_version: Branching => BranchingOtherwise, NeedsNewVersion, "`when a == 1` is `when a == 2` now";
    a_step_in_a_round_needs_a_version: Looping => LoopingWithMore, NeedsNewVersion, "`b` is new";
    a_removed_member_needs_a_version: Grouped => GroupedWithLess, NeedsNewVersion, "`a` is removed before `b`";
    another_called_saga_needs_a_version: Calling => CallingAnother, NeedsNewVersion, "`saga part` is `saga other_part` now";
    a_step_in_a_called_saga_needs_a_version: CallingBetween => CallingMoreBetween, NeedsNewVersion, "`d` is new before `a`";

    a_step_behind_a_saga_that_calls_itself_needs_a_version: Counting => CountingWithMore, NeedsNewVersion, "`c` is new";

    a_saga_that_is_removed_strands: Plain => Bargain2, Strands, "It is not registered any more";
    a_saga_that_is_renamed_strands: Plain => Bargain, Strands, "keep the recorded name with `#[saga(name = \"sale\")]`";
    a_version_without_the_old_one_strands: Plain => SecondVersion, Strands, "It is version 2 now";
}

saga!(
    #[saga(name = "bargain")]
    async fn bargain_2(cx: Context<'_, Script>) -> Result<u64, String> {
        a(cx).await
    }
);

#[tokio::test(start_paused = true)]
async fn policies_are_no_change() {
    prove::<Plain>(Builder::register::<OtherPolicies>, None, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_keeps_its_recorded_name_is_no_change() {
    prove::<Plain>(Builder::register::<RenamedWithItsName>, None, "").await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_wait_is_no_change() {
    prove::<Waiting>(Builder::register::<WaitingLonger>, None, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_loses_its_limit_needs_a_version() {
    let script = Script::new();
    let later = || builder(&Script::new()).register::<WaitingForAnyTime>();
    let old = lock_of(&builder(&script).register::<Waiting>()).expect("it can be registered");
    let changes = changes_since(&old, &later()).expect("it is a lock");
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert!(
        told[0].starts_with(
            "sale, version 1: needs a new version\n  The wait for `approved` has no limit now"
        ),
        "{told:?}"
    );
    // Of one that has waited, or waits, nobody knows what the body would get.
    let mut ends = Vec::new();
    for (saga, entries) in histories::<Waiting>().await {
        let waits = |entry: &Entry| matches!(entry.event, Event::Waiting { .. });
        let begun = entries
            .iter()
            .position(waits)
            .map_or(entries.len(), |at| at + 1);
        for length in begun..entries.len() {
            let journal = recorded(&saga, &entries[..length]).await;
            let replayed = replay(&journal, true, &later()).await;
            assert!(!replayed.is_fine(), "{replayed}");
            ends.push(end_of(&journal, later()).await);
        }
    }
    assert!(
        !ends.is_empty() && ends.iter().all(|end| *end == State::Stuck),
        "{ends:?}"
    );
    // The other way round, those in flight wait as they are recorded.
    let old = lock_of(&later()).expect("it can be registered");
    let changes = changes_since(&old, &builder(&script).register::<Waiting>());
    assert_eq!(changes.expect("it is a lock"), []);
}

#[tokio::test(start_paused = true)]
async fn another_constant_of_the_same_event_is_no_change() {
    prove::<Waiting>(Builder::register::<WaitingByAnotherConstant>, None, "").await;
}

#[test]
fn a_file_without_the_durable_names_of_events_is_compared_by_their_constants() {
    let old = "saga sale, version 1\n  step a: compensatable\n  event APPROVED\n  step b: compensatable\n";
    let script = Script::new();
    let changes = |sagas: Builder<Script>| changes_since(old, &sagas).expect("it is a lock");
    assert_eq!(changes(builder(&script).register::<Waiting>()), []);
    let changes = changes(builder(&script).register::<WaitingForAnother>());
    assert!(
        changes[0]
            .reason
            .starts_with("`event APPROVED` is `event PAID` now"),
        "{changes:?}"
    );
}
