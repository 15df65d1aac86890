//! The flow that the walk finds in a body, as short text:
//!
//! ```text
//! a b            step `a`, then step `b`        a~       step `a`, whose refusal the body handles
//! ?              the body may fail here         return   it returns here
//! [a | b]        one of two ways                [(a) b | c]   `a` is called to find out if `b` is done
//! [a | ~b]       `b` only if the step before has refused
//! {a b}          both at the same time
//! loop(?)        any number of times            '0(a leave0 b)   a block, and where it is left
//! ```

use syn::{Block, parse_str};

use super::{Gives, Walk};
use crate::errors::Errors;
use crate::saga::model::{Flow, Refusal, Site, Way};

fn walk(body: &str) -> (String, Vec<String>) {
    let mut block: Block = parse_str(&format!("{{ {body} }}")).expect(body);
    let mut errors = Errors::default();
    let mut walk = Walk::new(None, &mut errors);
    walk.block(&mut block, Gives::Result);
    let text = sequence(&walk.flow, &walk.sites);
    (text, errors.messages())
}

fn sequence(flow: &[Flow], sites: &[Site]) -> String {
    let all: Vec<_> = flow.iter().map(|one| text(one, sites)).collect();
    all.join(" ")
}

fn text(flow: &Flow, sites: &[Site]) -> String {
    match flow {
        Flow::Step(index) => {
            let site = &sites[*index];
            let handled = if site.refusal == Refusal::IsHandled {
                "~"
            } else {
                ""
            };
            format!("{}{handled}", site.path)
        }
        Flow::Group(members) => {
            let members: Vec<_> = members.iter().map(|index| &*sites[*index].path).collect();
            format!("{{{}}}", members.join(" "))
        }
        Flow::FanOut(each) => format!("{}*{}({})", sites[each.site].path, each.limit, each.items),
        Flow::MayFail(_) => "?".to_owned(),
        Flow::Branch(ways) => {
            let ways: Vec<_> = ways.iter().map(|way| way_text(way, sites)).collect();
            format!("[{}]", ways.join(" | "))
        }
        Flow::Loop(each) => format!("loop({})", sequence(&each.flow, sites)),
        Flow::Block { id, flow } => format!("'{id}({})", sequence(flow, sites)),
        Flow::Leave(id) => format!("leave{id}"),
        Flow::Return => "return".to_owned(),
    }
}

fn way_text(way: &Way, sites: &[Site]) -> String {
    let refused = if way.refused.is_some() { "~" } else { "" };
    let guard = match way.guard.as_slice() {
        [] => String::new(),
        guard => format!("({}) ", sequence(guard, sites)),
    };
    format!("{refused}{guard}{}", sequence(&way.flow, sites))
}

#[track_caller]
fn flows(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let (flow, mistakes) = walk(body);
        assert!(mistakes.is_empty(), "{body}: {mistakes:?}");
        assert_eq!(
            flow.split_whitespace().collect::<Vec<_>>().join(" "),
            *expected,
            "{body}"
        );
    }
}

#[track_caller]
fn mistakes(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let (_, mistakes) = walk(body);
        let firsts: Vec<_> = mistakes
            .iter()
            .filter_map(|text| text.lines().next())
            .collect();
        assert_eq!(firsts, [*expected], "{body}");
    }
}

#[test]
fn steps_follow_each_other() {
    flows(&[
        ("a(cx).await?; b(cx).await?; Ok(())", "a b"),
        (
            "let (x, y) = (a(cx).await?, shop::b(cx).await?); Ok(x + y)",
            "a shop::b",
        ),
    ]);
}

#[test]
fn arguments_are_evaluated_first() {
    flows(&[
        (
            "ship(cx, &order(cx).await?, &charge(cx, &order(cx).await?).await?).await",
            "order order charge ship",
        ),
        (
            "Ok(Receipt { order: order(cx).await?, ..rest(cx).await? })",
            "order rest",
        ),
        ("Ok(list(cx).await?[index(cx).await?])", "list index"),
        (
            "Ok(order(cx).await?.with(charge(cx).await?))",
            "order charge",
        ),
    ]);
}

#[test]
fn the_right_side_of_an_assignment_is_evaluated_first() {
    flows(&[
        ("x[index()?] = ship(cx).await?; Ok(())", "ship ?"),
        ("x[index()?] += ship(cx).await?; Ok(())", "ship ?"),
    ]);
}

