//! The mistakes that `saga!` finds itself outside of bodies: the first line of each message.

use syn::parse_str;

use super::{check, check::struct_name, parse::SagaSyntax};
use crate::errors::Errors;
use crate::source::Source;

const PLACE_ORDER: &str = "async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> \
    { create_order(cx, &request).await }";

/// The messages for a saga.
fn messages(saga: &str) -> Vec<String> {
    let mut errors = Errors::default();
    if let Some(syntax) = errors.ok(parse_str::<SagaSyntax>(saga)) {
        check::check(&syntax, &Source::default(), &mut errors);
    }
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    errors.messages().into_iter().map(first_line).collect()
}

#[track_caller]
fn options(cases: &[(&str, &[&str])]) {
    for (options, expected) in cases {
        assert_eq!(
            messages(&format!("{options} {PLACE_ORDER}")),
            *expected,
            "{options}"
        );
    }
}

/// Signatures without their bodies.
#[track_caller]
fn signatures(cases: &[(&str, &[&str])]) {
    for (signature, expected) in cases {
        assert_eq!(
            messages(&format!("{signature} {{ a(cx).await }}")),
            *expected,
            "{signature}"
        );
    }
}

#[test]
fn every_option_is_accepted() {
    options(&[
        ("", &[]),
        ("/// Sells one order.\n #[derive(Debug)]", &[]),
        (
            "#[saga(name = \"sale\", version = 2, deadline = \"30s\", crate = sagas)]",
            &[],
        ),
        (
            "#[saga(on_compensation_failure = continue, compensations = sequential)]",
            &[],
        ),
        ("#[saga(struct = Sale)]", &[]),
        (
            "#[saga(on_compensation_failure = halt)] #[saga(compensations = parallel)]",
            &[],
        ),
    ]);
}

#[test]
fn options_make_sense() {
    options(&[
        ("#[saga]", &["`#[saga]` says nothing"]),
        ("#[saga = 3]", &["`#[saga]` says nothing"]),
        (
            "#[saga(dealine = \"30s\")]",
            &["`#[saga]` has no option `dealine`"],
        ),
        (
            "#[saga(deadline = \"soon\")]",
            &["`\"soon\"` is not a duration"],
        ),
        (
            "#[saga(version = two)]",
            &["option `version` has an unexpected value"],
        ),
        (
            "#[saga(version = 1)] #[saga(version = 2)]",
            &["option `version` is given twice"],
        ),
        (
            "#[saga(compensations = last_first)]",
            &["option `compensations` has an unexpected value"],
        ),
        (
            "#[saga(on_compensation_failure)]",
            &["option `on_compensation_failure` needs a value"],
        ),
        (
            "#[saga(struct = \"Sale\")]",
            &["option `struct` has an unexpected value"],
        ),
        (
            "#[saga(name = \"\")]",
            &["`\"\"` can't be the name of a saga"],
        ),
    ]);
}

