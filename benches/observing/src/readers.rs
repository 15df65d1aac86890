//! The cost of a console that five readers watch: each follows a page, and loads pages anew every second, as a browser does.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use saga_console::Console;
use saga_runtime::journal::Sqlite;
use saga_runtime::operator::Operator;
use tokio::net::TcpListener;

use crate::load;
use crate::rounds::Rounds;

const READERS: usize = 5;
const IN_FLIGHT: usize = 64;

/// What a reader follows, and which pages it loads.
const PAGES: [(&str, &str); 3] = [
    ("/live", "/"),
    ("/live?q=state%3Drunning", "/sagas?q=state%3Drunning"),
    ("/live", "/sagas"),
];

/// Measures with readers and without, and prints both.
pub(crate) fn measure(rounds: usize, before: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let speed = runtime.block_on(async {
        let coordinator = load::start(Sqlite::open(folder.path().join("sagas.db")).await?).await?;
        load::sagas_per_second(&coordinator, 256, before.div_ceil(256)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let console = Console::new(Operator::of(&coordinator));
        let console = tokio::spawn(console.serve(listener, std::future::pending()));
        // So many that a round takes two seconds or so.
        let speed = load::sagas_per_second(&coordinator, IN_FLIGHT, 100).await?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a small positive number"
        )]
        let each = (speed * 2.0) as usize / IN_FLIGHT;
        let mut speed = Rounds::default();
        for _ in 0..rounds {
            let without = load::sagas_per_second(&coordinator, IN_FLIGHT, each).await?;
            speed.without.push(without);
            let mut readers = Command::new(std::env::current_exe()?)
                .args(["read", &address.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let with = load::sagas_per_second(&coordinator, IN_FLIGHT, each).await?;
            speed.with.push(with);
            drop(readers.stdin.take());
            let output = readers.wait_with_output()?;
            ensure!(output.status.success(), "the readers have failed");
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
        console.abort();
        coordinator.shutdown().await;
        anyhow::Ok(speed)
    })?;
    println!(
        "console, {IN_FLIGHT} in flight on a file after {before} sagas, {READERS} readers, sagas per second: {speed}"
    );
    Ok(())
}

/// Five readers, until the input ends. Prints how many pages they have got.
pub(crate) fn read(address: SocketAddr) -> anyhow::Result<()> {
    let loads: Vec<_> = (0..READERS)
        .map(|number| {
            let (live, page) = PAGES[number % PAGES.len()];
            thread::spawn(move || drop(follow(address, live)));
            let (count, counted) = std::sync::mpsc::channel();
            thread::spawn(move || {
                while let Ok(bytes) = load(address, page) {
                    if count.send(bytes).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_secs(1));
                }
            });
            counted
        })
        .collect();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    let pages: Vec<usize> = loads
        .iter()
        .flat_map(|counted| counted.try_iter())
        .collect();
    ensure!(pages.len() >= READERS, "each reader gets a page");
    println!("{READERS} readers: {} pages", pages.len());
    Ok(())
}

fn request(address: SocketAddr, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    Ok(stream)
}

/// Holds a page's stream of news, whatever it says.
fn follow(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    std::io::copy(&mut request(address, path)?, &mut std::io::sink())?;
    Ok(())
}

/// Loads a page, and says how long it is.
pub(crate) fn load(address: SocketAddr, path: &str) -> anyhow::Result<usize> {
    let mut page = String::new();
    request(address, path)?.read_to_string(&mut page)?;
    let status = page.lines().next().context("there is an answer")?;
    ensure!(status.contains(" 200 "), "{path}: {status}");
    Ok(page.len())
}
