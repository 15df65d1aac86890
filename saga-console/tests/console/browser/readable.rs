//! Each text of each page can be read, in light and dark, on a phone, and all can be done with a keyboard. Contrasts and widths are
//! measured in the browser. Pictures of pages are taken.

use std::path::Path;

use saga_console::Console;
use saga_runtime::journal::State;
use serde_json::json;

use super::driver::Browser;
use super::serve;
use crate::stage::stage;

/// The contrasts of WCAG 2.2, 1.4.3, for the computed styles of each text.
const CONTRAST: &str = include_str!("contrast.js");

const WITHOUT_MARKUP: &str = "
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replace('<script>alert(1)</script> ', '');";

const PAGES: [&str; 8] = [
    "",
    "/sagas?q=state%3Dstuck",
    "/sagas?q=nonsense",
    "/saga/order%2D0",
    "/saga/approval%2D1",
    "/saga/nothing",
    "/definitions",
    "/bulk?q=state%3Dstuck&command=retry",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_text_has_the_contrast_that_wcag_asks_for_in_light_and_dark() {
    let stage = stage(3, Console::writable).await;
    let pause = stage
        .form(
            "/sagas/definitions",
            "command=pause&name=sell&reason=the+bank+is+closed&by=ann",
        )
        .await;
    stage.post("/sagas/definitions", &[], &pause).await;
    let resolve = stage
        .form(
            "/sagas/saga/order-1",
            "command=resolve&target=charge&reason=paid+in+cash&by=ann",
        )
        .await;
    stage.post("/sagas/saga/order-1", &[], &resolve).await;
    let address = serve(&stage).await;
    let browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.prefers(scheme).await;
        for path in PAGES {
            browser
                .opens(&format!("http://{address}/sagas{path}"))
                .await;
            let found = browser.runs(CONTRAST).await;
            assert!(found["seen"].as_u64() > Some(5), "{path}: {found}");
            let faint = found["faint"].as_array().expect("it is a list");
            assert!(faint.is_empty(), "{scheme} {path}: {faint:#?}");
        }
    }
    let faint = "document.body.style.color = '#888'; document.body.style.background = '#999';";
    let found = browser.runs(&format!("{faint}{CONTRAST}")).await;
    let is_found = found["faint"]
        .as_array()
        .is_some_and(|faint| !faint.is_empty());
    assert!(is_found, "the measure finds what is hard to read");
    for (scheme, path, name) in [
        ("light", "", "overview"),
        ("dark", "/saga/order%2D0", "saga-dark"),
    ] {
        browser.prefers(scheme).await;
        browser
            .opens(&format!("http://{address}/sagas{path}"))
            .await;
        // Readers of the README need not know what a bank of a test says.
        browser.runs(WITHOUT_MARKUP).await;
        browser.takes_picture(&picture(name)).await;
    }
    browser.ends().await;
}

/// A page that is wider than the screen has to be pushed to and fro with each line. A wide table scrolls by itself.
#[tokio::test(flavor = "multi_thread")]
async fn each_page_fits_on_a_phone() {
    let stage = stage(3, Console::writable).await;
    let address = serve(&stage).await;
    let browser = Browser::start().await;
    browser.is_wide(390).await;
    for path in PAGES {
        browser
            .opens(&format!("http://{address}/sagas{path}"))
            .await;
        let page =
            "const page = document.documentElement; return [page.clientWidth, page.scrollWidth]";
        assert_eq!(browser.runs(page).await, json!([390, 390]), "{path}");
    }
    browser.ends().await;
}

/// The codes of keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_saga_is_resolved_with_the_keyboard_alone() {
    let stage = stage(1, Console::writable).await;
    let address = serve(&stage).await;
    let browser = Browser::start().await;
    browser.opens(&format!("http://{address}/sagas")).await;
    reaches(&browser, "a[href$='/saga/order%2D0']").await;
    browser.presses(ENTER).await;
    browser.shows("charge").await;
    let form = "form:has([value=resolve])";
    reaches(&browser, "details:has([value=resolve]) > summary").await;
    browser.presses(ENTER).await;
    for (name, text) in [("reason", "paid in cash"), ("by", "ann")] {
        reaches(&browser, &format!("{form} [name={name}]")).await;
        for character in text.chars() {
            browser.presses(&character.to_string()).await;
        }
    }
    browser.presses(ENTER).await;
    stage.becomes("order-0", State::Compensated).await;
    browser
        .shows("charge undone by hand: paid in cash (by ann)")
        .await;
    browser.ends().await;
}

/// Goes from one place to the next by the key Tab, until it is at this one, where the focus can be seen.
async fn reaches(browser: &Browser, selector: &str) {
    for _ in 0..100 {
        browser.presses(TAB).await;
        let is_there = format!("return document.activeElement.matches(\"{selector}\")");
        if browser.runs(&is_there).await == true {
            let outline = "return getComputedStyle(document.activeElement).outlineStyle";
            assert_ne!(browser.runs(outline).await, "none", "{selector}");
            return;
        }
    }
    panic!("the keyboard does not reach {selector}");
}

/// The file for a picture: one of this run, or with `BLESS=1` the one in the README.
fn picture(name: &str) -> std::path::PathBuf {
    let directory = if std::env::var_os("BLESS").is_some() {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console")
    } else {
        Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
    };
    std::fs::create_dir_all(&directory).expect("there is room");
    directory.join(format!("{name}.png"))
}