#[test]
fn a_saga_is_a_free_concrete_async_function() {
    signatures(&[
        (
            "fn f(cx: Context<'_, S>) -> Result<(), E>",
            &["saga `f` is not `async`"],
        ),
        (
            "async fn f(&self, cx: Context<'_, S>) -> Result<(), E>",
            &["saga `f` is a method"],
        ),
        (
            "async fn f<T>(cx: Context<'_, S>, x: T) -> Result<(), E>",
            &["saga `f` is generic"],
        ),
        (
            "async fn f<'a>(cx: Context<'a, S>) -> Result<(), E>",
            &["saga `f` names a lifetime"],
        ),
        (
            "async fn f() -> Result<(), E>",
            &["saga `f` has no context"],
        ),
        (
            "async fn f(x: u64) -> Result<(), E>",
            &["the first parameter of saga `f` is not its context"],
        ),
        (
            "async fn f(cx: Context<'_, S>)",
            &["saga `f` returns nothing"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> u8",
            &["saga `f` does not return a `Result`"],
        ),
        (
            "async unsafe fn f(cx: Context<'_, S>) -> Result<(), E>",
            &["saga `f` is `unsafe`"],
        ),
        (
            "async extern \"C\" fn f(cx: Context<'_, S>) -> Result<(), E>",
            &["saga `f` is `extern`"],
        ),
    ]);
}

#[test]
fn inputs_can_be_stored() {
    signatures(&[
        (
            "async fn f(cx: Context<'_, S>, mut x: u64, r#type: Option<u8>) -> Result<(), E>",
            &[],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: &u64) -> Result<(), E>",
            &["an input of saga `f` is borrowed"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: Vec<&str>) -> Result<(), E>",
            &["an input of saga `f` is borrowed"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: Option<&'static str>) -> Result<(), E>",
            &["an input of saga `f` is borrowed"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: Cow<'static, str>, y: PhantomData<&'static u8>) -> Result<(), E>",
            &[],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: impl A) -> Result<(), E>",
            &["an input of saga `f` has no concrete type"],
        ),
        (
            "async fn f(cx: Context<'_, S>, (x, y): (u8, u8)) -> Result<(), E>",
            &["an input of saga `f` has no name"],
        ),
        (
            "async fn f(cx: Context<'_, S>, #[cfg(unix)] x: u8) -> Result<(), E>",
            &["an input of saga `f` stands under `#[cfg(…)]`"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: &u8, (y, z): (u8, u8)) -> Result<(), E>",
            &[
                "an input of saga `f` is borrowed",
                "an input of saga `f` has no name",
            ],
        ),
    ]);
}

#[test]
fn a_saga_is_one_function_with_steps() {
    assert_eq!(
        messages(""),
        ["unexpected end of input, there is no function in this `saga!`"]
    );
    assert_eq!(
        messages(&format!("{PLACE_ORDER} {PLACE_ORDER}")),
        ["a `saga!` holds one function"]
    );
    assert_eq!(
        messages("async fn f(cx: Context<'_, S>) -> Result<(), E> { Ok(()) }"),
        ["saga `f` has no steps"]
    );
    assert_eq!(
        messages("async fn f(cx: Context<'_, S>) -> Result<(), E> { let x = ; }"),
        ["expected an expression"]
    );
}

#[test]
fn the_struct_has_no_name_of_a_type_in_the_signature() {
    let message = "saga `order` becomes a struct `Order`, and there is another type of this name";
    signatures(&[
        (
            "async fn order(cx: Context<'_, S>) -> Result<Order, E>",
            &[message],
        ),
        (
            "async fn order(cx: Context<'_, S>, orders: Vec<Order>) -> Result<(), E>",
            &[message],
        ),
        (
            "async fn order(cx: Context<'_, S>) -> Result<shop::Order, E>",
            &[],
        ),
        (
            "#[saga(struct = Ordering)] async fn order(cx: Context<'_, S>) -> Result<Order, E>",
            &[],
        ),
    ]);
}

#[test]
fn the_struct_is_called_like_the_function() {
    for (function, name) in [
        ("place_order", "PlaceOrder"),
        ("r#loop", "Loop"),
        ("_private", "Private"),
        ("step2_of_3", "Step2Of3"),
    ] {
        let function = parse_str(function).expect(function);
        let struct_name = struct_name(&function).map(|name| name.to_string());
        assert_eq!(struct_name.as_deref(), Some(name));
    }
}

#[test]
fn the_struct_has_a_name() {
    for function in ["_2_fast", "__", "self_"] {
        let saga = PLACE_ORDER.replace("place_order", function);
        let message = format!(
            "`{function}` can't be the name of a saga: a struct is named like it, in camel case"
        );
        assert_eq!(messages(&saga), [message]);
    }
}

#[test]
fn attributes_of_functions_do_not_stand_on_sagas() {
    options(&[
        (
            "#[tracing::instrument(skip_all)]",
            &["saga `place_order` becomes a struct, where `#[instrument]` can't stand"],
        ),
        (
            "#[step(pivot)]",
            &["saga `place_order` becomes a struct, where `#[step]` can't stand"],
        ),
        (
            "#[allow(clippy::cast_possible_wrap)] #[expect(unused)]",
            &[],
        ),
    ]);
}

