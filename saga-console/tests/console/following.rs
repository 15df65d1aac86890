//! A page follows the journal.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use saga_console::Console;
use tower::ServiceExt;

use crate::stage::stage;

#[tokio::test]
async fn a_page_hears_of_a_change_and_of_nothing_else() {
    let stage = stage(0, Console::writable).await;
    tokio::time::pause();
    let request = Request::get("/sagas/live?saga=approval-1").body(Body::empty());
    let request = request.expect("it is a request");
    let answer = stage
        .app
        .clone()
        .oneshot(request)
        .await
        .expect("it answers");
    let mut body = answer.into_body();
    // Keep-alives are comments.
    let first = body.frame().await.expect("it goes on").expect("it works");
    assert_eq!(first.into_data().expect("it is data"), ":\n\n");
    let event = saga_runtime::EventName::<bool>::new("approved");
    stage
        .coordinator
        .send("approval-1", event, &true)
        .await
        .expect("it waits");
    loop {
        let frame = body.frame().await.expect("it goes on").expect("it works");
        let data = frame.into_data().expect("it is data");
        if data != ":\n\n" {
            assert_eq!(data, "data: changed\n\n");
            break;
        }
    }
}
