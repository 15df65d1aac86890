//! Bodies with mistakes.

use super::{flows, mistakes};

#[test]
fn only_calls_of_steps_are_awaited() {
    mistakes(&[
        (
            "cx.charge().await?; Ok(())",
            "only steps can be awaited in a saga, and this is a method",
        ),
        (
            "charged.await?; Ok(())",
            "only calls of steps can be awaited in a saga",
        ),
        (
            "(self.charge)(cx).await?; Ok(())",
            "only steps can be awaited in a saga",
        ),
        (
            "async { 1 }.await?; Ok(())",
            "only steps can be awaited in a saga",
        ),
    ]);
}

#[test]
fn no_step_runs_out_of_sight() {
    mistakes(&[
        (
            "let f = |x| a(cx, x).await; Ok(())",
            "a step can't be awaited inside of a closure",
        ),
        (
            "let f = async |x| a(cx, x).await; Ok(())",
            "a step can't be awaited inside of a closure",
        ),
        (
            "let f = async { a(cx).await?; check()? }; Ok(())",
            "a saga has no `async` blocks",
        ),
        (
            "tokio::spawn(async move { a(cx).await }); Ok(())",
            "a saga can't spawn: nobody would undo what runs beside it",
        ),
        (
            "println!(\"{}\", a(cx).await?); Ok(())",
            "a step can't be awaited inside of a macro",
        ),
        (
            "select! { x = a(cx).await => x } Ok(())",
            "a saga has no `select!`",
        ),
        (
            "#[cfg(never)] a(cx).await?; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "#[cfg(never)] try_join!(a(cx), b(cx))?; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "#[cfg(never)] let x = try_join!(a(cx), b(cx)); Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "#[cfg(never)] { try_join!(a(cx), b(cx)) }; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "match x { #[cfg(never)] 0 => try_join!(a(cx), b(cx))?, _ => 0 }; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "let f = |x| try_join!(a(cx, x), b(cx, x)); Ok(())",
            "a step can't be awaited inside of a closure",
        ),
        (
            "x[try_join!(a(cx), b(cx))?] = 1; Ok(())",
            "a step can't be awaited on the left of an assignment",
        ),
        (
            "f(1, #[cfg(never)] a(cx).await?); Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "let x = [#[cfg(never)] try_join!(a(cx), b(cx))?]; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "Ok(Receipt { #[cfg(never)] paid: a(cx).await? })",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "f(#[cfg(never)] try_join!(a(cx), b(cx))); Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "a(cx).await?; #[cfg(never)] { b(cx).await } #[cfg(not(never))] { Ok(()) }",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "a(cx).await?; #[cfg(never)] { Ok(()) } #[cfg(not(never))] { b(cx).await }",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "a(cx).await?; #[cfg(never)] { Ok(()) } #[cfg(not(never))] { try_join!(a(cx), b(cx)) }",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "match x { #[cfg(never)] 0 => a(cx).await?, _ => 0 }; Ok(())",
            "a step of a saga can't stand under `#[cfg(…)]`",
        ),
        (
            "x[a(cx).await?] = 1; Ok(())",
            "a step can't be awaited on the left of an assignment",
        ),
    ]);
}

#[test]
fn the_output_of_a_step_is_no_result() {
    let expected = "the saga ends with the output of a step, where its result is expected";
    mistakes(&[
        ("a(cx).await?; b(cx).await?", expected),
        ("a(cx).await?; return b(cx).await?;", expected),
        (
            "a(cx).await?; if x { b(cx).await? } else { Ok(()) }",
            expected,
        ),
    ]);
    flows(&[
        ("let x = { a(cx).await? }; Ok(x)", "a"),
        ("a(cx).await?; let x = b(cx).await?; x", "a b ?"),
    ]);
}