#[test]
fn a_macro_does_not_get_the_context() {
    let body = |code: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ a(cx).await?; {code} Ok(()) }}"
        ))
    };
    let handed =
        "a macro gets the context, but a step that it awaits is neither recorded nor compensated";
    for code in [
        "attempt!(b(cx));",
        "let x = attempt! { b(cx) };",
        "attempt!(b with cx);",
        "if x { attempt!(b(cx, cx.id)) }",
        "let x = || async { attempt!(b(cx)) };",
    ] {
        assert_eq!(body(code), [handed], "{code}");
    }
    for code in [
        "println!(\"{cx:?} {:?}\", cx);",
        "tracing::info!(saga = %cx.saga_id(), \"begun\");",
        "let x = hash_map! { cx.saga_id() => 1 };",
        "attempt!(inner.cx);",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
}

/// The answers of the context are numbered in the order of the calls.
#[test]
fn a_macro_that_may_leave_its_arguments_out_does_not_get_recorded_answers() {
    let body = |code: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ a(cx).await?; {code} Ok(()) }}"
        ))
    };
    for (code, call) in [
        ("debug!(\"{}\", cx.now());", "`debug!` may leave `cx.now()`"),
        (
            "tracing::trace!(id = %cx.uuid(), \"begun\");",
            "`trace!` may leave `cx.uuid()`",
        ),
        (
            "if x { log!(level, \"{}\", short(cx.uuid())) }",
            "`log!` may leave `cx.uuid()`",
        ),
        (
            "debug_assert!(!(x > cx.now()));",
            "`debug_assert!` may leave `cx.now()`",
        ),
        (
            "event!(Level::INFO, at = ?cx.now());",
            "`event!` may leave `cx.now()`",
        ),
        (
            "let s = span!(Level::INFO, \"s\", at = ?cx.now());",
            "`span!` may leave `cx.now()`",
        ),
        ("warn!(\"{}\", cx.now());", "`warn!` may leave `cx.now()`"),
        ("attempt!(cx.now());", "`attempt!` may leave `cx.now()`"),
        (
            "println!(\"{:?}\", { debug!(\"{}\", cx.now()); 1 });",
            "`debug!` may leave `cx.now()`",
        ),
        (
            "debug!(\"{}\", format!(\"{}\", cx.now()));",
            "`debug!` may leave `cx.now()`",
        ),
        (
            "let x = || { debug!(\"{}\", cx.now()) };",
            "`debug!` may leave `cx.now()`",
        ),
        (
            "macro_rules! at { () => { debug!(\"{}\", cx.now()) } }",
            "`debug!` may leave `cx.now()`",
        ),
    ] {
        let expected = format!("{call} out, and later answers would differ in a replay");
        assert_eq!(body(code), [expected], "{code}");
    }
    for code in [
        "println!(\"{} {}\", cx.now(), cx.uuid());",
        "let x = vec![format!(\"{}\", cx.uuid())];",
        "assert!(if !(x > cx.now()) { y } else { z }, \"{}\", cx.now());",
        "debug!(\"{} {} {cx:?}\", cx.saga_id(), cx.saga_name());",
        "let now = cx.now(); debug!(\"{now} {}\", inner.cx.now());",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
}

#[test]
fn a_macro_that_the_body_defines_does_not_see_the_context() {
    let body = |code: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ a(cx).await?; {code} Ok(()) }}"
        ))
    };
    let seen = "a macro in the body uses the context, but a step that it awaits is neither recorded nor compensated";
    for code in [
        "macro_rules! pay { ($o:expr) => { charge(cx, $o).await? } } pay!(1);",
        "macro_rules! pay { () => { charge(cx).await? }; ($o:expr) => { $o } }",
        "macro_rules! alias { () => { let other = cx; } }",
        "if x { macro_rules! pay { () => { charge(cx).await? } } pay!(); }",
        "for x in y { macro_rules! pay { () => { charge(cx).await? } } pay!(); }",
        "let x = { macro_rules! pay { () => { charge(cx).await? } } pay!() };",
        "let x = || { macro_rules! pay { () => { charge(cx) } } pay!() };",
    ] {
        assert_eq!(body(code), [seen], "{code}");
    }
    for code in [
        "macro_rules! double { ($x:expr) => { $x * 2 } } let x = double!(3);",
        "macro_rules! tomorrow { () => { cx.now() + DAY } } let x = tomorrow!();",
        "fn plain(cx: u32) -> u32 { cx }",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
}

