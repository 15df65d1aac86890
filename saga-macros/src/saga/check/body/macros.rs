//! Macros inside of a body. A macro may do anything with its tokens, so no step runs there. The walk reads from its
//! arguments, and from the code of a macro of the same file, where the macro may fail and where it may leave a loop.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Expr, Ident, Macro};

use super::context::{Misuse, Within};
use super::jump::Target;
use super::walk::{Gives, Walk};
use crate::saga::model::{Flow, Place, Way};
use crate::spans::first_token;

/// Macros that never return.
const DIVERGE: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];

/// Well-known macros that return an error from the function around them.
const RETURN_ERRORS: [&str; 4] = ["bail", "ensure", "ensure_whatever", "whatever"];

/// Macros that would run steps at the same time.
const AT_ONCE: [&str; 3] = ["join", "join_all", "select"];

/// Well-known macros that only read their arguments. They may have the context, to show it. A macro of the user with such
/// a name gets no more than that: without `hand_context`, the context calls no step.
const ONLY_LOOK: [&str; 34] = [
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "ensure",
    "eprint",
    "eprintln",
    "error",
    "event",
    "format",
    "format_args",
    "info",
    "json",
    "log",
    "matches",
    "panic",
    "print",
    "println",
    "span",
    "todo",
    "trace",
    "unimplemented",
    "unreachable",
    "vec",
    "warn",
    "whatever",
    "write",
    "writeln",
];

/// Those of them that may leave their arguments out, by the level of a log or by a profile.
const LEAVE_OUT: [&str; 11] = [
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "error",
    "event",
    "info",
    "log",
    "span",
    "trace",
    "warn",
];

/// Returns whether the macro of this name may leave its arguments out. One that is not known may.
pub(super) fn may_leave_out(name: &Ident) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|one| name == one);
    is_one_of(&LEAVE_OUT) || !is_one_of(&ONLY_LOOK)
}

