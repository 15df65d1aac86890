//! The arguments of a macro in a body, read as far as they look like code: where they may fail, and where they jump.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Expr, ExprAsync, ExprAwait, ExprBlock, ExprBreak, ExprClosure, ExprContinue, ExprForLoop,
    ExprLoop, ExprReturn, ExprTry, ExprWhile, Item, Label, Macro, Token,
};

use super::jump::Target;
use super::macros::is_punct;
use super::walk::{Gives, Walk};
use crate::saga::model::{Flow, Place};
use crate::source::called;
use crate::spans::first_token;

impl Walk<'_> {
    /// Walks through the tokens of a macro, most likely expressions with commas between them.
    pub(super) fn tokens(&mut self, tokens: TokenStream) {
        match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            Ok(arguments) => {
                let mut inside = Inside { walk: self };
                arguments
                    .iter()
                    .for_each(|argument| inside.visit_expr(argument));
            }
            Err(_) => self.raw_tokens(tokens),
        }
    }

    fn raw_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let before = &tokens[..index];
            match token {
                TokenTree::Ident(ident) if ident == "await" && is_punct(before.last(), '.') => {
                    self.awaited_in_macro(ident.span());
                }
                TokenTree::Ident(ident) if ident == "return" => {
                    self.flow.push(Flow::MayFail(Place(ident.span())));
                }
                TokenTree::Ident(ident) if ident == "break" || ident == "continue" => {
                    let label = match &tokens[index + 1..] {
                        [mark, TokenTree::Ident(label), ..] if is_punct(Some(mark), '\'') => {
                            Some(label)
                        }
                        _ => None,
                    };
                    let target = self.target(label);
                    let jump = if ident == "break" {
                        target.map(Target::leave)
                    } else {
                        target.and_then(Target::go_on)
                    };
                    self.may_jump(jump);
                }
                // After a value it is the operator. Elsewhere macros give it a meaning of their own, as in `?order`.
                TokenTree::Punct(punct) if punct.as_char() == '?' && ends_value(before.last()) => {
                    self.flow.push(Flow::MayFail(Place(punct.span())));
                }
                TokenTree::Group(group) => match called(before) {
                    Some(name) => {
                        self.inner_invocation(Some(name), name.span(), &group.stream());
                    }
                    None => self.tokens(group.stream()),
                },
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
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
}

impl Inside<'_, '_> {
    fn may_fail(&mut self, span: Span) {
        self.walk.flow.push(Flow::MayFail(Place(span)));
    }

    /// A loop of the arguments, which their jumps may leave.
    fn rounds(
        &mut self,
        label: Option<&Label>,
        ends_itself: bool,
        read: impl FnOnce(&mut Inside<'_, '_>),
    ) {
        let of = "loop".to_owned();
        self.walk
            .rounds(of, label, ends_itself, Gives::Value, |walk| {
                read(&mut Inside { walk });
            });
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

    fn visit_expr_break(&mut self, jump: &'ast ExprBreak) {
        visit::visit_expr_break(self, jump);
        let target = self
            .walk
            .target(jump.label.as_ref().map(|label| &label.ident));
        let leave = target.map(Target::leave);
        self.walk.may_jump(leave);
    }

    fn visit_expr_continue(&mut self, jump: &'ast ExprContinue) {
        let target = self
            .walk
            .target(jump.label.as_ref().map(|label| &label.ident));
        let go_on = target.and_then(Target::go_on);
        self.walk.may_jump(go_on);
    }

    fn visit_expr_loop(&mut self, each: &'ast ExprLoop) {
        self.rounds(each.label.as_ref(), false, |inside| {
            inside.visit_block(&each.body);
        });
    }

    fn visit_expr_while(&mut self, each: &'ast ExprWhile) {
        self.rounds(each.label.as_ref(), true, |inside| {
            inside.visit_expr(&each.cond);
            inside.visit_block(&each.body);
        });
    }

    fn visit_expr_for_loop(&mut self, each: &'ast ExprForLoop) {
        self.visit_expr(&each.expr);
        self.rounds(each.label.as_ref(), true, |inside| {
            inside.visit_block(&each.body);
        });
    }

    fn visit_expr_block(&mut self, block: &'ast ExprBlock) {
        self.walk.leavable(block.label.as_ref(), |walk| {
            Inside { walk }.visit_block(&block.block);
        });
    }

    fn visit_expr_await(&mut self, awaited: &'ast ExprAwait) {
        self.walk.awaited_in_macro(awaited.await_token.span);
    }

    /// What the code of a closure does, the body does not do.
    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.walk.apart(|walk| {
            visit::visit_expr_closure(&mut Inside { walk }, closure);
        });
    }

    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        let name = invocation.path.segments.last().map(|last| &last.ident);
        let place = first_token(&invocation.path);
        self.walk.inner_invocation(name, place, &invocation.tokens);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}
