//! Awaits behind the call of a macro: its code stands in the file, and not in the body.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Block, Macro, Pat};

use crate::errors::Errors;
use crate::source::Source;
use crate::spans::first_token;

/// Reports each call of a macro of this file whose code awaits. A macro that gets the context has errors of its own.
pub(super) fn reject_hidden_awaits(
    cx: Option<&Pat>,
    block: &Block,
    source: &Source,
    errors: &mut Errors,
) {
    let cx = match cx {
        Some(Pat::Ident(cx)) => Some(&cx.ident),
        _ => None,
    };
    let mut calls = Calls { cx, source, errors };
    calls.visit_block(block);
}

struct Calls<'c> {
    cx: Option<&'c Ident>,
    source: &'c Source,
    errors: &'c mut Errors,
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_macro(&mut self, called: &'ast Macro) {
        let gets_context = self.cx.is_some_and(|cx| contains(&called.tokens, cx));
        let name = called.path.segments.last().map(|last| &last.ident);
        let awaits = |name: &&Ident| !gets_context && self.source.awaits_in_macro(name);
        if let Some(name) = name.filter(awaits) {
            let what =
                format!("`{name}!` awaits something that is neither recorded nor compensated");
            let help =
                "write what it awaits into the body: only steps, sagas and waits are awaited there";
            self.errors.report(first_token(&called.path), what, help);
        }
        visit::visit_macro(self, called);
    }
}

fn contains(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => contains(&group.stream(), name),
        _ => false,
    })
}
