//! Prometheus itself, as Debian packages it: `make services` installs it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use saga_runtime::metrics::ALL;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/prometheus")
}

async fn promtool(words: &[&str]) {
    let mut command = Command::new("promtool");
    let ended = command.args(words).current_dir(documents()).output().await;
    let ended = ended.expect("promtool is there: `make services` installs it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        ended.status.success(),
        "{}{}",
        text(&ended.stdout),
        text(&ended.stderr)
    );
}

#[tokio::test]
async fn the_alert_rules_are_right_and_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"]).await;
    promtool(&["test", "rules", "alerts.test.yml"]).await;
}

/// All queries of the dashboard, with the interval that Grafana would put in.
fn queries() -> Vec<String> {
    let text = std::fs::read_to_string(documents().join("dashboard.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| {
        let query = target["expr"].as_str().expect("each target has a query");
        query.replace("$__rate_interval", "1m")
    });
    queries.collect()
}

#[test]
fn the_dashboard_and_the_rules_name_only_metrics_that_there_are() {
    let rules = std::fs::read_to_string(documents().join("alerts.yml")).expect("it is there");
    let mut named = BTreeSet::new();
    for text in queries().iter().chain([&rules]) {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        named.extend(
            words
                .filter(|word| word.starts_with("saga_"))
                .map(str::to_owned),
        );
    }
    let is_there = |name: &&String| {
        ALL.iter().any(|metric| {
            ["", "_bucket", "_count", "_sum"]
                .iter()
                .any(|suffix| **name == format!("{}{suffix}", metric.name))
        })
    };
    let unknown: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(named.len() > 10, "{named:?}");
}

/// A GET of this path: the body of the answer. `None` if there is no answer yet.
async fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

/// The example, and the address of its metrics.
async fn example() -> (Child, String) {
    let mut example = Command::new(env!("CARGO_BIN_EXE_observed"))
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example is there");
    let out = example.stdout.take().expect("it is piped");
    let line = BufReader::new(out).lines().next_line().await;
    let line = line.expect("it can be read").expect("it says its address");
    let address = line
        .strip_prefix("http://")
        .and_then(|line| line.strip_suffix("/metrics"));
    (example, address.expect("it is one").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_of_the_dashboard_has_an_answer_in_a_running_prometheus() {
    let (_example, metrics) = example().await;
    let directory = tempfile::tempdir().expect("there is room");
    let settings = directory.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: shop\n    static_configs:\n      - targets: ['{metrics}']\n"
    );
    std::fs::write(&settings, text).expect("there is room");
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = free.local_addr().expect("it listens").to_string();
    drop(free);
    let path = |path: &Path| path.to_str().expect("it is text").to_owned();
    let _prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", path(&settings)))
        .arg(format!("--storage.tsdb.path={}", path(directory.path())))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("prometheus is there: `make services` installs it");
    let queries = queries();
    assert!(queries.len() >= 10, "{queries:?}");
    let mut unanswered: Vec<String> = queries;
    let answered = async {
        while !unanswered.is_empty() {
            let mut left = Vec::new();
            for query in std::mem::take(&mut unanswered) {
                let path = format!("/api/v1/query?query={}", encoded(&query));
                let answer = get(&address, &path).await.unwrap_or_default();
                let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
                assert_ne!(answer["status"], "error", "{query}: {answer}");
                let result = answer["data"]["result"].as_array();
                if result.is_none_or(Vec::is_empty) {
                    left.push(query);
                }
            }
            unanswered = left;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let answered = tokio::time::timeout(Duration::from_mins(1), answered).await;
    answered.unwrap_or_else(|_| panic!("no answer to {unanswered:?}"));
}
