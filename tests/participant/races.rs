//! Repeats, late requests and cancellations at the same time: whatever the order, one story explains what all of them hear.

use std::collections::BTreeSet;
use std::env;

use crate::database::Bank;
use crate::service::{Answer, Course, Heard, Moment, Moments, Service};

crate::on_each_database!(a_thousand_races_are_consistent);

const ROUNDS: u32 = 1_000;

/// One of those who race for a key.
#[derive(Debug, Clone, Copy)]
enum Racer {
    Request(Course),
    Cancel { commits: bool },
}

/// What a racer has heard, and whether that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    heard: Heard,
    committed: bool,
}

/// What is in the database when all have ended.
#[derive(Debug)]
struct Left {
    /// The payments under the key: the number of each, and how often it was given back.
    payments: Vec<(i64, i64)>,
    /// What a request hears that comes last.
    late: Heard,
}

/// For how many turns of the others a transaction waits, at each moment.
struct Pauses([u32; 4]);

impl Moments for Pauses {
    async fn at(&self, moment: Moment) {
        make_way(self.0[moment as usize]).await;
    }
}

async fn make_way(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

async fn a_thousand_races_are_consistent<DB: Bank>() {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let home = DB::home().await;
    let service = Service::<DB>::open(&DB::url(&home)).await;
    let service = service.expect("a service");

    let mut stories = BTreeSet::new();
    for round in 0..ROUNDS {
        let key = format!("round-{round}");
        let racers: Vec<_> = (0..random.usize(2..=5))
            .map(|_| racer(&mut random))
            .collect();
        let reports = race(&service, &key, &racers, &mut random).await;
        let payments = DB::payments(&service.pool, &key).await;
        let late = service.request(&key, Course::Take, &()).await;
        let left = Left {
            payments: payments.expect("the database works"),
            late: late.expect("the database works"),
        };
        if let Err(why) = check(&reports, &left) {
            panic!("SEED={seed}, {key}: {why}\n{racers:?}\n{reports:#?}\n{left:?}");
        }
        stories.insert(story(&reports));
    }
    println!("{} different stories", stories.len());
    assert!(
        stories.len() > 20,
        "the races have few outcomes: {stories:#?}"
    );
}

fn racer(random: &mut fastrand::Rng) -> Racer {
    match random.u32(..10) {
        0..4 => Racer::Request(Course::Take),
        4 => Racer::Request(Course::Refuse),
        5 => Racer::Request(Course::GiveUp),
        6..9 => Racer::Cancel { commits: true },
        _ => Racer::Cancel { commits: false },
    }
}

/// Lets all of them loose on one key. At each moment of its transaction a racer makes way for the others for a while.
async fn race<DB: Bank>(
    service: &Service<DB>,
    key: &str,
    racers: &[Racer],
    random: &mut fastrand::Rng,
) -> Vec<Report> {
    let running: Vec<_> = racers
        .iter()
        .map(|racer| {
            let (service, key, racer) = (service.clone(), key.to_owned(), *racer);
            let mut pause = || random.u32(..60);
            let (before, pauses) = (pause(), [pause(), pause(), pause(), pause()]);
            tokio::spawn(async move {
                make_way(before).await;
                let moments = &Pauses(pauses);
                match racer {
                    Racer::Request(course) => {
                        let heard = service.request(&key, course, moments).await;
                        let gives_up = course == Course::GiveUp;
                        heard.map(|heard| Report {
                            committed: !(gives_up && matches!(heard, Heard::First(_))),
                            heard,
                        })
                    }
                    Racer::Cancel { commits } => {
                        let heard = service.cancel(&key, commits, moments).await;
                        heard.map(|heard| Report {
                            heard,
                            committed: commits,
                        })
                    }
                }
            })
        })
        .collect();
    let mut reports = Vec::new();
    for report in running {
        let report = report.await.expect("no panic");
        reports.push(report.expect("the database works"));
    }
    reports
}

/// Fails unless there is an order in which one after the other would have heard the same.
fn check(reports: &[Report], left: &Left) -> Result<(), String> {
    let committed = || reports.iter().filter(|report| report.committed);
    let firsts: Vec<&Answer> = committed().filter_map(|it| first(&it.heard)).collect();
    if firsts.len() > 1 {
        return Err(format!("{} requests were the first", firsts.len()));
    }
    let answer = firsts.first().copied();
    let taken = answer.and_then(|answer| answer.as_ref().ok()).copied();

    let ends: Vec<&Heard> = committed()
        .map(|report| &report.heard)
        .filter(|heard| matches!(heard, Heard::Undone(_) | Heard::NothingToUndo))
        .collect();
    if ends.len() > 1 {
        return Err(format!("{} cancellations were the first", ends.len()));
    }
    let end = ends.first().copied();

    for report in reports {
        match &report.heard {
            Heard::Repeated(repeated) if Some(repeated) != answer => {
                return Err(format!(
                    "{repeated:?} was repeated, and was never the answer"
                ));
            }
            Heard::Refused | Heard::AlreadyCancelled if end.is_none() => {
                return Err("it was cancelled by nobody".to_owned());
            }
            Heard::Undone(id) if Some(*id) != taken => {
                return Err(format!("{id} was undone, and was never taken"));
            }
            _ => {}
        }
    }
    match end {
        Some(Heard::NothingToUndo) if taken.is_some() => {
            return Err("the payment was not undone".to_owned());
        }
        _ => {}
    }

    let given_back = i64::from(matches!(end, Some(Heard::Undone(_))));
    let payments: Vec<_> = taken.map(|id| (id, given_back)).into_iter().collect();
    if left.payments != payments {
        return Err(format!("the payments should be {payments:?}"));
    }
    let late = match (end, answer) {
        (Some(_), _) => left.late == Heard::Refused,
        (None, Some(answer)) => left.late == Heard::Repeated(answer.clone()),
        (None, None) => matches!(left.late, Heard::First(Ok(_))),
    };
    if late {
        Ok(())
    } else {
        Err("a late request should hear something else".to_owned())
    }
}

fn first(heard: &Heard) -> Option<&Answer> {
    match heard {
        Heard::First(answer) => Some(answer),
        _ => None,
    }
}

/// What was heard how often, without numbers: two races with one story went the same way.
fn story(reports: &[Report]) -> Vec<String> {
    let mut story: Vec<_> = reports
        .iter()
        .map(|Report { heard, committed }| match heard {
            Heard::First(Ok(_)) => format!("first, {committed}"),
            Heard::Repeated(Ok(_)) => "repeated".to_owned(),
            Heard::Undone(_) => format!("undone, {committed}"),
            other => format!("{other:?}, {committed}"),
        })
        .collect();
    story.sort();
    story
}

/// The check finds what a participant could do wrong.
#[test]
fn wrong_stories_are_found() {
    let committed = |heard| Report {
        heard,
        committed: true,
    };
    let given_up = |heard| Report {
        heard,
        committed: false,
    };
    let left = |payments: &[(i64, i64)], late| Left {
        payments: payments.to_vec(),
        late,
    };
    let found = |reports: &[Report], left: &Left| check(reports, left).err();
    let (first, second) = (Heard::First(Ok(1)), Heard::First(Ok(2)));
    let repeated = Heard::Repeated(Ok(1));
    let (undone, nothing) = (Heard::Undone(1), Heard::NothingToUndo);

    let twice = [committed(first.clone()), committed(second)];
    let stories: &[(&str, &[Report], Left)] = &[
        (
            "two are the first",
            &twice,
            left(&[(1, 0), (2, 0)], repeated.clone()),
        ),
        (
            "the first is repeated although it was given up",
            &[given_up(first.clone()), committed(repeated.clone())],
            left(&[], Heard::First(Ok(2))),
        ),
        (
            "the effect is lost",
            &[committed(first.clone())],
            left(&[], repeated.clone()),
        ),
        (
            "the effect stays after it was given up",
            &[given_up(first.clone())],
            left(&[(1, 0)], Heard::First(Ok(2))),
        ),
        (
            "it is undone twice",
            &[
                committed(first.clone()),
                committed(undone.clone()),
                committed(undone.clone()),
            ],
            left(&[(1, 2)], Heard::Refused),
        ),
        (
            "it lands after its compensation",
            &[committed(nothing.clone()), committed(first.clone())],
            left(&[(1, 0)], Heard::Refused),
        ),
        (
            "a late request is carried out",
            &[committed(nothing.clone())],
            left(&[], Heard::First(Ok(1))),
        ),
        (
            "a cancellation holds that was given up",
            &[committed(first.clone()), given_up(undone.clone())],
            left(&[(1, 0)], Heard::Refused),
        ),
        (
            "it is refused without a cancellation",
            &[committed(Heard::Refused)],
            left(&[], Heard::First(Ok(1))),
        ),
    ];
    for (name, reports, left) in stories {
        assert!(found(reports, left).is_some(), "{name}");
    }
    let right = [committed(first), committed(repeated), committed(undone)];
    assert_eq!(found(&right, &left(&[(1, 1)], Heard::Refused)), None);
}
