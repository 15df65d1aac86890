//! The flow of loops and of blocks that can be left.

use super::flows;

#[test]
fn steps_in_loops_are_called_any_number_of_times() {
    flows(&[
        ("for x in y { a(cx, x).await?; } Ok(())", "loop(a)"),
        (
            "for x in y { for z in x { a(cx, z).await?; } b(cx).await?; } Ok(())",
            "loop(loop(a) b)",
        ),
        (
            "while a(cx).await? { b(cx).await?; } Ok(())",
            "loop(a [b | leave0])",
        ),
        ("while more() { b(cx).await?; } Ok(())", "loop(b)"),
        (
            "loop { if a(cx).await? { break; } } Ok(())",
            "loop(a [leave0 | ])",
        ),
        (
            "for x in y { match a(cx, x).await { Ok(z) => return b(cx, z).await, Err(_) => continue } } Ok(())",
            "loop(a~ [b return | ~leave1])",
        ),
    ]);
}

#[test]
fn loops_are_plain_code() {
    flows(&[
        (
            "for x in list(cx).await? { check(x)?; } a(cx).await",
            "list loop(?) a",
        ),
        (
            "while next()? { if done() { return Ok(0); } } a(cx).await",
            "loop(? [[return | ] | leave0]) a",
        ),
        (
            "let x = loop { if done() { break 1; } }; a(cx, x).await",
            "loop([leave0 | ]) a",
        ),
        ("for x in y { log(x); } a(cx).await", "a"),
        (
            "'out: for x in y { for z in x { if z { continue 'out; } check()?; } } a(cx).await",
            "loop(loop([leave1 | ] ?)) a",
        ),
    ]);
}

#[test]
fn blocks_can_be_left() {
    flows(&[
        (
            "'x: { if y { break 'x; } a(cx).await?; } b(cx).await",
            "'0([leave0 | ] a) b",
        ),
        (
            "let z = 'x: { for y in w { if y { break 'x y; } } a(cx).await? }; b(cx, z).await",
            "'0(loop([leave0 | ]) a) b",
        ),
        ("'x: { 'y: { break 'x; } } a(cx).await", "'0('1(leave0)) a"),
    ]);
}
