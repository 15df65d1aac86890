//! The mistakes that `#[step]` finds itself: the first line of each message.

use proc_macro2::TokenStream;
use syn::parse_str;

use super::{check, parse::StepSyntax};
use crate::errors::Errors;

const CHARGE: &str =
    "async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> {}";

/// The messages for a function with these options.
fn messages(options: &str, function: &str) -> Vec<String> {
    let mut errors = Errors::default();
    let options: TokenStream = parse_str(options).expect(options);
    if let Some(syntax) = errors.ok(parse_str::<StepSyntax>(function)) {
        check::check(options, &syntax, &mut errors);
    }
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    errors.messages().into_iter().map(first_line).collect()
}

#[track_caller]
fn options(cases: &[(&str, &[&str])]) {
    for (options, expected) in cases {
        assert_eq!(messages(options, CHARGE), *expected, "{options}");
    }
}

#[track_caller]
fn functions(cases: &[(&str, &[&str])]) {
    for (function, expected) in cases {
        assert_eq!(
            messages("compensate = ()", function),
            *expected,
            "{function}"
        );
    }
}

#[test]
fn every_kind_is_accepted() {
    options(&[
        ("compensate = refund", &[]),
        ("compensate = shop::payments::refund", &[]),
        ("compensate = undo::<Payment>", &[]),
        ("compensate = Undo::<Payment>::run", &[]),
        ("compensate = ()", &[]),
        ("pivot", &[]),
        ("retriable", &[]),
    ]);
}

#[test]
fn every_option_is_accepted() {
    options(&[
        (
            "compensate = refund, timeout = \"3s\", retry(attempts = 5, backoff = \"1s..5s\", when = f), \
             in_doubt(when = g, resolve = h), compensation(timeout = \"1m\", retry(attempts = 9)), \
             name = \"take-payment\", crate = sagas,",
            &[],
        ),
        ("pivot, in_doubt(when = f), retry(attempts = 3)", &[]),
        (
            "compensate = refund, policy = PROVIDER, timeout = limits::CHARGE, \
             retry(attempts = ATTEMPTS + 1, backoff = FIRST..LAST, when = |error| matches!(error, A | B), ), \
             in_doubt(when = |error: &E| error.is_unclear(), resolve = f), compensation(timeout = Duration::from_secs(3))",
            &[],
        ),
        (
            "compensate = refund, in_doubt(resolve, when = f, retry(attempts = 3))",
            &[],
        ),
        (
            "pivot, in_doubt(retry(attempts = 9, backoff = \"1s..5m\", give_up_after = \"7d\"))",
            &[],
        ),
        (
            "compensate = f, compensation(retry(give_up_after = \"1h\"))",
            &[],
        ),
        (
            "retriable, timeout = \"250 ms\", retry(backoff = \"1ms..1m\")",
            &[],
        ),
    ]);
}

#[test]
fn exactly_one_kind_is_said() {
    options(&[
        ("", &["step `charge` does not say how it is undone"]),
        (
            "timeout = \"3s\"",
            &["step `charge` does not say how it is undone"],
        ),
        (
            "pivot, retriable",
            &["step `charge` is `pivot` and `retriable` at once"],
        ),
        (
            "compensate = refund, pivot",
            &["step `charge` is `compensate` and `pivot` at once"],
        ),
    ]);
}

#[test]
fn a_compensation_is_the_path_of_another_function() {
    options(&[
        ("compensate", &["option `compensate` needs a value"]),
        (
            "compensate(refund)",
            &["option `compensate` takes its value after `=`"],
        ),
        (
            "compensate = \"refund\"",
            &["option `compensate` is a path, not a text"],
        ),
        (
            "compensate = refund()",
            &["option `compensate` has an unexpected value"],
        ),
        (
            "compensate = |cx, p| refund(cx, p)",
            &["option `compensate` has an unexpected value"],
        ),
        (
            "compensate =",
            &["option `compensate` has no value after `=`"],
        ),
        (
            "compensate = charge",
            &["step `charge` is its own compensation"],
        ),
        (
            "compensate = None",
            &["step `charge` is undone by no function"],
        ),
        (
            "compensate = <Bank as Undo>::undo",
            &["option `compensate` has an unexpected value"],
        ),
    ]);
}

