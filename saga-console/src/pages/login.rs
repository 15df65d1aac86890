//! The page that asks for the token of the console.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{Extensions, StatusCode, Uri};
use axum::response::Response;
use maud::html;

use crate::answers::{TOKEN_COOKIE, see_other, with_cookie};
use crate::desk::Desk;
use crate::form::Fields;
use crate::pages::layout::{Base, page};

pub(crate) fn login(uri: &Uri, extensions: &Extensions, is_wrong: bool) -> Response {
    let whole = extensions.get::<OriginalUri>();
    let base = Base::new(whole.map_or(uri, |OriginalUri(whole)| whole), uri);
    ask(&base, is_wrong)
}

fn ask(base: &Base, is_wrong: bool) -> Response {
    let body = html! {
        h1 { "Sagas" }
        @if is_wrong { p.message.bad role="alert" { "This is not the token." } }
        form method="post" action=(base.to("login")) {
            div.row {
                label { "Token of this console" input name="token" type="password" required autocomplete="current-password"; }
                button { "Log in" }
            }
        }
    };
    let mut answer = page(base, "Log in", None, &body);
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer
}

pub(crate) async fn log_in(State(desk): State<Arc<Desk>>, base: Base, body: Bytes) -> Response {
    let fields = Fields::parse(&body);
    let token = fields.get("token");
    if !desk.admits(Some(token.as_bytes())) {
        return ask(&base, true);
    }
    with_cookie(see_other(&base.home()), TOKEN_COOKIE, token)
}
