//! Sagas in flight on a Restate server, recorded in every released form. The present code finishes them.

mod desk;
mod in_flight;
mod restate_text;
mod sagas;
mod text;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::Method;
use saga_restate::testing::{Server, ServerError};
use saga_restate::{Client, ClientError, Endpoint};
use serde_json::{Value, json};
use tempfile::TempDir;

use desk::{Desk, key};
use in_flight::{CASES, Case, Saga};
use sagas::{
    APPROVED, Approval, Booking, Bulk, Choosing, Courier, Delivery, Meeting, Napping, Order,
    Parcels, REVOKED, Rounds, Stamps,
};

use crate::service::Service;

/// A saga that is not where it should be by then never gets there.
const PATIENCE: Duration = Duration::from_mins(2);

fn endpoint(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone())
        .register::<Order>()
        .register::<Bulk>()
        .register::<Booking>()
        .register::<Courier>()
        .register::<Parcels>()
        .register::<Stamps>()
        .register::<Rounds>()
        .register::<Delivery>()
        .register::<Napping>()
        .register::<Approval>()
        .register::<Choosing>()
        .register::<Meeting>()
}

/// Starts the saga of a case, and returns its invocation.
async fn submitted(client: &Client, case: &Case) -> Result<String, ClientError> {
    macro_rules! submit {
        ($saga:expr) => {
            client
                .submit(case.id, &$saga)
                .await?
                .invocation()
                .to_owned()
        };
    }
    Ok(match case.saga {
        Saga::Order => submit!(Order { number: 17 }),
        Saga::Bulk => submit!(Bulk {}),
        Saga::Booking => submit!(Booking { seat: 3 }),
        Saga::Courier => submit!(Courier {}),
        Saga::Parcels => submit!(Parcels {}),
        Saga::Stamps => submit!(Stamps { count: 3 }),
        Saga::Rounds => submit!(Rounds { count: 3 }),
        Saga::Delivery => submit!(Delivery {}),
        Saga::Choosing => submit!(Choosing {}),
        Saga::Meeting => {
            for event in [APPROVED, REVOKED] {
                client.send::<Meeting, u32>(case.id, event, &7).await?;
            }
            submit!(Meeting {})
        }
        Saga::Napping => submit!(Napping { millis: 10 }),
        Saga::Approval => {
            client.send::<Approval, u32>(case.id, APPROVED, &7).await?;
            submit!(Approval {})
        }
    })
}