#[test]
fn the_last_value_is_the_result() {
    flows(&[
        ("a(cx).await", "a"),
        ("(a(cx).await)", "a"),
        ("a(cx).await.map(Receipt::new)", "a"),
        ("a(cx).await.map(|a| a + 1).map_err(Into::into)", "a"),
        ("a(cx).await?; Ok(1)", "a"),
        ("a(cx).await?; Result::Ok(check()?)", "a ?"),
        ("a(cx).await?; Err(Closed)", "a ?"),
        ("let result = Ok(a(cx).await?); result", "a ?"),
        ("let result = a(cx).await; result", "a~ ?"),
        ("if rich { a(cx).await } else { Ok(0) }", "[a | ]"),
        (
            "match rich { true => a(cx).await, false => Err(Poor) }",
            "[a | ?]",
        ),
        ("{ a(cx).await?; { Ok(1) } }", "a"),
        ("unsafe { a(cx).await }", "a"),
        ("return a(cx).await;", "a return"),
        ("a(cx).await?; todo!()", "a"),
        ("a(cx).await?; receipt!(1)", "a ?"),
        ("a(cx).await?; receipt! { 1 }", "a ?"),
        (
            "a(cx).await?; loop { if done() { break Ok(1); } }",
            "a loop([leave0 | ])",
        ),
        (
            "a(cx).await?; loop { if done() { break check(); } }",
            "a loop([? leave0 | ])",
        ),
        (
            "a(cx).await?; 'all: { if done() { break 'all Ok(1); } Err(Closed) }",
            "a '0([leave0 | ] ?)",
        ),
    ]);
}

#[test]
fn a_question_mark_on_plain_code_may_fail() {
    flows(&[
        ("check()?; a(cx).await?; Ok(())", "? a"),
        ("a(cx, check()?).await?; Ok(())", "? a"),
        ("check(a(cx).await?)?; Ok(())", "a ?"),
        ("a(cx).await??; Ok(())", "a ?"),
    ]);
}

#[test]
fn a_refusal_that_is_only_translated_ends_the_saga() {
    flows(&[
        ("(a(cx).await)?; Ok(())", "a"),
        ("a(cx).await.map_err(Failed::A)?; Ok(())", "a"),
        ("a(cx).await.map_err(|_| b).map(f)?; Ok(())", "a"),
        ("a(cx).await.or_else(g)?; Ok(())", "a~ ?"),
        ("let _ = a(cx).await.ok(); Ok(())", "a~"),
    ]);
}

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
    mistakes(&[(
        "match x { 0 | 1 if a(cx).await? => 0, _ => 1 }; Ok(())",
        "a step can't be awaited in the guard of a pattern with `|`, which may be evaluated twice",
    )]);
}

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
            "let x = try_join!(a(cx), b(cx)); Ok(())",
            "what `try_join!` gives is not looked at here",
        ),
        (
            "try_join!(a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x), a(x))?; Ok(())",
            "a group of 17 steps, where at most 16 are possible",
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

#[test]
fn code_of_its_own_is_left_alone() {
    flows(&[
        ("let f = |x| check(x)?; a(cx).await", "a"),
        (
            "let x = y.map(|z| -> Option<u8> { return z?; }); a(cx).await",
            "a",
        ),
        ("fn b() -> Option<u8> { c()? } a(cx).await", "a"),
        ("use shop::*; const N: usize = 1; a(cx, N).await", "a"),
        ("let x = const { 1 }; a(cx, x).await", "a"),
    ]);
}

#[test]
fn macros_are_read_as_far_as_possible() {
    flows(&[
        ("a(cx).await?; println!(\"{}\", check()?); Ok(())", "a ?"),
        (
            "a(cx).await?; info!(?order, amount = ?x, \"done\"); Ok(())",
            "a",
        ),
        (
            "a(cx).await?; assert!(y.iter().all(|x| { return x? })); Ok(())",
            "a",
        ),
        ("a(cx).await?; let y = vec![check()?; 3]; Ok(())", "a ?"),
        (
            "a(cx).await?; let y = matches!(x, Some(_) if check()?); Ok(())",
            "a ?",
        ),
        (
            "a(cx).await?; format!(\"{}\", vec![check()?]); Ok(())",
            "a ?",
        ),
        ("a(cx).await?; if x { bail!(\"no\") } Ok(())", "a [? | ]"),
        ("a(cx).await?; anyhow::ensure!(x, \"no\"); Ok(())", "a ?"),
        ("a(cx).await?; vec![return Ok(1)]; Ok(())", "a ?"),
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

#[test]
fn what_may_be_left_out_may_not_happen() {
    flows(&[
        ("#[cfg(never)] return Ok(0); a(cx).await", "[return | ] a"),
        ("#[cfg(never)] let x = check()?; a(cx).await", "[? | ] a"),
        ("#[allow(unused)] let x = check()?; a(cx).await", "? a"),
    ]);
}

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
