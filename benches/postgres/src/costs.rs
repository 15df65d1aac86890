//! The statements of a saga, and the bytes and waits for the disk of the server.

use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, Database};
use crate::contest::{Contestant, round};

/// The share of one saga.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub(crate) contestant: Contestant,
    pub(crate) in_flight: usize,
    /// Statements with rows to read or write.
    pub(crate) statements: f64,
    /// The same with `BEGIN`, `COMMIT` and the like. Each is a round trip once it is prepared.
    pub(crate) round_trips: f64,
    /// Bytes of the write-ahead log.
    pub(crate) wal: f64,
    /// How often the server has waited for the disk.
    pub(crate) syncs: f64,
}

/// The counters of the server.
#[derive(Clone, Copy)]
struct Counters([f64; 4]);

impl Counters {
    fn of(database: &Database<'_>) -> anyhow::Result<Self> {
        let calls = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
             WHERE d.datname = current_database()";
        database
            .numbers([
                &format!("({calls} AND query !~* '^\\s*(begin|start|commit|rollback|savepoint|release|set|listen)')"),
                &format!("({calls})"),
                "(pg_current_wal_insert_lsn() - '0/0')",
                "(SELECT wal_sync FROM pg_stat_wal)",
            ])
            .map(Self)
    }
}

/// Counts what so many sagas take, and twice as many: what is done only once falls out.
pub(crate) fn measure(
    cluster: &Cluster,
    peers: Option<&PathBuf>,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<Vec<Costs>> {
    let mut contestants = vec![Contestant::Bare, Contestant::Ours(1)];
    if peers.is_some() {
        contestants.extend(Contestant::PEERS);
    }
    let folder = peers.map_or(Path::new(""), PathBuf::as_path);
    let mut all = Vec::new();
    for contestant in contestants {
        eprintln!("{in_flight} in flight, counted: {}", contestant.name());
        let mut took = Vec::new();
        for each in [each, 2 * each] {
            let database = cluster.database()?;
            database.run("CREATE EXTENSION pg_stat_statements")?;
            database.count_statements()?;
            let before = Counters::of(&database)?;
            round(&database, contestant, folder, in_flight, each)?;
            let after = Counters::of(&database)?;
            took.push(std::array::from_fn::<f64, 4, _>(|index| {
                after.0[index] - before.0[index]
            }));
        }
        let sagas = f64::from(u32::try_from(in_flight * each)?);
        let one: [f64; 4] =
            std::array::from_fn(|index| (took[1][index] - took[0][index]).max(0.0) / sagas);
        let [statements, round_trips, wal, syncs] = one;
        all.push(Costs {
            contestant,
            in_flight,
            statements,
            round_trips,
            wal,
            syncs,
        });
    }
    Ok(all)
}
