//! The order rule against a second opinion. The test checks random bodies, and then runs them on every path. An
//! accepted body breaks the rule on no path, a refused one on at least one.

mod author;
mod runner;

use syn::Block;

use super::lines;
use crate::errors::Errors;
use crate::saga::check::body::walk_for_test;
use crate::saga::model::{Flow, Line, Site};
use author::Author;
use runner::breaks_the_rule;

/// The kind of a step in the bodies, which its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Undoable,
    Pivot,
    Retriable,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "pivot" => Self::Pivot,
            "retriable" => Self::Retriable,
            _ => Self::Undoable,
        }
    }
}

/// Returns whether rustc accepts the lines: no step that can fail comes after one that can't be undone.
fn is_in_order(flow: &[Flow], sites: &[Site]) -> bool {
    let mut closed = Vec::new();
    for line in lines(flow) {
        closed.push(match line {
            Line::Then { from, site } => match Kind::of(&sites[site].path) {
                Kind::Retriable => true,
                Kind::Undoable | Kind::Pivot if closed[from] => return false,
                kind => kind == Kind::Pivot,
            },
            Line::MayFail { from, .. } if closed[from] => return false,
            Line::Join { one, other } => closed[one] || closed[other],
            Line::Begin | Line::MayFail { .. } | Line::Beside { .. } => false,
        });
    }
    true
}

#[test]
fn the_rule_agrees_with_what_happens() {
    const BODIES: u64 = 1_500;
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..BODIES {
        let body = Author::new(seed).body();
        let block: Block = syn::parse_str(&body).expect(&body);
        let mut errors = Errors::default();
        let (flow, sites) = walk_for_test(&block, &mut errors);
        assert!(
            errors.is_empty(),
            "seed {seed}: {:?}\n{body}",
            errors.messages()
        );
        let Some(breaks) = breaks_the_rule(&block) else {
            continue;
        };
        assert_eq!(is_in_order(&flow, &sites), !breaks, "seed {seed}:\n{body}");
        *(if breaks { &mut refused } else { &mut accepted }) += 1;
    }
    assert!(
        accepted > BODIES / 5 && refused > BODIES / 5,
        "{accepted} {refused}"
    );
}

#[test]
fn a_refusal_that_a_guard_has_seen_comes_after_the_guard() {
    for (body, accepted) in [
        (
            "match undoable().await { Ok(_) => {} Err(_) if pivot().await? => {} Err(_) => undoable().await? }",
            false,
        ),
        (
            "match undoable().await { Ok(_) => {} _ if pivot().await? => {} Err(_) => undoable().await? }",
            false,
        ),
        (
            "match pivot().await { _ if retriable().await? => {} Err(_) => undoable().await?, _ => {} }",
            false,
        ),
        (
            "match pivot().await { Err(_) if coin() => undoable().await?, Err(_) => undoable().await?, _ => {} }",
            true,
        ),
        (
            "match pivot().await { Err(_) if undoable().await? => {} Err(_) => pivot().await?, Ok(_) => {} }",
            true,
        ),
        (
            "match pivot().await { Ok(_) if retriable().await? => {} Err(_) => undoable().await?, Ok(_) => {} }",
            true,
        ),
    ] {
        let block: Block = syn::parse_str(&format!("{{ {body} Ok(()) }}")).expect(body);
        let (flow, sites) = walk_for_test(&block, &mut Errors::default());
        assert_eq!(is_in_order(&flow, &sites), accepted, "{body}");
        assert_eq!(breaks_the_rule(&block), Some(!accepted), "{body}");
    }
}

#[test]
fn a_loop_without_steps_is_checked_once_however_deep_it_stands() {
    let mut body = "{ check()?; }".to_owned();
    for _ in 0..12 {
        body = format!("{{ for _ in coins() {body} }}");
    }
    let block: Block = syn::parse_str(&body).expect(&body);
    let (flow, _) = walk_for_test(&block, &mut Errors::default());
    let lines = lines(&flow);
    assert!(
        matches!(*lines, [Line::Begin, Line::MayFail { .. }]),
        "{} lines",
        lines.len()
    );
}