impl Walk<'_> {
    /// Walks through a call of a macro. Returns the placeholder for one that a body can't have.
    pub(super) fn invocation(&mut self, invocation: &Macro, gives: Gives) -> Option<Expr> {
        let name = invocation.path.segments.last();
        let is_one_of =
            |names: &[&str]| name.is_some_and(|last| names.iter().any(|name| last.ident == name));
        let span = first_token(&invocation.path);
        if is_one_of(&AT_ONCE) {
            let name = name.map(|last| last.ident.to_string()).unwrap_or_default();
            let what = format!("a saga has no `{name}!`");
            let help = if name == "select" {
                "for the first of two events write `first_of(cx, (PAID, DECLINED)).await`, for an event or a time `event_within(cx, PAID, limit).await`;\n      \
                 steps run at the same time in `try_join!(charge(cx, &order), reserve(cx, &order))?`"
            } else {
                "run steps at the same time with `try_join!(charge(cx, &order), reserve(cx, &order))?`"
            };
            return Some(self.replace(span, what, help));
        }
        if is_one_of(&["try_join"]) {
            let what = "what `try_join!` gives is not looked at here";
            let help = "put a `?` behind it: if one of the steps refuses, the saga ends when all of them have ended; or handle its result: `match try_join!(…) { … }`";
            return Some(self.replace(span, what, help));
        }
        if let Some(misuse) = self.misuse_of(invocation) {
            return Some(self.reports(&misuse));
        }
        let does = self.does(name.map(|last| &last.ident));
        let may_fail = does.may_fail || gives == Gives::Result && !is_one_of(&DIVERGE);
        self.tokens(invocation.tokens.clone());
        self.done(Does { may_fail, ..does }, span, &invocation.tokens);
        None
    }

    /// What the macro of this name may do here. The code of a macro of the file tells.
    fn does(&self, name: Option<&Ident>) -> Does {
        let mut does = Does::default();
        let mut names: Vec<_> = name.map(Ident::to_string).into_iter().collect();
        let mut read = 0;
        while let Some(name) = names.get(read) {
            let is_one_of = |names: &[&str]| names.iter().any(|one| one == name);
            match self.source.macro_code(name) {
                Some(code) => {
                    does.may_fail |= code.may_fail;
                    does.breaks |= code.breaks;
                    does.continues |= code.continues;
                    for name in code.calls {
                        if !names.contains(&name) {
                            names.push(name);
                        }
                    }
                }
                None if is_one_of(&RETURN_ERRORS) => does.may_fail = true,
                None if is_one_of(&ONLY_LOOK) => {}
                // A loop that nothing else leaves would hide all code behind it.
                None => does.breaks = true,
            }
            read += 1;
        }
        does
    }

    /// Notes what a macro may do at the end, with these arguments.
    fn done(&mut self, does: Does, place: Span, arguments: &TokenStream) {
        if does.may_fail {
            self.flow.push(Flow::MayFail(Place(place)));
        }
        let mut labels = vec![None];
        collect_labels(arguments.clone(), &mut labels);
        let mut jumps = Vec::new();
        for label in &labels {
            let target = self.target(label.as_ref());
            let leaves = does.breaks.then(|| target.map(Target::leave));
            let goes_on = does.continues.then(|| target.and_then(Target::go_on));
            jumps.extend(leaves.flatten());
            jumps.extend(goes_on.flatten());
        }
        self.may_jump(jumps);
    }

    /// Notes jumps of which one may be taken here.
    pub(super) fn may_jump(&mut self, jumps: impl IntoIterator<Item = Flow>) {
        let mut ways: Vec<Way> = Vec::new();
        for jump in jumps {
            if ways.iter().all(|way| way.flow[0] != jump) {
                ways.push(Way {
                    when: "break".to_owned(),
                    flow: vec![jump],
                    ..Way::default()
                });
            }
        }
        if !ways.is_empty() {
            ways.push(Way {
                when: "else".to_owned(),
                ..Way::default()
            });
            self.branch(ways);
        }
    }

    /// A call of a macro in the arguments of another one.
    pub(super) fn inner_invocation(
        &mut self,
        name: Option<&Ident>,
        place: Span,
        arguments: &TokenStream,
    ) {
        let does = self.does(name);
        self.tokens(arguments.clone());
        self.done(does, place, arguments);
    }

    /// Walks through a macro that the body defines. Its code sees the context by its name.
    pub(super) fn definition(&mut self, definition: &mut Macro) {
        let tokens = definition.tokens.clone();
        let within = Within {
            alone: Some(IN_A_DEFINITION),
            leaves_out: None,
        };
        if let Some(misuse) = self.misuse_in(tokens.clone(), within) {
            self.reports(&misuse);
            definition.tokens = self.with_whole_context(tokens);
        }
    }

    /// The first wrong use of the context in the arguments of a macro.
    pub(super) fn misuse_of(&self, invocation: &Macro) -> Option<Misuse> {
        let name = &invocation.path.segments.last()?.ident;
        let only_looks = ONLY_LOOK.iter().any(|one| name == one);
        let within = Within {
            alone: (!only_looks).then_some(IN_A_MACRO),
            leaves_out: may_leave_out(name).then_some(name),
        };
        self.misuse_in(invocation.tokens.clone(), within)
    }

    pub(super) fn awaited_in_macro(&mut self, span: Span) {
        let [what, help] = AWAITED_IN_A_MACRO;
        self.errors.report(span, what, help);
    }
}

pub(super) const AWAITED_IN_A_MACRO: [&str; 2] = [
    "a step can't be awaited inside of a macro",
    "await the step before, and hand its output to the macro",
];

const IN_A_MACRO: [&str; 2] = [
    "a macro gets the context, but a step that it awaits is neither recorded nor compensated",
    "await the step outside of the macro, and hand its output in",
];

const IN_A_DEFINITION: [&str; 2] = [
    "a macro in the body uses the context, but a step that it awaits is neither recorded nor compensated",
    "await the step in the body itself, without the macro",
];

/// What a macro may do to the body around it.
#[derive(Debug, Default, Clone, Copy)]
struct Does {
    may_fail: bool,
    breaks: bool,
    continues: bool,
}

/// The labels among the tokens.
fn collect_labels(tokens: TokenStream, labels: &mut Vec<Option<Ident>>) {
    let mut is_label = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(name) if is_label => labels.push(Some(name.clone())),
            TokenTree::Group(group) => collect_labels(group.stream(), labels),
            _ => {}
        }
        is_label = is_punct(Some(&token), '\'');
    }
}

pub(super) fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}
