//! A server of the tests: it is private, and ends with them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{Connection as _, PgConnection};
use test_postgres::Server;

#[tokio::test]
async fn a_server_of_its_own_has_the_settings_and_ends_when_it_is_dropped() {
    let server = Server::start(&["-c", "fsync=off", "-c", "max_connections=7"]);
    let (_, folder) = server.url().split_once("host=").expect("a socket");
    let folder = Path::new(folder).to_owned();
    let mut connection = PgConnection::connect(server.url())
        .await
        .expect("it answers");
    let setting = |name| sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(name);
    let connections = setting("max_connections").fetch_one(&mut connection).await;
    assert_eq!(connections.expect("a setting"), "7");
    let addresses = setting("listen_addresses").fetch_one(&mut connection).await;
    assert_eq!(addresses.expect("a setting"), "");
    assert!(folder.exists());

    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, other) = (
        Server::shared().database().await,
        Server::shared().database().await,
    );
    let mut names = Vec::new();
    for database in [&one, &other] {
        let mut connection = PgConnection::connect(database.url())
            .await
            .expect("it is there");
        let name = sqlx::query_scalar::<_, String>("SELECT current_database()");
        names.push(name.fetch_one(&mut connection).await.expect("a name"));
    }
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_server_ends_when_the_process_that_has_started_it_is_killed() {
    let mut starter = Command::new("sleep");
    let mut starter = starter.arg("600").stdout(Stdio::piped()).spawn();
    let starter = starter.as_mut().expect("`sleep` can be run");
    let input = starter.stdout.take().expect("it is piped");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/postgres");
    let mut script = Command::new(script)
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .expect("`services/postgres` can be run");
    let mut url = String::new();
    let output = script.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut url).expect("a URL");
    let (_, folder) = url.trim_end().split_once("host=").expect("a socket");
    assert!(Path::new(folder).exists());

    starter.kill().expect("it runs");
    starter.wait().expect("it ends");
    script.wait().expect("it ends as well");
    assert!(!Path::new(folder).exists());
}
