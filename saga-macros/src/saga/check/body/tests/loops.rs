//! The flow of loops and of blocks that can be left.

use super::{flows, flows_beside};

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

/// Otherwise a loop that only such a macro leaves would hide all code behind it.
#[test]
fn a_macro_that_is_not_known_may_leave_a_loop() {
    flows(&[
        (
            "loop { a(cx).await?; if x { stop!(); } } b(cx).await",
            "loop(a [[leave0 | ] | ]) b",
        ),
        (
            "'x: { 'y: for z in w { for v in z { stop!('y, 'v); } } } a(cx).await",
            "'0(loop(loop([leave3 | leave1 | ]))) a",
        ),
        (
            "'x: { for z in w { a(cx).await?; stop!(out of 'x, z); } } b(cx).await",
            "'0(loop(a [leave1 | leave0 | ])) b",
        ),
        ("stop!(); a(cx).await", "a"),
        (
            "loop { let x = { pick!(1) }; a(cx, x).await?; } Ok(())",
            "loop([leave0 | ] a)",
        ),
        (
            "loop { a(cx).await?; println!(\"{}\", x); } Ok(())",
            "loop(a)",
        ),
        (
            "loop { a(cx).await?; println!(\"{}\", pick!(x)); } Ok(())",
            "loop(a [leave0 | ])",
        ),
    ]);
}

#[test]
fn a_jump_in_the_arguments_of_a_macro_leaves_a_loop() {
    flows(&[
        (
            "loop { a(cx).await?; assert!(if x { break } else { y }); } b(cx).await",
            "loop(a [leave0 | ]) b",
        ),
        (
            "'x: loop { a(cx).await?; assert!(loop { if y { break 'x } else { break } }); } b(cx).await",
            "loop(a loop([leave0 | ] [leave2 | ])) b",
        ),
        (
            "for x in y { a(cx).await?; assert!(match x { 0 => continue, _ => true }); } b(cx).await",
            "loop(a [leave1 | ]) b",
        ),
        (
            "loop { a(cx).await?; assert!('x: { if y { break 'x true } false }); } b(cx).await",
            "loop(a '2([leave2 | ])) b",
        ),
        (
            "loop { a(cx).await?; assert!(y.all(|x| loop { break x })); } b(cx).await",
            "loop(a) b",
        ),
        (
            "loop { a(cx).await?; assert!(matches!(x, Some(_) if { break })); } b(cx).await",
            "loop(a [leave0 | ]) b",
        ),
    ]);
}

#[test]
fn a_macro_of_the_file_jumps_as_its_code_says() {
    let stop = "macro_rules! act { ($n:expr) => { if $n { break } } }";
    flows_beside(
        stop,
        &[(
            "loop { a(cx).await?; act!(x); } b(cx).await",
            "loop(a [leave0 | ]) b",
        )],
    );
    let skip = "macro_rules! act { () => {}; ($n:expr) => { if $n { continue } } }";
    flows_beside(
        skip,
        &[(
            "loop { a(cx).await?; act!(x); } b(cx).await",
            "loop(a [leave1 | ]) b",
        )],
    );
    let other = "macro_rules! act { ($n:expr) => { inner!($n) } } macro_rules! inner { ($n:expr) => { break } }";
    flows_beside(
        other,
        &[(
            "loop { a(cx).await?; act!(x); } b(cx).await",
            "loop(a [leave0 | ]) b",
        )],
    );
    let none = "macro_rules! act { ($n:expr) => { println!(\"{}\", $n) } }";
    flows_beside(
        none,
        &[("loop { a(cx).await?; act!(x); } b(cx).await", "loop(a) b")],
    );
    let known = "macro_rules! assert { ($n:expr) => { if $n { break } } }";
    flows_beside(
        known,
        &[(
            "loop { a(cx).await?; assert!(x); } b(cx).await",
            "loop(a [leave0 | ]) b",
        )],
    );
}
