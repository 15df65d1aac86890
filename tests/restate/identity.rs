//! Identity keys: a service with one answers only the server that signs with it.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use saga_restate::Client;
use saga_restate::testing::{Server, ServerError};

use crate::service::Service;
use crate::services::{Desk, Order, endpoint};

/// The keys of the first two tests of RFC 8032, which everybody knows.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "publickeyv1_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z";
const OF_SOMEBODY_ELSE: &str = "publickeyv1_586Z7H2vpX9qNhN2T4e9Utugie3ogjbxzGaMtM3E6HR5";

/// A server that signs its requests.
async fn signing() -> (Server, tempfile::TempDir) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("private.pem");
    std::fs::write(&file, PRIVATE).expect("it can be written");
    let file = file.to_str().expect("it is UTF-8");
    let name = "RESTATE_WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE";
    let server = Server::start_with([(name, file)]).await;
    (server.expect("a server"), folder)
}

/// The answer of a service to a request without a signature.
async fn unsigned(service: &Service, method: Method, path: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", service.url()))
        .body(Full::<Bytes>::default())
        .expect("it is a request");
    let client = HttpClient::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let answer = client.request(request).await.expect("an answer");
    answer.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_key_does_what_the_server_signs_and_nothing_else() {
    let (server, _folder) = signing().await;
    let desk = Desk::default();
    let locked = endpoint(&desk).identity_key(PUBLIC).expect("it is a key");
    let service = Service::start(locked).await;
    let run = "/invoke/order/run";
    assert_eq!(unsigned(&service, Method::POST, run).await, 401);
    assert_eq!(unsigned(&service, Method::GET, "/discover").await, 401);
    assert_eq!(unsigned(&service, Method::GET, "/health").await, 401);

    // Another server signs nothing, and does not even learn of the sagas.
    let another = Server::start().await.expect("a server");
    assert!(matches!(
        another.register(&service.url()).await,
        Err(ServerError::Refused { .. })
    ));

    server.register(&service.url()).await.expect("it is signed");
    let client = Client::connect(&server.ingress()).expect("an address");
    let article = "tea".to_owned();
    let ordered = client.execute("order-1", &Order { article }).await;
    assert_eq!(ordered.expect("nothing is wrong"), "tea");
    assert_eq!(desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_refuses_what_is_signed_with_another_key_and_may_have_several() {
    let (server, _folder) = signing().await;
    let desk = Desk::default();
    let locked = endpoint(&desk).identity_key(OF_SOMEBODY_ELSE);
    let service = Service::start(locked.expect("it is a key")).await;
    assert!(matches!(
        server.register(&service.url()).await,
        Err(ServerError::Refused { .. })
    ));
    let both = endpoint(&desk)
        .identity_key(OF_SOMEBODY_ELSE)
        .and_then(|one| one.identity_key(PUBLIC));
    let service = Service::start(both.expect("they are keys")).await;
    server.register(&service.url()).await.expect("it is signed");
    assert_eq!(desk.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_caller_that_may_ask_a_service_may_ask_for_its_health() {
    let service = Service::start(endpoint(&Desk::default())).await;
    assert_eq!(unsigned(&service, Method::GET, "/health").await, 200);
}

#[test]
fn what_is_no_key_is_an_error_that_says_so() {
    for text in ["", "publickeyv1_", "publickeyv1_0OIl", "secret"] {
        let error = endpoint(&Desk::default()).identity_key(text);
        let error = error.expect_err("it is no key").to_string();
        assert!(error.starts_with("not a Restate identity key: "), "{error}");
    }
}
