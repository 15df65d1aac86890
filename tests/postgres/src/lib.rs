//! A Postgres server for tests: the one that `DATABASE_URL` names, or one of their own, which `services/postgres` installs
//! and starts. Where neither is there, a test fails; it is never skipped.
//!
//! A server of their own ends with the process that started it, however that ends: the script sees its input end.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// A server, and a database on it to which a test may connect.
#[derive(Debug)]
pub struct Server {
    url: String,
    own: Option<Child>,
}

/// A database that one test has for itself. It is dropped with this, unless the server ends soon anyway.
#[derive(Debug)]
pub struct Database {
    url: String,
    to_drop: Option<(PgConnectOptions, String)>,
}

impl Server {
    /// The server of all tests of this process. It forgets what it has acknowledged when the machine ends, which no test
    /// does.
    ///
    /// # Panics
    /// If there is no server and none can be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match env::var("DATABASE_URL") {
            Ok(url) => Self { url, own: None },
            Err(_) => Self::start(&["-c", "fsync=off"]),
        })
    }

    /// Starts a server of its own, whatever `DATABASE_URL` says. The settings are arguments of `postgres`.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        Self::run(service("postgres").args(settings))
    }

    /// Starts a standby that streams from this server, with the same settings if they are given again.
    ///
    /// # Panics
    /// If this is not a server of the test's own, or no standby can be started.
    #[must_use]
    pub fn standby(&self, settings: &[&str]) -> Self {
        let mut standby = service("postgres");
        Self::run(standby.args(settings).env("STANDBY_OF", &self.url))
    }

    /// Starts a `PgBouncer` in front of this server, which gives each transaction another connection. Its URL leads through it.
    ///
    /// # Panics
    /// If this is not a server of the test's own, or no proxy can be started.
    #[must_use]
    pub fn pooling_proxy(&self) -> Self {
        Self::run(service("pgbouncer").arg(&self.url))
    }

    /// Makes a primary of a standby.
    ///
    /// # Panics
    /// If this is no standby.
    pub fn promote(&self) {
        self.control("--wait promote");
    }

    fn run(script: &mut Command) -> Self {
        let mut server = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C in the terminal is for the tests; the script hears of it by the end of its input.
            .process_group(0)
            .spawn()
            .expect("the script can be run");
        let mut url = String::new();
        let output = server.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut url)
            .expect("the script says something or ends");
        assert!(
            !url.is_empty(),
            "the script of `services` started no server: see above"
        );
        Self {
            url: url.trim_end().to_owned(),
            own: Some(server),
        }
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server without a word, as a machine that loses its power does: what was not written is gone.
    ///
    /// # Panics
    /// If this is not a server of the test's own.
    pub fn crash(&self) {
        self.control("--mode=immediate --wait stop");
    }

    /// Starts the server again after a [crash](Self::crash), with the same settings.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&self) {
        self.control("--wait --log=\"$data/log\" restart");
    }

    fn control(&self, command: &str) {
        assert!(
            self.own.is_some(),
            "only a server of their own ends with a test"
        );
        let (_, folder) = self.url.split_once("?host=").expect("a socket in a folder");
        let script = format!(
            "for bin in /usr/lib/postgresql/*/bin; do PATH=$bin:$PATH; done
             data={folder}/data
             if [ $(id -u) = 0 ]; then set -- setpriv --reuid=postgres --regid=postgres --init-groups; fi
             cd {folder} && exec \"$@\" pg_ctl --pgdata=\"$data\" {command} >{folder}/control.log 2>&1"
        );
        let status = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let read = |name| std::fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{command}: {}{}",
            read("control.log"),
            read("data/log")
        );
    }

    /// Creates a database. The user of `DATABASE_URL` must be allowed to.
    ///
    /// # Panics
    /// If it can't be created.
    pub async fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("saga_test_{}_{number}", process::id());
        let server: PgConnectOptions = self.url.parse().expect("the URL of a Postgres server");
        run(&server, format!("CREATE DATABASE {name}")).await;
        let url = server.clone().database(&name).to_url_lossy().to_string();
        Database {
            url,
            to_drop: self.own.is_none().then_some((server, name)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(server) = &mut self.own {
            drop(server.stdin.take());
            let _its_end = server.wait();
        }
    }
}

impl Database {
    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.to_drop.take() else {
            return;
        };
        // The runtime of the test may be the only one of this thread.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            runtime.expect("a runtime").block_on(run(&server, drop));
        });
        if dropped.join().is_err() {
            eprintln!("a database of a test could not be dropped");
        }
    }
}

/// A script that starts a server.
fn service(name: &str) -> Command {
    Command::new(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../services")
            .join(name),
    )
}

async fn run(server: &PgConnectOptions, statement: String) {
    let mut connection = server.connect().await.expect("the server can be reached");
    let done = sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await;
    done.expect("a database can be created and dropped");
    connection.close().await.expect("the connection is closed");
}
