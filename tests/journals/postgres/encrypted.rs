//! A connection over TCP, encrypted: the certificate of the server is checked.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use saga_runtime::journal::{JournalError, Postgres};
use sqlx::PgPool;
use tempfile::TempDir;
use test_postgres::Server;

const CERTIFICATE: &str = "
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost
basicConstraints = critical, CA:FALSE
";

fn run(command: &mut Command) {
    let status = command.output();
    assert!(
        status.as_ref().is_ok_and(|output| output.status.success()),
        "{command:?}: {status:?}"
    );
}

/// Makes a key and a certificate for `localhost` in this folder, for the user of the server.
fn certify(folder: &Path, name: &str) {
    let path = |extension| folder.join(format!("{name}.{extension}"));
    std::fs::write(path("conf"), CERTIFICATE).expect("a file");
    run(Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .arg("-config")
        .arg(path("conf"))
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("pem")));
    if rustix::process::getuid().is_root() {
        run(Command::new("chown").arg("-R").arg("postgres:").arg(folder));
    }
}

#[tokio::test]
async fn a_connection_is_encrypted_and_the_certificate_of_the_server_checked() {
    let folder = TempDir::new().expect("a folder for the test");
    certify(folder.path(), "server");
    certify(folder.path(), "stranger");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port").port();
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", path("server.pem")),
        format!("ssl_key_file={}", path("server.key")),
        "fsync=off".to_owned(),
    ];
    let settings: Vec<_> = settings.iter().flat_map(|one| ["-c", one]).collect();
    let _server = Server::start(&settings);
    let url = |certificate: &str| {
        format!(
            "postgres://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={}",
            path(certificate)
        )
    };
    let journal = Postgres::connect(&url("server.pem")).await;
    journal.expect("it is the server that it says");
    let pool = PgPool::connect(&url("server.pem")).await.expect("it works");
    let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let is_encrypted: bool = sqlx::query_scalar(is_encrypted)
        .fetch_one(&pool)
        .await
        .expect("it works");
    assert!(is_encrypted);
    let refused = Postgres::connect(&url("stranger.pem")).await;
    let Err(JournalError::Unavailable { message, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(message.contains("certificate"), "{message}");
}
