//! The flow of groups and fan-outs, and their rules.

use super::{flows, mistakes, sites};

#[test]
fn members_of_a_group_run_at_the_same_time() {
    flows(&[
        ("try_join!(a(cx), b(cx))?; Ok(())", "{a b}"),
        (
            "let (x, (y, z)) = try_join!(a(cx), try_join!(b(cx), c(cx)))?; d(cx, x).await",
            "{a b c} d",
        ),
        ("try_join!(a(cx, b(cx).await?), c(cx),)?; Ok(())", "b {a c}"),
        (
            "Ok(try_join!(a(cx, check()?), saga_runtime::c(cx))?)",
            "? {a saga_runtime::c}",
        ),
        (
            "for x in y { (try_join!(a(cx), b(cx)))?; } Ok(())",
            "loop({a b})",
        ),
        ("try_join!(a(cx), b(cx))", "{a b}"),
        ("return try_join!(a(cx), b(cx));", "{a b} return"),
        ("let x = try_join!(a(cx), b(cx)); Ok(())", "{a b}"),
        (
            "match try_join!(a(cx), b(cx)) { Ok(_) => {} Err(_) => { c(cx).await?; } } Ok(())",
            "{a b} [ | c]",
        ),
        (
            "let x = { try_join!(a(cx), b(cx)) }; try_join!(a(cx), b(cx)).is_ok(); Ok(())",
            "{a b} {a b}",
        ),
        (
            "if x { try_join!(a(cx), b(cx)).map(f) } else { Ok(()) }",
            "[{a b} | ]",
        ),
        (
            "try_join!(a(cx), b(cx)).map_err(Failed::Both)?; Ok(())",
            "{a b}",
        ),
        (
            "try_join!(a(cx), b(cx)).map_err(f(check()?))?; Ok(())",
            "{a b} ?",
        ),
    ]);
}

/// A run takes the order of the sites for the order of the calls.
#[test]
fn what_the_arguments_of_any_member_call_comes_before_the_first_member() {
    for (body, expected) in [
        ("try_join!(a(cx), b(cx, c(cx).await?))?; Ok(())", "c a b"),
        (
            "try_join!(a(cx, b(cx).await?), try_join!(c(cx), d(cx, e(cx).await?)))",
            "b e a c d",
        ),
        (
            "match try_join!(a(cx), b(cx, try_join!(c(cx), d(cx))?)) { _ => Ok(()) }",
            "c d a b",
        ),
        (
            "try_join_all(n(cx).await?, i(cx).await?, |i| b(cx, i)).await",
            "n i b",
        ),
    ] {
        assert_eq!(sites(body), expected, "{body}");
    }
    flows(&[(
        "try_join!(a(cx), b(cx, c(cx).await?), d(cx, check()?))?; Ok(())",
        "c ? {a b d}",
    )]);
}

#[test]
fn groups_have_rules() {
    mistakes(&[
        ("try_join!(a(cx))?; Ok(())", "a `try_join!` of one step"),
        ("try_join!()?; Ok(())", "a `try_join!` of 0 steps"),
        (
            "try_join!(a(cx).await, b(cx))?; Ok(())",
            "a member of `try_join!` is awaited by itself",
        ),
        (
            "try_join!(a(cx), b(cx).await?)?; Ok(())",
            "a member of `try_join!` is awaited by itself",
        ),
        (
            "try_join!(a, b(cx))?; Ok(())",
            "only calls of steps can be members of a `try_join!`",
        ),
        (
            "try_join!(a(cx), b(cx)); Ok(())",
            "what `try_join!` gives is not looked at here",
        ),
        (
            "try_join!(a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x))?; Ok(())",
            "a group of 17 steps, where at most 16 are possible",
        ),
    ]);
}

#[test]
fn a_fan_out_calls_one_step_for_each_item() {
    flows(&[
        (
            "a(cx).await?; try_join_all(8, &items, |item| b(cx, item)).await?; Ok(())",
            "a b*8(&items)",
        ),
        (
            "runtime::try_join_all(None, pick(cx).await?, move |item| { let x = item.id; b(cx, x) }).await",
            "pick b*None(pick(cx).await?)",
        ),
    ]);
    mistakes(&[
        (
            "match try_join_all(8, items, |item| b(cx, item)).await { Ok(_) => Ok(()), Err(e) => Err(e) }",
            "what `try_join_all` gives is not looked at here",
        ),
        (
            "try_join_all(items.map(|item| b(cx, item))).await?; Ok(())",
            "`try_join_all` takes a limit, the items, and a closure that calls a step",
        ),
        (
            "try_join_all(8, items, b).await?; Ok(())",
            "`try_join_all` takes a limit, the items, and a closure that calls a step",
        ),
        (
            "try_join_all(8, items, |item| b(cx, item).await).await?; Ok(())",
            "the call in a `try_join_all` is awaited by itself",
        ),
        (
            "try_join_all(8, items, async |item| b(cx, item)).await?; Ok(())",
            "the closure of `try_join_all` is `async`",
        ),
        (
            "try_join_all(8, items, |item| item).await?; Ok(())",
            "the closure of `try_join_all` ends with the call of a step",
        ),
        (
            "try_join_all(8, items, |item| b(cx, a(cx).await)).await?; Ok(())",
            "a step can't be awaited inside of a closure",
        ),
    ]);
}
