//! The bare loop: what the disk and SQLite allow, without any saga.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};
use saga_runtime::SagaId;

use super::number;

/// Sagas per second. The start, three outcomes, and the end with the last of them: five rows in four transactions.
pub(super) fn sagas_per_second(file: &Path, in_flight: usize, each: usize) -> anyhow::Result<f64> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
         CREATE TABLE rows (number INTEGER PRIMARY KEY, saga TEXT, seq INTEGER, at INTEGER, event TEXT, step TEXT,
             occurrence INTEGER, kind TEXT, attempts INTEGER, code TEXT, message TEXT, payload TEXT)",
    )?;
    let none = None::<String>;
    let began = Instant::now();
    for _ in 0..each {
        let ids: Vec<_> = (0..in_flight).map(|_| SagaId::generate()).collect();
        for seq in 0..4 {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO rows (saga, seq, at, event, step, occurrence, kind, attempts, code, message, payload)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for id in &ids {
                let id = id.as_str();
                let at = 1_795_474_748_123_i64;
                if seq == 0 {
                    let input = "{\"number\":17}";
                    insert.execute(params![
                        id, seq, at, "started", "three", none, none, none, none, none, input
                    ])?;
                    continue;
                }
                insert.execute(params![
                    id,
                    seq,
                    at,
                    "step_done",
                    "first",
                    0,
                    "compensatable",
                    1,
                    none,
                    none,
                    "17"
                ])?;
                if seq == 3 {
                    insert.execute(params![
                        id,
                        4,
                        at,
                        "completed",
                        none,
                        none,
                        none,
                        none,
                        none,
                        none,
                        "17"
                    ])?;
                }
            }
            drop(insert);
            connection.execute_batch("COMMIT")?;
        }
    }
    Ok(number(in_flight * each) / began.elapsed().as_secs_f64())
}