/// Asks the admin API of a server that may have started a moment ago: some of its parts come up later than others.
async fn ask(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let asking = async {
        loop {
            let asked = server.ask(method.clone(), path, body.to_string()).await;
            match asked {
                Ok(answer) if answer.is_empty() => return Value::Null,
                Ok(answer) => return serde_json::from_slice(&answer).expect("it is JSON"),
                Err(ServerError::Refused { status, .. }) if status.is_server_error() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{path}: {error}"),
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| panic!("{path} is never answered"))
}

async fn query(server: &Server, sql: &str) -> Vec<Value> {
    let mut answer = ask(server, Method::POST, "/query", json!({ "query": sql })).await;
    match answer["rows"].take() {
        Value::Array(rows) => rows,
        other => panic!("{other}"),
    }
}

/// The keys of the sagas in some data begin with this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Id,
    NameAndId,
}

impl Keys {
    /// The keys in the data with this name.
    fn of(archive: &Path) -> Self {
        if archive.ends_with("2026-11.tar.gz") {
            Self::Id
        } else {
            Self::NameAndId
        }
    }

    /// The saga's key as it stands before the keys of its steps.
    fn key(self, case: &Case) -> String {
        let name = match case.saga {
            Saga::Bulk => "bulk.v2".to_owned(),
            // The name of the function is that of its struct, which is one word.
            one => format!("{one:?}").to_lowercase(),
        };
        match self {
            Self::Id => key(case.id),
            Self::NameAndId => format!("/{name}/{}", key(case.id)),
        }
    }
}

/// Runs every case up to its moment on a server in this folder, and kills the server. Returns the journals as text.
async fn record(data: &Path) -> String {
    let desk = Desk::default();
    let mut server = Server::start_in(data).await.expect("a server");
    let service = Service::start(endpoint(&desk)).await;
    let registered = server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let client = Client::connect(&server.ingress()).expect("an address");
    let mut text = String::new();
    for case in CASES {
        let key = Keys::NameAndId.key(case);
        for (step, answers) in case.answers {
            desk.answers(format!("{key}/{step}"), answers);
        }
        let invocation = submitted(&client, case).await;
        let invocation = invocation.unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let held = format!("{key}/{}", case.held);
        let held = tokio::time::timeout(PATIENCE, desk.is_held(&held)).await;
        assert!(held.is_ok(), "{}: {:?}", case.id, desk.asked(&key));
        if case.id == "cancelled" {
            let path = format!("/invocations/{invocation}/cancel");
            ask(&server, Method::PATCH, &path, Value::Null).await;
        }
        let journal = journal(&server, &invocation, case).await;
        let has_group = matches!(
            case.saga,
            Saga::Parcels | Saga::Stamps | Saga::Delivery | Saga::Choosing | Saga::Meeting
        );
        writeln!(text, "saga {:?}:", case.id).expect("it is a text");
        text.push_str(&restate_text::journal(&journal, has_group));
        let mut asked = desk.asked(&key);
        if has_group {
            asked.sort();
        }
        for asked in asked {
            writeln!(text, "  ? {asked}").expect("it is a text");
        }
    }
    server.kill();
    service.vanishes().await;
    text
}

/// The journal of an invocation, as soon as all of it is there.
async fn journal(server: &Server, invocation: &str, case: &Case) -> Vec<Value> {
    let sql = format!(
        "SELECT entry_type, entry_json FROM sys_journal WHERE id = '{invocation}' ORDER BY index"
    );
    let is_signal = |row: &&Value| row["entry_type"].as_str() == Some("Notification: Signal");
    let whole = async {
        loop {
            let rows = query(server, &sql).await;
            let is = |row: &&Value| row["entry_type"].as_str() == Some("Notification: Run");
            let results = rows.iter().filter(is).count();
            let is_cancelled = rows.iter().any(|row| is_signal(&row));
            if results as u64 >= case.results && is_cancelled == (case.id == "cancelled") {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let journal = tokio::time::timeout(PATIENCE, whole).await;
    journal.unwrap_or_else(|_| panic!("the journal of `{}` is never whole", case.id))
}

/// Starts a server on recorded data, lets the present code finish every saga in it, and stops the server. Returns the journal
/// of the saga that was cancelled as text.
async fn recovers(data: &Path, keys: Keys) -> String {
    let desk = Desk::default();
    let mut server = Server::start_in(data).await.expect("a server");
    let service = Service::start(endpoint(&desk)).await;
    let deployments = ask(&server, Method::GET, "/deployments", Value::Null).await;
    let deployment = deployments["deployments"][0]["id"].as_str();
    let path = format!("/deployments/{}", deployment.expect("there is one"));
    // The sagas run at another address now.
    let moved = json!({ "uri": service.url(), "overwrite": true });
    ask(&server, Method::PATCH, &path, moved).await;
    let mut wrong = Vec::new();
    let mut cancelled = String::new();
    for row in query(
        &server,
        "SELECT id, target_service_key FROM sys_invocation WHERE target_handler_name = 'run'",
    )
    .await
    {
        let id = row["target_service_key"]
            .as_str()
            .expect("it is a workflow");
        let case = CASES.iter().find(|case| case.id == id);
        let case = case.unwrap_or_else(|| panic!("the case `{id}` of recorded data is missing"));
        let invocation = row["id"].as_str().expect("it has an id");
        let (end, failure) = ended(&server, invocation).await;
        if id == "cancelled" {
            cancelled = restate_text::journal(&journal(&server, invocation, case).await, false);
        }
        let asked = desk.asked(&keys.key(case));
        if end != case.end || asked != case.asks {
            wrong.push(format!(
                "{id}: {end}, {failure}, asked for {asked:?}, not for {:?}",
                case.asks
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.kill();
    service.vanishes().await;
    cancelled
}

/// Waits for the end of an invocation: its result, and why it failed.
async fn ended(server: &Server, invocation: &str) -> (String, Value) {
    let sql = format!(
        "SELECT completion_result, completion_failure, last_failure FROM sys_invocation WHERE id = '{invocation}'"
    );
    let ending = async {
        loop {
            let row = query(server, &sql).await.swap_remove(0);
            if let Some(end) = row["completion_result"].as_str() {
                return (end.to_owned(), row["completion_failure"].clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ending).await;
    match ended {
        Ok(ended) => ended,
        Err(_) => ("never".to_owned(), query(server, &sql).await.swap_remove(0)),
    }
}

/// The folder of the checked-in data.
fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("released/restate")
}

fn tar(arguments: &[&str], archive: &Path, folder: &Path) {
    let mut tar = Command::new("tar");
    tar.args(arguments).arg(archive);
    tar.arg("-C").arg(folder).arg(".");
    let done = tar.status().expect("there is a `tar`");
    assert!(done.success(), "{}", archive.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_every_released_form_is_recovered() {
    let files = std::fs::read_dir(released()).expect("the folder is there");
    let mut count = 0;
    for file in files {
        let folder = TempDir::new().expect("a folder for the test");
        let archive = file.expect("it can be read").path();
        tar(&["-xzf"], &archive, folder.path());
        println!("{}", archive.display());
        recovers(folder.path(), Keys::of(&archive)).await;
        count += 1;
    }
    assert!(count > 0, "there is at least one");
}

/// Records data of the present form. `RECORD=<name>` keeps it as `released/restate/<name>.tar.gz`; `BLESS=1` accepts its text
/// as the expected one.
#[tokio::test(flavor = "multi_thread")]
async fn the_present_form_of_the_data_is_the_recorded_one() {
    let folder = TempDir::new().expect("a folder for the test");
    let mut recorded = record(folder.path()).await;
    if let Some(name) = std::env::var_os("RECORD") {
        let name = name.to_str().expect("it is UTF-8");
        let kept = released().join(format!("{name}.tar.gz"));
        assert!(!kept.exists(), "{} stays as it is", kept.display());
        let without = [
            "--exclude=*.log.old",
            "--exclude=./server.log",
            "--exclude=./pid",
            "--exclude=./invoker-*",
            "--exclude=LOG",
        ];
        tar(&[&without[..], &["-czf"]].concat(), &kept, folder.path());
    }
    recorded.push_str("saga \"cancelled\", at its end:\n");
    recorded.push_str(&recovers(folder.path(), Keys::NameAndId).await);
    text::check("restate.txt", &recorded);
}