/// Twenty ways to hide a step or a service from the saga. Rustc refuses the ones with a `Context` of another name: `cx` has
/// another type in a body.
#[test]
fn only_awaited_calls_get_the_context_and_no_service_is_seen() {
    let body = |code: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ a(cx).await?; {code} Ok(()) }}"
        ))
    };
    let alone =
        "only the call of a step gets the context, as its first argument, where it is awaited";
    for code in [
        "let c = cx;",
        "let c = &cx;",
        "let c; c = cx;",
        "let (c, x) = (cx, 1);",
        "let c = Holder { cx: cx };",
        "let c = if x { cx } else { panic!() };",
        "let c = loop { break cx };",
        "let c = || cx;",
        "let c = move || { let c = cx; };",
        "match cx { c => {} }",
        "for c in [cx] {}",
        "charge(1, cx).await?;",
        "order.pay(cx);",
        "println!(\"{}\", name(cx));",
        "println!(\"{}\", attempt!(b(cx)));",
        "let c: Context<'_, S> = cx;",
        "let c = *&cx;",
        "return Err(E::from(&cx));",
        "charge({ cx }).await?;",
        "let c = vec![charge(cx)];",
    ] {
        assert_eq!(body(code), [alone], "{code}");
    }
    for (code, call) in [
        ("let payment = charge(cx, &order);", "charge"),
        ("charge(cx, &order)?;", "charge"),
        (
            "let all = orders.iter().map(|order| shop::charge(cx, order));",
            "shop::charge",
        ),
        (
            "let x = try_join_all(1, &orders, |order| charge(cx, price(cx, order))).await?;",
            "price",
        ),
        ("futures::block_on(charge(cx, &order));", "charge"),
        ("let f = |x| charge(cx, x);", "charge"),
        ("let x = helper(cx);", "helper"),
        ("if is_open(cx) {}", "is_open"),
        ("ship(cx, charge(cx, &order)).await?;", "charge"),
    ] {
        let expected = format!("`{call}` gets the context, but is not awaited");
        assert_eq!(body(code), [expected], "{code}");
    }
    for (code, name) in [
        ("if x > cx.limit {}", "limit"),
        ("let x = cx.settings.limit;", "settings"),
        ("let x = cx.price();", "price"),
        ("let x = cx.services().price();", "services"),
        ("let x = || cx.limit;", "limit"),
        ("charge(cx, cx.limit).await?;", "limit"),
        ("println!(\"{}\", cx.limit);", "limit"),
        (
            "if x { tracing::info!(limit = cx.limit, \"begun\"); }",
            "limit",
        ),
        ("let x = cx.idempotency_key();", "idempotency_key"),
        (
            "macro_rules! limit { () => { cx.limit } } let x = limit!();",
            "limit",
        ),
        (
            "let x = try_join_all(cx.limit, &orders, |order| charge(cx, order)).await?;",
            "limit",
        ),
        (
            "let x = try_join_all(1, &orders, |order| charge(cx, cx.limit)).await?;",
            "limit",
        ),
    ] {
        let expected =
            format!("the body of a saga does not see its services, so it has no `{name}`");
        assert_eq!(body(code), [expected], "{code}");
    }
    for code in [
        "let x = (cx.now(), cx.uuid(), cx.saga_id(), cx.saga_name());",
        "let x = |order| order + cx.now();",
        "charge(cx, cx.uuid()).await?;",
        "let x = order.cx.limit;",
        "let cx = 5; let x = cx + 1;",
        "let x = orders.iter().map(|cx| cx.limit);",
        "let x = try_join!(charge(cx, 1), try_join!(b(cx), shop::c(cx, 2)))?;",
        "dbg!(cx);",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
}

