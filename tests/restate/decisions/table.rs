//! The table of the guide: each command in each state.

use saga_runtime::operator::SagaCommand;
use serde_json::json;

use super::failing::{Decorate, trouble};
use super::{Patient, Voyage, complete, fixture, refused, resolve, skip, stuck, tea};
use crate::services::{Fixture, Parcels};

/// Brings a new saga into this state. Returns its name, and the step that its commands are about.
async fn bring(fixture: &Fixture, state: &str, id: &str) -> (&'static str, &'static str) {
    let (client, desk) = (&fixture.client, &fixture.desk);
    for step in ["charge", "book", "undo charge", "undo paint", "depart"] {
        desk.allow(step);
    }
    let taken = "Restate takes it";
    match state {
        "waits for a time or an event" => {
            let saga = client.submit(id, &Patient {}).await.expect(taken);
            fixture.waits(saga.invocation(), "event/go/0").await;
            ("patient", "reserve")
        }
        "runs" => {
            let held = desk.hold("pack");
            client.submit(id, &Parcels {}).await.expect(taken);
            held.came().await;
            ("parcels", "pack")
        }
        "is failing" => {
            desk.refuse("undo paint");
            let saga = client.submit(id, &Decorate {}).await.expect(taken);
            trouble(&saga).await;
            ("decorate", "paint")
        }
        "is stuck: `compensation_failed`" => {
            desk.refuse("book");
            desk.refuse("undo charge");
            stuck(fixture, id, &tea()).await;
            ("order", "charge")
        }
        "is stuck: `pivot_in_doubt`" => {
            desk.refuse("depart");
            stuck(fixture, id, &Voyage {}).await;
            ("voyage", "depart")
        }
        "has ended" => {
            let ended = client.execute(id, &tea()).await;
            ended.expect("it is well");
            ("order", "charge")
        }
        "does not exist" => ("order", "charge"),
        other => panic!("no such state: {other}"),
    }
}

fn command(name: &str, step: &str) -> SagaCommand {
    match name {
        "cancel" => SagaCommand::Cancel,
        "retry" => SagaCommand::Retry,
        "resolve" => resolve(step),
        "skip" => skip(step),
        "complete" => complete(step, json!("done")),
        "abandon" => SagaCommand::Abandon,
        "compensate" => SagaCommand::Compensate,
        "send" => SagaCommand::SendEvent {
            event: "go".to_owned(),
            value: json!(17),
        },
        other => panic!("no such command: {other}"),
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.trim_matches('|').split('|');
    cells.map(str::trim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_takes_the_commands_of_the_guide_s_table_and_refuses_the_others() {
    let guide = include_str!("../../../docs/guide/operating.md");
    let section = guide.split("## On Restate").nth(1).expect("it is there");
    let mut lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let names = cells(lines.next().expect("there is a table"));
    let rows: Vec<_> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    assert_eq!((names.len(), rows.len()), (9, 7));
    let (fixture, _service) = fixture().await;
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        for (name, expected) in names.iter().zip(row).skip(1) {
            let name = name.trim_matches('`');
            let id = format!("{number} {name}");
            let (saga, step) = bring(&fixture, row[0], &id).await;
            let command = command(name, step);
            let operated = fixture.client.operate(saga, &*id, command, "a try");
            let operated = match operated.await {
                Ok(()) => "Done".to_owned(),
                refusal => refused(refusal),
            };
            if operated != expected.trim_matches('`') {
                wrong.push(format!("{} {name}: {operated}, not {expected}", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
