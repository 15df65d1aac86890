//! The flow of branches.

use super::{flows, mistakes};

#[test]
fn branches_start_from_the_same_point() {
    flows(&[
        (
            "if x { a(cx).await?; } else if y { b(cx).await?; } else { c(cx).await?; } Ok(())",
            "[a | [b | c]]",
        ),
        ("if x { a(cx).await?; } Ok(())", "[a | ]"),
        ("if check()? { a(cx).await?; } Ok(())", "? [a | ]"),
        ("if a(cx).await? { b(cx).await?; } Ok(())", "a [b | ]"),
        (
            "if let Some(x) = a(cx).await? { b(cx).await?; } Ok(())",
            "a [b | ]",
        ),
        (
            "if x && let Some(y) = a(cx).await? && y > b(cx).await? { c(cx).await?; } Ok(())",
            "[a | ] [b | ] [c | ]",
        ),
        (
            "match a(cx).await? { 0 => b(cx).await?, 1 => return Ok(0), _ => c(cx).await? }; Ok(())",
            "a [b | return | c]",
        ),
        (
            "let Some(x) = a(cx).await? else { b(cx).await?; return Ok(0) }; Ok(())",
            "a [b return | ]",
        ),
        (
            "let x = y && a(cx).await? || b(cx).await?; Ok(x)",
            "[a | ] [b | ]",
        ),
        (
            "if x { return Err(Closed); } a(cx).await",
            "[? return | ] a",
        ),
    ]);
}

#[test]
fn guards_come_before_the_arms_after_them() {
    flows(&[
        (
            "match x { 0 if a(cx).await? => b(cx).await, 1 => Ok(1), _ => c(cx).await }",
            "[(a) b | | c]",
        ),
        (
            "match x { y if check(y)? => Ok(0), _ => a(cx).await }",
            "[(?) | a]",
        ),
    ]);
}

#[test]
fn a_step_that_has_refused_has_not_happened() {
    flows(&[
        (
            "match a(cx).await { Ok(x) => x, Err(_) => b(cx).await? }; Ok(())",
            "a~ [ | ~b]",
        ),
        (
            "match a(cx).await { Ok(x) => x, _ => b(cx).await? }; Ok(())",
            "a~ [ | ~b]",
        ),
        (
            "match a(cx).await { Ok(Some(x)) => x, _ => b(cx).await? }; Ok(())",
            "a~ [ | b]",
        ),
        (
            "match a(cx).await { Ok(x) if x > 1 => x, other => b(cx, other).await? }; Ok(())",
            "a~ [ | b]",
        ),
        (
            "match a(cx).await { Ok((x, _)) => x, Err(A) | Err(B) => 1, e @ Err(_) => b(cx, e).await? }; Ok(())",
            "a~ [ | ~ | ~b]",
        ),
        (
            "match a(cx).await { Ok(NONE) => 0, _ => b(cx).await? }; Ok(())",
            "a~ [ | b]",
        ),
        (
            "match a(cx).await { Ok(slow) => 0, Ok(_) => b(cx).await?, _ => c(cx).await? }; Ok(())",
            "a~ [ | b | ~c]",
        ),
        (
            "match a(cx).await { Err(e) if late(e)? => 0, x => b(cx, x).await? }; Ok(())",
            "a~ [~(?) | b]",
        ),
        (
            "if let Err(e) = a(cx).await { b(cx, e).await?; } Ok(())",
            "a~ [~b | ]",
        ),
        (
            "if let Ok(x) = a(cx).await { b(cx, x).await?; } else { c(cx).await?; } Ok(())",
            "a~ [b | ~c]",
        ),
        (
            "if let Err(e) = a(cx).await && b(cx).await? { c(cx).await?; } Ok(())",
            "a~ [b | ] [c | ]",
        ),
        (
            "let Ok(x) = a(cx).await else { return b(cx).await; }; Ok(x)",
            "a~ [~b return | ]",
        ),
        (
            "let Ok(x @ 1) = a(cx).await else { return b(cx).await; }; Ok(x)",
            "a~ [b return | ]",
        ),
        (
            "match a(cx).await.ok() { Some(x) => x, None => b(cx).await? }; Ok(())",
            "a~ [ | b]",
        ),
        (
            "match a(cx).await? { Ok(x) => x, Err(_) => b(cx).await? }; Ok(())",
            "a [ | b]",
        ),
    ]);
}

#[test]
fn no_step_runs_in_a_guard_that_may_be_evaluated_twice() {
    let expected =
        "a step can't be awaited in the guard of a pattern with `|`, which may be evaluated twice";
    mistakes(&[
        (
            "match x { 0 | 1 if a(cx).await? => 0, _ => 1 }; Ok(())",
            expected,
        ),
        (
            "match x { 0 | 1 if try_join!(a(cx), b(cx)).is_ok() => 0, _ => 1 }; Ok(())",
            expected,
        ),
        (
            "match x { 0 | 1 if { try_join!(a(cx), b(cx))?; true } => 0, _ => 1 }; Ok(())",
            expected,
        ),
        (
            "match x { (0 | 1) if f({ try_join!(a(cx), b(cx)) }) => 0, _ => 1 }; Ok(())",
            expected,
        ),
        (
            "match x { 0 | 1 if try_join_all(2, y, |z| a(cx, z)).await?.is_empty() => 0, _ => 1 }; Ok(())",
            expected,
        ),
    ]);
}

#[test]
fn what_may_be_left_out_may_not_happen() {
    flows(&[
        ("#[cfg(never)] return Ok(0); a(cx).await", "[return | ] a"),
        ("#[cfg(never)] let x = check()?; a(cx).await", "[? | ] a"),
        ("#[allow(unused)] let x = check()?; a(cx).await", "? a"),
        // Without the last statement, the one before it is the result.
        (
            "a(cx).await?; #[cfg(x)] { Err(Late) } #[cfg(not(x))] { Ok(()) }",
            "a [? | ]",
        ),
        (
            "a(cx).await?; #[cfg(x)] { Ok(()) } #[cfg(not(x))] { Err(Late) }",
            "a [? | ]",
        ),
        (
            "a(cx).await?; #[cfg(x)] { Ok(()) } #[cfg(y)] { check() } #[cfg(z)] return Ok(()); #[cfg(w)] { Ok(()) }",
            "a [? | ] [return | ]",
        ),
        (
            "a(cx).await?; if y { b(cx).await? } #[cfg(x)] { Ok(1) } #[cfg(not(x))] { Ok(2) }",
            "a [b | ]",
        ),
        ("a(cx).await?; #[cfg(x)] { log() } log(); { Ok(()) }", "a"),
        (
            "a(cx).await?; let x = { #[cfg(x)] { check() } #[cfg(not(x))] { Ok(1) } }; Ok(())",
            "a",
        ),
        (
            "a(cx).await?; #[cfg(x)] receipt! { 1 } #[cfg(not(x))] { Ok(()) }",
            "a [? | ]",
        ),
        (
            "a(cx).await?; if x { #[cfg(x)] { check() } #[cfg(not(x))] { Ok(()) } } else { Ok(()) }",
            "a [[? | ] | ]",
        ),
    ]);
}
