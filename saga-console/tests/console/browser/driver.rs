//! A headless Chromium behind its driver, which speaks `WebDriver` over HTTP.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The time in which a page has to show something.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub(super) async fn start() -> Self {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut driver =
            driver.expect("`make services` has installed chromium and chromium-driver");
        let out = driver.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(out).lines();
        let port = loop {
            let line = lines.next_line().await.expect("it can be read");
            let line = line.expect("the driver says its port before it ends");
            let Some((_, port)) = line.split_once("successfully on port ") else {
                continue;
            };
            break port.trim_end_matches('.').parse().expect("it is a port");
        };
        // The driver must not wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = TempDir::new().expect("there is room");
        let directory = profile.path().display();
        let capabilities = json!({
            "capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"performance": "ALL"},
                "goog:chromeOptions": {"args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--window-size=1200,900", "--hide-scrollbars",
                    format!("--user-data-dir={directory}"),
                ]},
            }},
        });
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let session = browser.ask("POST", "/session", &capabilities).await;
        let session = session["sessionId"].as_str().expect("it has an id");
        browser.session = format!("/session/{session}");
        browser
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await;
        let mut stream = BufReader::new(stream.expect("the driver listens"));
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the driver reads");
        // The driver keeps the connection open.
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream
                .read_line(&mut line)
                .await
                .expect("the driver answers");
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().expect("it is a number");
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream
            .read_exact(&mut body)
            .await
            .expect("the driver answers");
        let body = String::from_utf8_lossy(&body);
        assert!(head.starts_with("http/1.1 200"), "{path}: {body}");
        let mut body: Value = serde_json::from_str(&body).expect("it is JSON");
        body["value"].take()
    }

    async fn asks(&self, command: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}/{command}", self.session), body)
            .await
    }

    pub(super) async fn opens(&self, url: &str) {
        self.asks("url", &json!({ "url": url })).await;
    }

    /// Runs a script in the page.
    pub(super) async fn runs(&self, script: &str) -> Value {
        self.asks("execute/sync", &json!({"script": script, "args": []}))
            .await
    }

    pub(super) async fn clicks(&self, selector: &str) {
        let script =
            json!({"script": "document.querySelector(arguments[0]).click()", "args": [selector]});
        self.asks("execute/sync", &script).await;
    }

    /// Waits until the page has this text.
    pub(super) async fn shows(&self, text: &str) {
        let script = "return document.body ? document.body.innerText : ''";
        let showing = async {
            loop {
                let shown = self.runs(script).await;
                if shown.as_str().is_some_and(|shown| shown.contains(text)) {
                    return;
                }
            }
        };
        let is_shown = tokio::time::timeout(PATIENCE, showing).await.is_ok();
        assert!(
            is_shown,
            "{text:?} is not shown: {}",
            self.runs(script).await
        );
    }

    /// Has the page think that the screen is so wide.
    pub(super) async fn is_wide(&self, pixels: u32) {
        let params =
            json!({"width": pixels, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": params});
        self.asks("goog/cdp/execute", &command).await;
    }

    /// Presses a key once: a character, or a code of the `WebDriver` standard.
    pub(super) async fn presses(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.asks("actions", &json!({ "actions": [keyboard] }))
            .await;
    }

    /// Sets the colour scheme that the user prefers.
    pub(super) async fn prefers(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let command =
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.asks("goog/cdp/execute", &command).await;
    }

    /// The addresses that pages have asked for.
    pub(super) async fn asked(&self) -> Vec<String> {
        let log = self.asks("se/log", &json!({"type": "performance"})).await;
        let messages = log.as_array().expect("it is a list").iter();
        let messages = messages.filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let url = &message["params"]["request"]["url"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| url.as_str().map(str::to_owned))?
        });
        messages.collect()
    }

    /// Takes a picture of what the window shows, as a PNG file.
    pub(super) async fn takes_picture(&self, path: &Path) {
        let path_in_driver = format!("{}/screenshot", self.session);
        let picture = self.ask("GET", &path_in_driver, &json!({})).await;
        let picture = decoded(picture.as_str().expect("it is base64"));
        assert!(picture.starts_with(b"\x89PNG"), "it is a PNG file");
        std::fs::write(path, picture).expect("there is room");
    }

    pub(super) async fn ends(mut self) {
        self.ask("DELETE", &self.session, &json!({})).await;
        self.driver.kill().await.expect("it runs");
    }
}

/// The bytes of a text in base64.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| {
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        u32::try_from(value).ok()
    });
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        bits = bits << 6 | digit;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend(u8::try_from(bits >> count));
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