#[test]
fn options_have_their_own_form() {
    options(&[
        ("pivot = true", &["option `pivot` takes no value"]),
        (
            "compensate = (), timeout",
            &["option `timeout` needs a value"],
        ),
        (
            "compensate = (), timeout(\"3s\")",
            &["option `timeout` takes its value after `=`"],
        ),
        (
            "compensate: (), pivot",
            &["option `compensate` takes its value after `=`"],
        ),
        ("compensate = (); timeout = \"3s\"", &["expected `,`"]),
        (
            "compensate = (), timeout = 3",
            &["option `timeout` has an unexpected value"],
        ),
        (
            "compensate = (), retry = 3",
            &["option `retry` takes its values in parentheses"],
        ),
        (
            "compensate = (), retry(attempts = \"many\")",
            &["option `attempts` has an unexpected value"],
        ),
        (
            "compensate = (), retry(attempts = -1)",
            &["option `attempts` has an unexpected value"],
        ),
        (
            "compensate = (), retry(attempts = 99999999999)",
            &["option `attempts` has an unexpected value"],
        ),
        (
            "compensate = (), retry(backoff = \"1s\")",
            &["`\"1s\"` is not a range of durations"],
        ),
        (
            "compensate = (), in_doubt",
            &["option `in_doubt` takes its values in parentheses"],
        ),
    ]);
}

#[test]
fn unknown_options_are_named() {
    options(&[
        ("compensat = ()", &["`#[step]` has no option `compensat`"]),
        (
            "compensate = (), retry(attempt = 3)",
            &["`retry` has no option `attempt`"],
        ),
        (
            "compensate = (), in_doubt(resolv = f)",
            &["`in_doubt` has no option `resolv`"],
        ),
        (
            "compensate = f, compensation(attempts = 3)",
            &["`compensation` has no option `attempts`"],
        ),
        (
            "compensate = f, compensation(retry(when = g))",
            &["`retry` has no option `when`"],
        ),
        ("pivot, pivot", &["option `pivot` is given twice"]),
    ]);
}

#[test]
fn options_fit_the_kind() {
    options(&[
        (
            "retriable, retry(attempts = 3)",
            &["a `retriable` step is retried until it succeeds, so its attempts have no limit"],
        ),
        (
            "retriable, retry(when = f)",
            &["a `retriable` step is retried until it succeeds, so its attempts have no limit"],
        ),
        (
            "pivot, in_doubt(resolve = f)",
            &["a `pivot` is asked again until its answer is definite, it is not undone"],
        ),
        (
            "retriable, in_doubt(resolve)",
            &["a `retriable` step is retried until it succeeds, it is not undone"],
        ),
        (
            "compensate = (), in_doubt(resolve = f)",
            &["a step with `compensate = ()` leaves nothing behind that could be resolved"],
        ),
        (
            "retriable, in_doubt(retry(attempts = 3))",
            &["a `retriable` step is retried until it succeeds, it is not asked again"],
        ),
        (
            "compensate = (), in_doubt(retry(attempts = 3))",
            &["a step with `compensate = ()` in doubt is not asked again"],
        ),
        (
            "pivot, in_doubt(retry(when = f))",
            &["`retry` has no option `when`"],
        ),
        (
            "pivot, compensation(timeout = \"3s\")",
            &["`compensation(…)` is said of a step that has no compensation"],
        ),
        (
            "compensate = (), retry(attempts = 0)",
            &["a step with zero attempts never runs"],
        ),
        (
            "compensate = f, compensation(retry(attempts = 0))",
            &["a compensation with zero attempts never runs"],
        ),
    ]);
}

