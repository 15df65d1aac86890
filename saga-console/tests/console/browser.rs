//! The console in a real browser. `make services` installs Debian's Chromium and its driver.

mod driver;
mod readable;

use std::net::SocketAddr;

use saga_console::Console;
use saga_runtime::journal::State;
use tokio::net::TcpListener;

use self::driver::Browser;
use crate::stage::{Stage, stage};

async fn serve(stage: &Stage) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    let app = stage.app.clone();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Opens the form of a command, fills it in, and sends it.
async fn commands(browser: &Browser, command: &str, reason: &str) {
    let form = format!(
        "const form = [...document.querySelectorAll('form.command')].find(form => form.elements.command.value === '{command}');
         form.closest('details')?.setAttribute('open', '');
         form.elements.reason.value = '{reason}';
         form.elements.by.value = 'ann';
         form.querySelector('button').click();"
    );
    browser.runs(&form).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_understands_and_mends_sagas_in_a_browser() {
    let stage = stage(6, Console::writable).await;
    let address = serve(&stage).await;
    let browser = Browser::start().await;

    // Find the stuck saga, and read why.
    browser.opens(&format!("http://{address}/sagas")).await;
    browser.clicks("a[href$='/saga/order%2D0']").await;
    browser
        .shows("the bank <script>alert(1)</script> is closed")
        .await;
    let picture = "return document.querySelectorAll('svg.picture rect').length > 2";
    assert_eq!(browser.runs(picture).await, true);

    // Resolve it. The page follows the journal without being loaded again by hand.
    commands(&browser, "resolve", "paid in cash").await;
    browser.shows("The decision is recorded.").await;
    stage.becomes("order-0", State::Compensated).await;
    browser
        .shows("charge undone by hand: paid in cash (by ann)")
        .await;
    browser.shows("order-0 compensated").await;

    // Approve the one that waits.
    browser
        .opens(&format!("http://{address}/sagas/saga/approval-1"))
        .await;
    browser.shows("Waits for event:approved").await;
    commands(&browser, "send", "asked by phone").await;
    stage.becomes("approval-1", State::Completed).await;
    browser.shows("approval-1 completed").await;

    // Filter, and mend the rest with one reason.
    browser
        .opens(&format!("http://{address}/sagas/sagas"))
        .await;
    browser.runs("document.querySelector('input[name=q]').value = 'state=stuck'; document.querySelector('form button').click()").await;
    browser.shows("order-5").await;
    let rows = "return document.querySelectorAll('table.list tbody tr').length";
    assert_eq!(browser.runs(rows).await, 5);
    stage.bank.opens();
    browser
        .opens(&format!(
            "http://{address}/sagas/bulk?q=state%3Dstuck&command=retry"
        ))
        .await;
    commands(&browser, "retry", "the bank is open").await;
    browser.shows("5 of 5 sagas would accept the command").await;
    browser.clicks("button[name=really]").await;
    browser
        .shows("5 of 5 sagas have accepted the command")
        .await;
    for number in 1..6 {
        stage
            .becomes(&format!("order-{number}"), State::Compensated)
            .await;
    }

    // In the dark.
    let back = "return getComputedStyle(document.body).backgroundColor";
    browser.prefers("light").await;
    assert_eq!(browser.runs(back).await, "rgb(255, 255, 255)");
    browser.prefers("dark").await;
    assert_eq!(browser.runs(back).await, "rgb(20, 24, 29)");

    let asked = browser.asked().await;
    assert!(asked.len() > 10, "{asked:?}");
    let here = format!("http://{address}/");
    // The first tab of the browser shows a page of its own.
    let is_own = |url: &str| ["data:", "chrome:"].iter().any(|own| url.starts_with(own));
    let elsewhere: Vec<_> = asked
        .iter()
        .filter(|url| !url.starts_with(&here) && !is_own(url))
        .collect();
    assert!(elsewhere.is_empty(), "requests to others: {elsewhere:?}");
    browser.ends().await;
}
