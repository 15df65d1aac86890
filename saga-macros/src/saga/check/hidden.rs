//! Awaits behind the call of a macro: its code stands in the file, and not in the body.

use syn::visit::{self, Visit};
use syn::{Block, Macro};

use crate::errors::Errors;
use crate::source::Source;
use crate::spans::first_token;

/// Reports each call of a macro of this file whose code awaits.
pub(super) fn reject_hidden_awaits(block: &Block, source: &Source, errors: &mut Errors) {
    let mut calls = Calls { source, errors };
    calls.visit_block(block);
}

struct Calls<'c> {
    source: &'c Source,
    errors: &'c mut Errors,
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_macro(&mut self, called: &'ast Macro) {
        let name = called.path.segments.last().map(|last| &last.ident);
        if let Some(name) = name.filter(|name| self.source.awaits_in_macro(name)) {
            let what =
                format!("`{name}!` awaits something that is neither recorded nor compensated");
            let help =
                "write what it awaits into the body: only steps, sagas and waits are awaited there";
            self.errors.report(first_token(&called.path), what, help);
        }
        visit::visit_macro(self, called);
    }
}