#[test]
fn durable_names_are_plain() {
    options(&[
        ("pivot, name = \"take-payment_2.0\"", &[]),
        (
            "pivot, name = \"\"",
            &["`\"\"` can't be the name of a step"],
        ),
        (
            "pivot, name = \"take payment\"",
            &["`\"take payment\"` can't be the name of a step"],
        ),
        (
            "pivot, name = charge",
            &["option `name` has an unexpected value"],
        ),
    ]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    options(&[(
        "pivot, timeot = \"3s\", retry(attempts = 0, backoff = \"x\")",
        &[
            "`#[step]` has no option `timeot`",
            "a step with zero attempts never runs",
            "`\"x\"` is not a range of durations",
        ],
    )]);
    assert_eq!(
        messages("", "fn charge() {}"),
        [
            "step `charge` does not say how it is undone",
            "step `charge` is not `async`",
            "step `charge` has no context",
            "step `charge` returns nothing",
        ]
    );
}

#[test]
fn a_step_is_a_free_concrete_async_function() {
    functions(&[
        (
            "fn f(cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is not `async`"],
        ),
        (
            "const async fn f(cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is `const`"],
        ),
        (
            "async unsafe fn f(cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is `unsafe`"],
        ),
        (
            "async extern \"C\" fn f(cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is `extern`"],
        ),
        (
            "async fn f(&self, cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is a method"],
        ),
        (
            "async fn f(self: Arc<Self>) -> Result<(), E> {}",
            &["step `f` is a method"],
        ),
        (
            "async fn f<T>(cx: Context<'_, S>, x: T) -> Result<(), E> {}",
            &["step `f` is generic"],
        ),
        (
            "async fn f<const N: usize>(cx: Context<'_, S>) -> Result<(), E> {}",
            &["step `f` is generic"],
        ),
        (
            "async fn f<'a>(cx: Context<'a, S>) -> Result<(), E> {}",
            &["step `f` names a lifetime"],
        ),
        (
            "async fn f(cx: Context<'_, Shop<'_>>) -> Result<(), E> {}",
            &["the services of step `f` have a lifetime"],
        ),
        (
            "async fn f(cx: Context<'_, &Shop>) -> Result<(), E> {}",
            &["the services of step `f` have a lifetime"],
        ),
        (
            "async fn f(cx: Context<'_, Arc<dyn Shop + '_>>) -> Result<(), E> {}",
            &["the services of step `f` have a lifetime"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: impl A) -> Result<(), E> {}",
            &["step `f` is generic"],
        ),
        (
            "async fn f(cx: Context<'_, S>, x: &[impl A]) -> Result<(), E> {}",
            &["step `f` is generic"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<(), E>;",
            &["step `f` has no body"],
        ),
        ("struct F;", &["`#[step]` stands on a function"]),
    ]);
}

#[test]
fn a_step_takes_its_context_first() {
    functions(&[
        (
            "async fn f(cx: saga_runtime::Context<'_, S>) -> Result<(), E> {}",
            &[],
        ),
        ("async fn f(cx: Context<S>) -> Result<(), E> {}", &[]),
        ("async fn f(cx: ShopCx<'_>) -> Result<(), E> {}", &[]),
        ("async fn f(cx: ShopContext<'_>) -> Result<(), E> {}", &[]),
        (
            "async fn f() -> Result<(), E> {}",
            &["step `f` has no context"],
        ),
        (
            "async fn f(x: u64) -> Result<(), E> {}",
            &["the first parameter of step `f` is not its context"],
        ),
        (
            "async fn f(x: Cow<'_, str>) -> Result<(), E> {}",
            &["the first parameter of step `f` is not its context"],
        ),
        (
            "async fn f(cx: &Context<'_, S>) -> Result<(), E> {}",
            &["the first parameter of step `f` is not its context"],
        ),
    ]);
}

#[test]
fn inputs_can_be_handed_in_again() {
    functions(&[
        (
            "async fn f(cx: Context<'_, S>, x: &mut u64) -> Result<(), E> {}",
            &["step `f` changes its input, but it may be run again with the same inputs"],
        ),
        (
            "async fn f(cx: Context<'_, S>, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, \
             k: u8, l: u8, m: u8) -> Result<(), E> {}",
            &["step `f` takes 13 inputs, but 12 are the most"],
        ),
        (
            "async fn f(cx: Context<'_, S>, #[cfg(x)] y: u8) -> Result<(), E> {}",
            &["an input of step `f` stands under `#[cfg(…)]`"],
        ),
    ]);
}

#[test]
fn a_step_returns_a_result_that_borrows_nothing() {
    functions(&[
        ("async fn f(cx: Context<'_, S>) -> io::Result<()> {}", &[]),
        (
            "async fn f(cx: Context<'_, S>) -> ShopResult<fn(&str) -> &str> {}",
            &[],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<Cow<'static, str>, &'static str> {}",
            &[],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<Vec<&'static str>, E> {}",
            &["step `f` returns a reference, but its output is written down and read again"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> ShopResult<&'static str> {}",
            &["step `f` returns a reference, but its output is written down and read again"],
        ),
        (
            "async fn f(cx: Context<'_, S>) {}",
            &["step `f` returns nothing"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Option<u8> {}",
            &["step `f` does not return a `Result`"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> (u8, u8) {}",
            &["step `f` does not return a `Result`"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<Vec<&str>, E> {}",
            &["step `f` returns something borrowed, but its output outlives the call"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<Cow<'_, str>, E> {}",
            &["step `f` returns something borrowed, but its output outlives the call"],
        ),
        (
            "async fn f(cx: Context<'_, S>) -> Result<impl A, E> {}",
            &["step `f` returns something without a name"],
        ),
    ]);
}
