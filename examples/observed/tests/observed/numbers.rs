//! Each metric is told, with the right numbers, and stands in the table of the guide.

use std::fmt::Write as _;
use std::time::Duration;

use observed::{Sell, install_recorder, start};
use saga_runtime::ExecuteError;
use saga_runtime::journal::Sqlite;
use saga_runtime::metrics::{ALL, MetricKind};

#[tokio::test(flavor = "multi_thread")]
async fn each_metric_is_told_with_the_right_numbers() {
    let handle = install_recorder().expect("it is the only one of this process");
    let directory = tempfile::tempdir().expect("there is room");
    let journal = Sqlite::open(directory.path().join("shop.db")).await;
    let coordinator = start(journal.expect("it is new")).await;
    let coordinator = coordinator.expect("the journal works");
    let (mut completed, mut compensated, mut stuck) = (0, 0, 0);
    for order in 1..=26_u64 {
        match coordinator
            .execute(format!("order-{order}"), Sell { order })
            .await
        {
            Ok(()) => completed += 1,
            Err(ExecuteError::Stuck(_)) => stuck += 1,
            Err(_) => compensated += 1,
        }
    }
    assert_eq!((completed, compensated, stuck), (22, 2, 2));
    let paused = coordinator.pause("sell", "to be seen").await;
    paused.expect("the journal works");
    coordinator.shutdown().await;
    // What is open is told when a coordinator starts.
    let journal = Sqlite::open(directory.path().join("shop.db")).await;
    let coordinator = start(journal.expect("it is free")).await;
    let coordinator = coordinator.expect("the journal works");
    let told = async {
        while !handle.render().contains(r#"saga_paused{saga="sell"} 1"#) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_mins(1), told).await;
    let text = handle.render();
    told.unwrap_or_else(|_| panic!("{text}"));
    for line in [
        r#"saga_started_total{saga="sell"} 26"#,
        r#"saga_ended_total{saga="sell",state="completed"} 22"#,
        r#"saga_ended_total{saga="sell",state="compensated"} 2"#,
        r#"saga_stuck_total{saga="sell",code="compensation_failed"} 2"#,
        r#"saga_compensating_total{saga="sell"} 4"#,
        r#"saga_duration_seconds_count{saga="sell",state="completed"} 22"#,
        r#"saga_attempt_duration_seconds_count{step="create_order",phase="forward",outcome="done"} 26"#,
        r#"saga_attempt_duration_seconds_count{step="ship",phase="forward",outcome="refused"} 4"#,
        r#"saga_attempt_duration_seconds_count{step="charge",phase="compensating",outcome="done"} 2"#,
        r#"saga_attempt_duration_seconds_count{step="charge",phase="compensating",outcome="failed"} 10"#,
        r#"saga_attempt_duration_seconds_count{step="charge",phase="forward",outcome="done"} 26"#,
        r#"saga_back_offs_total{step="charge",phase="compensating"} 8"#,
        r#"saga_open{saga="sell",state="stuck"} 2"#,
        r#"saga_open_stuck{saga="sell",code="compensation_failed"} 2"#,
        "saga_slots 1000",
        r#"saga_journal_errors_total{operation="append"} 0"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for metric in ALL {
        let kind = format!("# TYPE {} {}", metric.name, metric.kind.name());
        assert!(text.contains(&kind), "{kind} in {text}");
    }
    coordinator.shutdown().await;
}

#[test]
fn the_guide_has_all_metrics_in_one_table() {
    let guide = include_str!("../../../../docs/guide/observing.md");
    let mut table = String::new();
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|one| format!("`{one}`")).collect();
        // Writing to a text does not fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind.name(),
            metric.unit,
            labels.join(", "),
            metric.meaning
        );
    }
    assert!(guide.contains(&table), "the guide should have:\n{table}");
}

#[test]
fn names_follow_the_conventions_of_open_metrics() {
    for metric in ALL {
        assert!(metric.name.starts_with("saga_"), "{metric:?}");
        let is_total = metric.name.ends_with("_total");
        assert_eq!(is_total, metric.kind == MetricKind::Counter, "{metric:?}");
        let is_seconds = metric.name.ends_with("_seconds");
        assert_eq!(is_seconds, metric.unit == "seconds", "{metric:?}");
    }
}
