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

mod branches;
mod groups;
mod loops;
mod mistakes;

use syn::{Block, parse_str};

use super::{Gives, Walk};
use crate::errors::Errors;
use crate::saga::model::{Flow, Refusal, Site, Way};
use crate::source::Source;

fn walk(body: &str, source: &Source) -> (String, Vec<String>) {
    let mut block: Block = parse_str(&format!("{{ {body} }}")).expect(body);
    let mut errors = Errors::default();
    let mut walk = Walk::new(None, source, &mut errors);
    walk.block(&mut block, Gives::Result);
    let text = sequence(&walk.flow, &walk.sites);
    (text, errors.messages())
}

/// The steps in the order of their sites.
fn sites(body: &str) -> String {
    let mut block: Block = parse_str(&format!("{{ {body} }}")).expect(body);
    let mut errors = Errors::default();
    let source = Source::default();
    let mut walk = Walk::new(None, &source, &mut errors);
    walk.block(&mut block, Gives::Result);
    let paths: Vec<_> = walk.sites.iter().map(|site| &*site.path).collect();
    paths.join(" ")
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
    flows_in(&Source::default(), cases);
}

/// The flows of bodies in a file with this code.
#[track_caller]
fn flows_beside(code: &str, cases: &[(&str, &str)]) {
    flows_in(&Source::from_text(code), cases);
}

#[track_caller]
fn flows_in(source: &Source, cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let (flow, mistakes) = walk(body, source);
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
        let (_, mistakes) = walk(body, &Source::default());
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
fn a_macro_of_the_file_fails_where_its_code_does() {
    for code in [
        "macro_rules! act { ($e:expr) => { return Err($e) } }",
        "macro_rules! act { ($($e:expr),+ $(,)?) => { $(check($e)?;)+ } }",
        "macro_rules! act { ($e:expr) => { $e? } }",
        "macro_rules! act { ($e:expr) => { inner!($e) } } macro_rules! inner { ($e:expr) => { return Err($e) } }",
        "macro_rules! act { ($e:expr) => { act!(@again $e) }; (@again $e:expr) => { anyhow::bail!($e) } }",
    ] {
        flows_beside(
            code,
            &[
                ("a(cx).await?; act!(x); Ok(())", "a ?"),
                ("a(cx).await?; if x { act!(x) } Ok(())", "a [? | ]"),
                ("a(cx).await?; println!(\"{}\", act!(x)); Ok(())", "a ?"),
                ("a(cx).await?; let f = |x| act!(x); Ok(())", "a"),
            ],
        );
    }
    for code in [
        "macro_rules! act { ($e:expr) => { return Ok($e) } }",
        "macro_rules! act { ($($e:expr),* $(,)?) => { f($($e)?) } }",
        "macro_rules! act { ($e:expr) => { fn next() -> Option<u8> { return f()?; } } }",
        "macro_rules! act_now { ($e:expr) => { return Err($e) } }",
        "fn act() { return Err(()) }",
    ] {
        flows_beside(code, &[("a(cx).await?; act!(x); Ok(())", "a")]);
    }
}