#[test]
fn a_pattern_that_binds_the_name_of_the_context_hides_it() {
    let body = |code: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ a(cx).await?; {code} Ok(()) }}"
        ))
    };
    for code in [
        "let x = match order { Some(cx) if cx.limit > 1 => cx.limit, None => 0 };",
        "if let Some(cx) = order && cx.limit > 1 && let Some(x) = cx.limit { f(cx.limit); }",
        "while let Some(cx) = orders.next() && cx.limit > 1 { f(cx); }",
        "for cx in orders { f(cx); }",
        "for (cx, x) in [(1, 2)] { println!(\"{}\", name(cx)); }",
        "let x = try_join_all(1, &orders, |cx| charge(order, cx.limit)).await?;",
        "let f = |x| match x { cx => cx.limit };",
        "let f = |x| if let Some(cx) = x && cx.limit > 1 { cx.limit } else { 0 };",
        "let f = |x| { while let Some(cx) = x.next() { f(cx); } for cx in x { f(cx); } };",
        "let f = |x| { let cx = x; cx.limit };",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
    let seen = "the body of a saga does not see its services, so it has no `limit`";
    for code in [
        "let x = match cx.limit { cx => 1 };",
        "match order { cx => {} } f(cx.limit);",
        "match order { Some(cx) => {}, None => f(cx.limit) }",
        "match order { x if orders.iter().any(|cx| cx.a) => f(cx.limit), _ => {} }",
        "if let Some(cx) = order {} else { f(cx.limit) }",
        "if let Some(cx) = order {} f(cx.limit);",
        "while let Some(cx) = order {} f(cx.limit);",
        "for cx in cx.limit {}",
        "for cx in orders {} f(cx.limit);",
        "let f = |x| { for cx in cx.limit {} };",
        "let f = |x| { match x { cx => {} } cx.limit };",
        "let f = |x| { if let Some(cx) = x {} else { f(cx.limit) } };",
        "let f = |x| { { let cx = x; } cx.limit };",
        "let x = try_join_all(1, &orders, |cx| b(cx)).await?; f(cx.limit);",
    ] {
        assert_eq!(body(code), [seen], "{code}");
    }
}

#[test]
fn a_body_may_begin_with_levels_of_lints() {
    let body = |attributes: &str| {
        messages(&format!(
            "async fn f(cx: Context<'_, S>) -> Result<(), E> {{ {attributes} a(cx).await }}"
        ))
    };
    for code in [
        "#![allow(clippy::all)]",
        "#![expect(unused, reason = \"x\")] #![deny(unused)]",
    ] {
        assert_eq!(body(code), [""; 0], "{code}");
    }
    let other = "only levels of lints can stand at the beginning of a saga's body";
    assert_eq!(body("#![allow(unused)] #![inline]"), [other]);

    let saga = "async fn f(cx: Context<'_, S>) -> Result<(), E> { #![allow(clippy::all)] #![warn(unused)] a(cx).await }";
    let tokens: proc_macro2::TokenStream = parse_str(saga).expect(saga);
    for expand in [super::expand, super::in_an_editor] {
        let expanded = expand(&tokens, &Source::default());
        let file: syn::File = syn::parse2(expanded).expect("it parses");
        let text = quote::quote!(#file).to_string();
        assert!(text.contains("allow (clippy :: all)"), "{text}");
    }
}

#[test]
fn the_picture_says_which_group_is_undone_first() {
    let picture = |end: &str| {
        let saga = format!(
            "async fn sell(cx: Context<'_, Shop>) -> Result<(), ShopError> \
             {{ try_join!(charge(cx), reserve(cx)){end}; Ok(()) }}"
        );
        let tokens = saga.parse().expect("these are tokens");
        super::expand(&tokens, &Source::default()).to_string()
    };
    let mark = "undone%20first%2C%20if%20it%20fails";
    let mark = mark.replace("%2C", ",");
    assert!(picture(".is_ok()").contains(&mark));
    assert!(!picture("?").contains(&mark));
}
