//! Writes that share a transaction.

use std::time::Duration;

use rusqlite::Connection;

use crate::id::SagaId;
use crate::journal::sqlite::batch::{add_rows, apply};
use crate::journal::sqlite::connection::Size;
use crate::journal::sqlite::operation::{Operation, OperationResult, Reply};
use crate::journal::sqlite::schema;
use crate::journal::sqlite::transaction::Transaction;
use crate::journal::{AppendError, Claim, Event, Lease, NewSaga, Row, Wakeup, Worker};

fn lease(worker: &str, duration: Duration) -> Lease {
    Lease {
        worker: Worker::new(worker),
        duration,
    }
}

fn id() -> SagaId {
    SagaId::new("order-1").expect("a short text")
}

fn claim(epoch: u64) -> Claim {
    Claim { id: id(), epoch }
}

fn append(epoch: u64) -> Operation {
    let reason = "look again".to_owned();
    Operation::Append {
        claim: claim(epoch),
        first: 1,
        rows: vec![Row::from(Event::Retried { reason }).into()],
        reply: Reply::channel().0,
    }
}

fn release(epoch: u64) -> Operation {
    Operation::Release {
        claim: claim(epoch),
        in_doubt: true,
        rest: Wakeup::Now,
        reply: Reply::channel().0,
    }
}

/// Does all of these in one transaction. `None` for those that have to wait for the next one.
fn done(
    connection: &Connection,
    store: &mut Transaction<'_>,
    operations: impl IntoIterator<Item = Operation>,
) -> Vec<Option<OperationResult>> {
    connection.execute_batch("BEGIN").expect("it begins");
    let mut results = Vec::new();
    for operation in operations {
        let result = apply(store, &operation).expect("it can be written");
        results.push(result.map(|result| {
            let mut written = [(operation, result)];
            add_rows(store, &mut written).expect("it can be written");
            let [(_, result)] = written;
            result
        }));
    }
    connection.execute_batch("COMMIT").expect("it ends");
    store.held.committed();
    results
}

#[test]
fn a_holder_that_has_lost_a_saga_changes_nothing_in_the_transaction_that_takes_it() {
    let mut connection = Connection::open_in_memory().expect("there is memory");
    schema::migrate(&mut connection).expect("the tables are made");
    let mut store = Transaction::new(&connection, Size::Large).expect("it is empty");
    let start = Operation::Start {
        saga: NewSaga {
            id: id(),
            name: "order".to_owned(),
            version: 1,
            fingerprint: 17,
            input: "{}".to_owned(),
            trace: None,
        },
        checksum: 0,
        lease: Some(lease("a", Duration::ZERO)),
        reply: Reply::channel().0,
    };
    done(&connection, &mut store, [start]);
    let take_over = Operation::ClaimOne {
        lease: lease("b", Duration::from_hours(1)),
        id: id(),
        reply: Reply::channel().0,
    };
    let together = done(&connection, &mut store, [take_over, append(1), release(1)]);
    let are_done: Vec<_> = together.iter().map(Option::is_some).collect();
    assert_eq!(are_done, [true, false, false]);
    let later = done(&connection, &mut store, [append(1), release(1), append(2)]);
    let [fenced, released, appended] = later.try_into().unwrap_or_else(|_| panic!("three"));
    assert!(matches!(
        fenced,
        Some(OperationResult::Append(Err(AppendError::Fenced {
            epoch: 1
        })))
    ));
    assert!(matches!(released, Some(OperationResult::Release)));
    assert!(matches!(appended, Some(OperationResult::Append(Ok(())))));
}
