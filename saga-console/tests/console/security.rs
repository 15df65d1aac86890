//! What keeps others out. Each of these fails without its check.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::http::{StatusCode, header};
use saga_console::{Console, ServeError};
use saga_runtime::journal::{Memory, State};
use saga_runtime::operator::Operator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing::Dispatch;

use crate::stage::{Stage, stage};

const RETRY: &str = r#"{"command":"retry","reason":"the bank is open","by":"ann"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

async fn retry(stage: &Stage, headers: &[(&str, &str)]) -> StatusCode {
    let path = "/sagas/api/sagas/order-0/commands";
    stage.post(path, headers, RETRY).await.status
}

#[tokio::test]
async fn a_console_is_read_only_until_it_is_made_writable() {
    let stage = stage(1, |console| console).await;
    assert_eq!(retry(&stage, &[JSON]).await, StatusCode::FORBIDDEN);
    let answer = stage
        .post("/sagas/saga/order-0", &[], "command=abandon")
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let page = stage.get("/sagas/saga/order-0", &[]).await.text;
    assert!(
        page.contains("read-only") && !page.contains("<form"),
        "{page}"
    );
    assert_eq!(
        stage.coordinator.status("order-0").await.expect("it works"),
        Some(State::Stuck)
    );
}

#[tokio::test]
async fn a_token_is_asked_for_everywhere() {
    let stage = stage(1, |console| console.writable().token("secret")).await;
    for path in [
        "/sagas",
        "/sagas/sagas",
        "/sagas/saga/order-0",
        "/sagas/bulk",
        "/sagas/live",
        "/sagas/api/sagas",
    ] {
        let answer = stage.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!answer.text.contains("order-0"), "{path}");
    }
    for wrong in ["", "secre", "secrets", "SECRET"] {
        let header = format!("Bearer {wrong}");
        let status = retry(&stage, &[JSON, ("authorization", &header)]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        let login = stage
            .post("/sagas/login", &[], &format!("token={wrong}"))
            .await;
        assert_eq!(login.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(!login.headers.contains_key(header::SET_COOKIE), "{wrong}");
    }
    assert_eq!(
        retry(&stage, &[JSON, ("authorization", "Bearer secret")]).await,
        StatusCode::OK
    );
    let login = stage.post("/sagas/login", &[], "token=secret").await;
    assert_eq!(login.status, StatusCode::SEE_OTHER);
    let cookie = login.header(header::SET_COOKIE);
    let (cookie, attributes) = cookie.split_once("; ").expect("it has attributes");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    assert_eq!(
        stage.get("/sagas", &[("cookie", cookie)]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn any_text_is_a_token() {
    let token = "a;b \u{fc}";
    let stage = stage(0, |console| console.token(token)).await;
    let login = stage.post("/sagas/login", &[], "token=a%3Bb+%C3%BC").await;
    assert_eq!(login.status, StatusCode::SEE_OTHER);
    let cookie = login.header(header::SET_COOKIE).split("; ").next();
    let cookie = [("cookie", cookie.expect("it has a cookie"))];
    let page = stage.get("/sagas", &cookie).await;
    assert_eq!(page.status, StatusCode::OK, "{cookie:?}");
    for (token, status) in [
        (token, StatusCode::OK),
        ("a", StatusCode::UNAUTHORIZED),
        ("a%3Bb%20%C3%BC", StatusCode::UNAUTHORIZED),
    ] {
        let header = format!("Bearer {token}");
        let answer = stage
            .get("/sagas/api/counts", &[("authorization", &header)])
            .await;
        assert_eq!(answer.status, status, "{token}");
    }
}

/// The address of such a request has the host, and its cookies may stand in several headers.
#[tokio::test]
async fn log_ins_and_forms_work_over_http_2() {
    let stage = stage(1, |console| console.writable().token("secret")).await;
    let same = ("origin", "http://localhost:1");
    let evil = ("origin", "http://evil.example");
    let login = async |origin| {
        let to = "http://localhost:1/sagas/login";
        stage.post(to, &[origin], "token=secret").await
    };
    assert_eq!(login(evil).await.status, StatusCode::FORBIDDEN);
    let login = login(same).await;
    assert_eq!(login.status, StatusCode::SEE_OTHER);
    let cookie = login.header(header::SET_COOKIE).split("; ").next();
    let cookies = [
        ("cookie", "theme=dark"),
        ("cookie", cookie.expect("it has a cookie")),
    ];
    let path = "http://localhost:1/sagas/saga/order-0";
    let page = stage.get(path, &cookies).await;
    assert_eq!(page.status, StatusCode::OK);
    let token = page.form_token();
    let form = format!("form={token}&command=abandon&reason=closed&by=ann");
    for (origin, status) in [(evil, StatusCode::FORBIDDEN), (same, StatusCode::SEE_OTHER)] {
        let headers = [&cookies[..], &[origin]].concat();
        let answer = stage.post(path, &headers, &form).await;
        assert_eq!(answer.status, status, "{origin:?}");
    }
    stage.becomes("order-0", State::Abandoned).await;
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let stage = stage(1, Console::writable).await;
    let fields = "command=abandon&reason=fun&by=eve";
    let page = "/sagas/saga/order-0";
    for form in [
        fields.to_owned(),
        format!("form=&{fields}"),
        format!("form={}&{fields}", "0".repeat(64)),
    ] {
        let answer = stage.post(page, &[], &form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}");
    }
    let form = stage.form(page, fields).await;
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = stage
            .post(page, &[("host", "localhost"), (name, value)], &form)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    assert_eq!(
        stage.coordinator.status("order-0").await.expect("it works"),
        Some(State::Stuck)
    );
    let same = [
        ("host", "localhost:1"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "same-origin"),
    ];
    let answer = stage.post(page, &same, &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    stage.becomes("order-0", State::Abandoned).await;
}

#[tokio::test]
async fn a_form_of_another_site_is_no_json() {
    let stage = stage(1, Console::writable).await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let status = retry(&stage, &[("content-type", kind)]).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let crossing = [
        JSON,
        ("host", "localhost"),
        ("origin", "http://evil.example"),
    ];
    assert_eq!(retry(&stage, &crossing).await, StatusCode::FORBIDDEN);
    assert_eq!(retry(&stage, &[JSON]).await, StatusCode::OK);
}

#[tokio::test]
async fn pages_run_no_inline_script_and_stand_in_no_frame() {
    let stage = stage(1, |console| console.writable().payloads()).await;
    let pages = [
        "/sagas",
        "/sagas/sagas?q=state%3Dstuck",
        "/sagas/saga/order-0?payloads=yes",
        "/sagas/definitions",
        "/sagas/bulk",
        "/sagas/nowhere",
        "/sagas/saga/nothing",
        "/sagas/api/counts",
        "/sagas/style.css",
        "/sagas/live.js",
    ];
    for path in pages {
        let answer = stage.get(path, &[]).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY", "{path}");
        assert_eq!(
            answer.header(header::X_CONTENT_TYPE_OPTIONS),
            "nosniff",
            "{path}"
        );
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        // An id in an address stays here; and with `no-referrer`, a form would have no origin.
        assert_eq!(
            answer.header(header::REFERRER_POLICY),
            "same-origin",
            "{path}"
        );
        if ["/sagas/style.css", "/sagas/live.js"].contains(&path) {
            continue;
        }
        let text = answer.text.to_lowercase();
        for inline in [
            "style=",
            "onclick=",
            "onload=",
            "<style",
            "javascript:",
            "http://evil",
            "src=\"//",
        ] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
        for (at, _) in text.match_indices("<script") {
            assert!(
                text[at..].starts_with("<script src=\"/sagas/live.js\" defer></script>"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn texts_of_others_are_escaped() {
    let stage = stage(1, Console::writable).await;
    for path in ["/sagas", "/sagas/sagas", "/sagas/saga/order-0"] {
        let page = stage.get(path, &[]).await.text;
        assert!(
            page.contains("the bank &lt;script&gt;alert(1)"),
            "{path}: {page}"
        );
        assert!(!page.contains("<script>"), "{path}");
    }
    let page = stage
        .get("/sagas/sagas?q=%22%3E%3Cscript%3E", &[])
        .await
        .text;
    assert!(!page.contains("<script>"), "{page}");
    let page = stage
        .get(
            "/sagas/bulk?q=%22%3E%3Cscript%3E&target=%22%3E%3Cscript%3E",
            &[],
        )
        .await
        .text;
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn payloads_stay_folded_unless_the_service_lets_them_be_shown() {
    let stage = stage(1, |console| console).await;
    for path in [
        "/sagas/saga/order-0?payloads=yes",
        "/sagas/api/sagas/order-0?payloads=yes",
    ] {
        assert!(!stage.get(path, &[]).await.text.contains(":3}"), "{path}");
    }
    let stage = crate::stage::stage(1, Console::payloads).await;
    for path in ["/sagas/saga/order-0", "/sagas/api/sagas/order-0"] {
        assert!(!stage.get(path, &[]).await.text.contains(":3}"), "{path}");
        let asked = stage.get(&format!("{path}?payloads=yes"), &[]).await.text;
        assert!(asked.contains(":3}"), "{path}: {asked}");
    }
}

#[tokio::test]
async fn commands_and_log_ins_have_a_limit() {
    let stage = stage(0, |console| {
        console.writable().token("secret").commands_per_second(1)
    })
    .await;
    let mut limited = 0;
    for _ in 0..50 {
        let answer = stage.post("/sagas/login", &[], "token=guess").await;
        limited += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(limited > 10, "{limited} of 50 guesses were refused");
    let authorized = [("authorization", "Bearer secret")];
    for path in ["/sagas/login", "/sagas/api/pause", "/sagas/api/check"] {
        let refused = loop {
            let answer = if path.ends_with("check") {
                stage.get(path, &authorized).await
            } else {
                stage.post(path, &authorized, "{}").await
            };
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                break answer;
            }
        };
        assert_eq!(refused.header(header::RETRY_AFTER), "1", "{path}");
    }
    assert_eq!(
        stage.get("/sagas/style.css", &[]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_history_says_who_did_what() {
    let stage = stage(1, Console::writable).await;
    for (path, nameless) in [
        (
            "sagas/order-0/commands",
            r#"{"command":"retry","reason":"the bank is open","by":" "}"#,
        ),
        ("pause", r#"{"name":"sell","reason":"the bank","by":" "}"#),
        ("resume", r#"{"name":"sell","by":" "}"#),
        ("purge", r#"{"before":9999999999999,"by":" "}"#),
    ] {
        let path = format!("/sagas/api/{path}");
        let answer = stage.post(&path, &[JSON], nameless).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    stage.bank.opens();
    assert_eq!(retry(&stage, &[JSON]).await, StatusCode::OK);
    stage.becomes("order-0", State::Compensated).await;
    let page = stage.get("/sagas/saga/order-0", &[]).await.text;
    assert!(
        page.contains("retried by hand: the bank is open (by ann)"),
        "{page}"
    );
}

/// While a process has one subscriber, what another thread meets first is off in all threads. So there is another one.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// A log that a test reads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_who_did_what_and_whether_it_was_accepted() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    LazyLock::force(&ANOTHER);
    let _logged = tracing::subscriber::set_default(subscriber);
    let stage = stage(1, Console::writable).await;
    stage.bank.opens();
    assert_eq!(retry(&stage, &[JSON]).await, StatusCode::OK);
    stage.becomes("order-0", State::Compensated).await;
    assert_eq!(retry(&stage, &[JSON]).await, StatusCode::CONFLICT);
    for (path, body) in [
        ("pause", r#"{"name":"sell","reason":"the bank","by":"bob"}"#),
        ("resume", r#"{"name":"sell","by":"cleo"}"#),
        ("purge", r#"{"before":9999999999999,"by":"dan"}"#),
    ] {
        let path = format!("/sagas/api/{path}");
        let answer = stage.post(&path, &[JSON], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let log = log.text();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("operator's"))
        .map(|line| line.trim_start().trim_start_matches("INFO saga: "))
        .collect();
    assert_eq!(
        lines,
        [
            r#"operator's command saga.id="order-0" by="ann" command=retry outcome="accepted""#,
            r#"operator's command saga.id="order-0" by="ann" command=retry outcome="final""#,
            r#"operator's command saga.name="sell" by="bob" command="pause" outcome="accepted""#,
            r#"operator's command saga.name="sell" by="cleo" command="resume" outcome="accepted""#,
            r#"operator's purge by="dan" sagas=1"#,
        ],
    );
}

#[tokio::test]
async fn a_console_by_itself_stays_on_loopback_unless_it_has_a_token() {
    let console = Console::new(Operator::read_only(Memory::new(), "it is read"));
    let listener = TcpListener::bind("0.0.0.0:0")
        .await
        .expect("there is a port");
    let refused = console
        .clone()
        .serve(listener, std::future::pending())
        .await;
    assert!(
        matches!(refused, Err(ServeError::Exposed(_))),
        "{refused:?}"
    );
    let listener = TcpListener::bind("0.0.0.0:0")
        .await
        .expect("there is a port");
    let served = console
        .clone()
        .token("secret")
        .serve(listener, async {})
        .await;
    served.expect("it has a token");

    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(console.serve(listener, async {
        let _ = stopped.await;
    }));
    for (host, status) in [
        ("evil.example", "421"),
        ("127.0.0.1.evil.example", "421"),
        ("localhost", "200"),
        ("127.0.0.1:80", "200"),
        ("[::1]:80", "200"),
    ] {
        for request in [
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n"),
            format!("GET http://{host}/ HTTP/1.1\r\n"),
        ] {
            let answer = ask(address, &request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{request}: {answer}"
            );
        }
    }
    drop(stop);
    serving.await.expect("it ends").expect("it ends well");
}

/// Sends a request that begins so, and returns the answer.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("{request}Connection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer
}
