//! Macros inside of a body. A macro may do anything with its tokens, so no step runs there. The walk reads from the
//! tokens, as far as it can, where the macro may fail.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprAsync, ExprAwait, ExprClosure, ExprReturn, ExprTry, Item, Macro, Token};

use super::context::Misuse;
use super::walk::{Gives, Walk};
use crate::saga::model::{Flow, Place};
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
        let fails = is_one_of(&RETURN_ERRORS) || gives == Gives::Result && !is_one_of(&DIVERGE);
        self.tokens(invocation.tokens.clone());
        if fails {
            self.flow.push(Flow::MayFail(Place(span)));
        }
        None
    }

    /// Walks through a macro that the body defines. Its code sees the context by its name.
    pub(super) fn definition(&mut self, definition: &mut Macro) {
        let tokens = definition.tokens.clone();
        if let Some(misuse) = self.misuse_in(tokens.clone(), Some(IN_A_DEFINITION)) {
            self.reports(&misuse);
            definition.tokens = self.with_whole_context(tokens);
        }
    }

    /// The first wrong use of the context in the arguments of a macro.
    pub(super) fn misuse_of(&self, invocation: &Macro) -> Option<Misuse> {
        let name = &invocation.path.segments.last()?.ident;
        let only_looks = ONLY_LOOK.iter().any(|one| name == one);
        let alone = (!only_looks).then_some(IN_A_MACRO);
        self.misuse_in(invocation.tokens.clone(), alone)
    }

    /// Walks through the tokens of a macro, most likely expressions with commas between them.
    pub(super) fn tokens(&mut self, tokens: TokenStream) {
        match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            Ok(arguments) => {
                let mut inside = Inside {
                    walk: self,
                    in_closure: false,
                };
                arguments
                    .iter()
                    .for_each(|argument| inside.visit_expr(argument));
            }
            Err(_) => self.raw_tokens(tokens),
        }
    }

    fn raw_tokens(&mut self, tokens: TokenStream) {
        let mut previous = None;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if ident == "await" && is_punct(previous.as_ref(), '.') => {
                    self.awaited_in_macro(ident.span());
                }
                TokenTree::Ident(ident) if ident == "return" => {
                    self.flow.push(Flow::MayFail(Place(ident.span())));
                }
                // After a value it is the operator. Elsewhere macros give it a meaning of their own, as in `?order`.
                TokenTree::Punct(punct)
                    if punct.as_char() == '?' && ends_value(previous.as_ref()) =>
                {
                    self.flow.push(Flow::MayFail(Place(punct.span())));
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            previous = Some(token);
        }
    }

    fn awaited_in_macro(&mut self, span: Span) {
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

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn ends_value(token: Option<&TokenTree>) -> bool {
    match token {
        None => false,
        Some(TokenTree::Punct(punct)) => punct.as_char() == '?',
        Some(TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Group(_)) => true,
    }
}

/// Reads the arguments of a macro and changes nothing.
struct Inside<'w, 'e> {
    walk: &'w mut Walk<'e>,
    in_closure: bool,
}

impl Inside<'_, '_> {
    fn may_fail(&mut self, span: Span) {
        if !self.in_closure {
            self.walk.flow.push(Flow::MayFail(Place(span)));
        }
    }
}

impl<'ast> Visit<'ast> for Inside<'_, '_> {
    fn visit_expr_try(&mut self, attempt: &'ast ExprTry) {
        visit::visit_expr_try(self, attempt);
        self.may_fail(attempt.question_token.span);
    }

    fn visit_expr_return(&mut self, returned: &'ast ExprReturn) {
        visit::visit_expr_return(self, returned);
        self.may_fail(returned.return_token.span);
    }

    fn visit_expr_await(&mut self, awaited: &'ast ExprAwait) {
        self.walk.awaited_in_macro(awaited.await_token.span);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        let before = std::mem::replace(&mut self.in_closure, true);
        visit::visit_expr_closure(self, closure);
        self.in_closure = before;
    }

    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.walk.tokens(invocation.tokens.clone());
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}
