//! The body of a saga: finds the calls of steps, hands them to the run, and notes in which order things happen.

use std::mem;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Block, Expr, ExprAwait, ExprCall, Ident, Macro, Pat, Signature, Stmt};

use super::model::{Flow, Site, Way};
use super::words;
use crate::errors::Errors;
use crate::runtime_path::RuntimePath;
use crate::spans::at;

/// A body whose calls are handed to the run.
pub(super) struct Body {
    pub(super) block: Block,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
}

/// Checks and rewrites the body of a saga.
pub(super) fn check(
    signature: &Signature,
    block: &Block,
    runtime: &RuntimePath,
    errors: &mut Errors,
) -> Body {
    let mut walk = Walk {
        runtime,
        errors,
        sites: Vec::new(),
        flow: Vec::new(),
    };
    let mut block = block.clone();
    walk.tail_block(&mut block);
    let Walk { sites, flow, .. } = walk;
    if sites.is_empty() && errors.is_empty() {
        let name = &signature.ident;
        errors.report(
            name.span(),
            format!("saga `{name}` has no steps"),
            "call a step in it: `charge(cx, &order).await?`",
        );
    }
    Body { block, sites, flow }
}

/// Names that generated code and the rewritten body share.
pub(super) fn run() -> Ident {
    Ident::new("__run", Span::mixed_site())
}

/// The variable that carries the type of a site from its call to the order rule and the shape.
pub(super) fn variable(index: usize, site: &Site) -> Ident {
    format_ident!("__site{index}", span = site.span)
}

/// The variant of the undo stack's enum, and the type parameter, for a site.
pub(super) fn variant(index: usize) -> Ident {
    format_ident!("S{index}", span = Span::mixed_site())
}

/// The name of the undo stack's enum. It is visible in the body, so it is one that nobody uses.
pub(super) fn undo() -> Ident {
    Ident::new("__Undo", Span::mixed_site())
}

struct Walk<'e> {
    runtime: &'e RuntimePath,
    errors: &'e mut Errors,
    sites: Vec<Site>,
    flow: Vec<Flow>,
}

/// What happens with the refusal of a step that is awaited.
#[derive(Clone, Copy)]
enum Refusal {
    /// `?`, or the result of the saga.
    Ends,
    /// The body looks at it.
    IsHandled,
}

impl Walk<'_> {
    /// The last value of the body, or of a `return`: the saga's result.
    fn tail(&mut self, value: &mut Expr) {
        match value {
            Expr::Await(awaited) => *value = self.step(awaited, Refusal::Ends),
            Expr::Block(block) if block.label.is_none() => self.tail_block(&mut block.block),
            Expr::If(branch) => self.branch(|walk, ways| {
                let when = text(&branch.cond);
                walk.visit_expr_mut(&mut branch.cond);
                ways.push(walk.way(when, |walk| walk.tail_block(&mut branch.then_branch)));
                if let Some((_, otherwise)) = &mut branch.else_branch {
                    ways.push(walk.way("else".to_owned(), |walk| walk.tail(otherwise)));
                }
            }),
            Expr::Match(matching) => self.branch(|walk, ways| {
                let of = text(&matching.expr);
                walk.visit_expr_mut(&mut matching.expr);
                for arm in &mut matching.arms {
                    let when = format!("{of} is {}", text(&arm.pat));
                    ways.push(walk.way(when, |walk| {
                        walk.visit_pat_mut(&mut arm.pat);
                        walk.tail(&mut arm.body);
                    }));
                }
            }),
            Expr::Paren(paren) => self.tail(&mut paren.expr),
            Expr::Group(group) => self.tail(&mut group.expr),
            Expr::Return(_) | Expr::Macro(_) => self.visit_expr_mut(value),
            Expr::Call(call) if is_ok(call) => visit_mut::visit_expr_call_mut(self, call),
            other => {
                let span = first_token(other);
                self.visit_expr_mut(other);
                self.flow.push(Flow::MayFail(span));
            }
        }
    }

    fn tail_block(&mut self, block: &mut Block) {
        let Some((last, before)) = block.stmts.split_last_mut() else {
            return;
        };
        before
            .iter_mut()
            .for_each(|statement| self.visit_stmt_mut(statement));
        match last {
            Stmt::Expr(value, None) => self.tail(value),
            other => self.visit_stmt_mut(other),
        }
    }

    /// Walks through `ways`, each from the same point.
    fn branch(&mut self, walk: impl FnOnce(&mut Self, &mut Vec<Way>)) {
        let mut ways = Vec::new();
        walk(self, &mut ways);
        if ways.len() == 1 {
            ways.push(Way {
                when: "else".to_owned(),
                flow: Vec::new(),
            });
        }
        if ways.is_empty() {
            self.flow.push(Flow::Return);
        } else if ways.iter().any(|way| !way.flow.is_empty()) {
            self.flow.push(Flow::Branch(ways));
        }
    }

    fn way(&mut self, when: String, walk: impl FnOnce(&mut Self)) -> Way {
        let before = mem::take(&mut self.flow);
        walk(self);
        Way {
            when,
            flow: mem::replace(&mut self.flow, before),
        }
    }

    // Expands to, for `charge(cx, &order).await`:
    //
    //     match only_steps(charge(cx, &order)) { call => run.step(call, site1, Undo::S1).await }
    //
    // The `match` keeps what the arguments borrow alive, and evaluates them before the run is borrowed.
    fn step(&mut self, awaited: &mut ExprAwait, refusal: Refusal) -> Expr {
        let span = first_token(&awaited.base);
        let path = match callee(&awaited.base) {
            Ok(path) => path,
            Err((what, help)) => {
                self.errors.report(span, what, help);
                return Expr::Verbatim(TokenStream::new());
            }
        };
        if let Expr::Call(call) = &mut *awaited.base {
            visit_mut::visit_expr_call_mut(self, call);
        }
        let index = self.sites.len();
        let site = Site { path, span };
        self.flow.push(Flow::Step(index));
        let (run, variable, undo, variant) =
            (run(), variable(index, &site), undo(), variant(index));
        self.sites.push(site);
        let rules = self.runtime.rules();
        let only_steps = at(span, quote!(#rules::only_steps));
        let [value, first, place, attempt, output] =
            ["call", "first", "place", "attempt", "output"]
                .map(|name| Ident::new(name, Span::mixed_site()));
        let ExprAwait {
            base,
            dot_token,
            await_token,
            ..
        } = awaited;
        let called = quote!(#only_steps(#base));
        let (called, method, settled) = match refusal {
            Refusal::Ends => (called, quote!(step), quote!(settled)),
            Refusal::IsHandled => {
                let handled = at(span, quote!(#rules::handled));
                (quote!(#handled(#called)), quote!(handle), quote!(handled))
            }
        };
        let private = self.runtime.private();
        let awaiting = quote!(#dot_token #await_token);
        let entry = quote!(#undo::#variant);
        Expr::Verbatim(quote! {
            match #called {
                #value => {
                    let #first = if #run.trusts(&#value, #variable) {
                        let #place = #run.place(#variable);
                        let #attempt = ::core::pin::pin!(#value.attempt(&#place));
                        ::core::option::Option::Some(#private::caught(#attempt) #awaiting)
                    } else {
                        ::core::option::Option::None
                    };
                    match #run.#settled(&#value, #first, #entry) {
                        ::core::result::Result::Ok(#output) => #output,
                        ::core::result::Result::Err(#first) => #run.#method(#value, #first, #entry) #awaiting,
                    }
                }
            }
        })
    }

    fn unsupported(&mut self, span: Span, what: &str, help: &str) {
        self.errors
            .report(span, format!("{what} is not supported yet"), help);
    }

    /// A loop is plain code; a step in it would need a number for each round.
    fn plain_loop(&mut self, span: Span, keyword: &str, body: &mut Expr) {
        if let Some(found) = find_await(body) {
            let _ = found;
            let help = format!(
                "call the step after the other by hand, or put the `{keyword}` into one step that does all of it"
            );
            self.unsupported(span, &format!("a step inside of a `{keyword}`"), &help);
        } else {
            visit_mut::visit_expr_mut(self, body);
        }
    }
}

impl VisitMut for Walk<'_> {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        match node {
            Expr::Try(attempt) => {
                if let Expr::Await(awaited) = &mut *attempt.expr {
                    *attempt.expr = self.step(awaited, Refusal::Ends);
                } else {
                    self.visit_expr_mut(&mut attempt.expr);
                    self.flow.push(Flow::MayFail(attempt.question_token.span));
                }
            }
            Expr::Await(awaited) => *node = self.step(awaited, Refusal::IsHandled),
            Expr::If(branch) => self.branch(|walk, ways| {
                let when = text(&branch.cond);
                walk.visit_expr_mut(&mut branch.cond);
                ways.push(walk.way(when, |walk| walk.visit_block_mut(&mut branch.then_branch)));
                if let Some((_, otherwise)) = &mut branch.else_branch {
                    ways.push(walk.way("else".to_owned(), |walk| walk.visit_expr_mut(otherwise)));
                }
            }),
            Expr::Match(matching) => self.branch(|walk, ways| {
                let of = text(&matching.expr);
                walk.visit_expr_mut(&mut matching.expr);
                for arm in &mut matching.arms {
                    let when = format!("{of} is {}", text(&arm.pat));
                    ways.push(walk.way(when, |walk| {
                        walk.visit_pat_mut(&mut arm.pat);
                        walk.visit_expr_mut(&mut arm.body);
                    }));
                }
            }),
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
                let when = text(&binary.left);
                self.visit_expr_mut(&mut binary.left);
                self.branch(|walk, ways| {
                    ways.push(walk.way(when, |walk| walk.visit_expr_mut(&mut binary.right)))
                });
            }
            Expr::Return(returned) => {
                if let Some(value) = &mut returned.expr {
                    self.tail(value);
                }
                self.flow.push(Flow::Return);
            }
            Expr::ForLoop(_) => self.plain_loop(first_token(node), "for", node),
            Expr::While(_) => self.plain_loop(first_token(node), "while", node),
            Expr::Loop(_) => self.plain_loop(first_token(node), "loop", node),
            Expr::Closure(closure) => {
                if let Some(span) = find_await(&closure.body) {
                    let help = "call the step outside of the closure, and hand its output in";
                    self.errors
                        .report(span, "a step can't be awaited inside of a closure", help);
                }
            }
            Expr::Async(block) => {
                let help = "write the code without the `async` block: a saga does one thing after the other";
                self.errors
                    .report(block.async_token.span, "a saga has no `async` blocks", help);
            }
            Expr::Call(call) => {
                if let Some(span) = spawned(call) {
                    let help =
                        "call it as a step and await it, so that it is recorded and can be undone";
                    self.errors.report(
                        span,
                        "a saga can't spawn: nobody would undo what runs beside it",
                        help,
                    );
                } else {
                    visit_mut::visit_expr_call_mut(self, call);
                }
            }
            _ => visit_mut::visit_expr_mut(self, node),
        }
    }

    fn visit_local_mut(&mut self, local: &mut syn::Local) {
        let Some(init) = &mut local.init else { return };
        let when = format!("{} is not {}", text(&init.expr), text(&local.pat));
        self.visit_expr_mut(&mut init.expr);
        if let Some((_, diverge)) = &mut init.diverge {
            self.branch(|walk, ways| {
                ways.push(walk.way(when, |walk| walk.visit_expr_mut(diverge)))
            });
        }
    }

    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        visit_mut::visit_pat_mut(self, pattern);
    }

    /// What a macro does with its tokens is its own business, so steps can't be called there.
    fn visit_macro_mut(&mut self, invocation: &mut Macro) {
        let name = invocation
            .path
            .segments
            .last()
            .map(|last| last.ident.to_string())
            .unwrap_or_default();
        if let "try_join" | "join" | "select" = name.as_str() {
            let help = "call one step after the other";
            self.unsupported(
                first_token(&invocation.path),
                &format!("`{name}!` in a saga"),
                help,
            );
            return;
        }
        self.macro_tokens(invocation.tokens.clone());
    }

    /// An item in the body is a function of its own.
    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

impl Walk<'_> {
    fn macro_tokens(&mut self, tokens: TokenStream) {
        let mut previous = None;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if ident == "await" && previous == Some('.') => {
                    let help = "await the step before, and hand its output to the macro";
                    self.errors.report(
                        ident.span(),
                        "a step can't be awaited inside of a macro",
                        help,
                    );
                }
                TokenTree::Ident(ident) if ident == "return" => {
                    self.flow.push(Flow::MayFail(ident.span()))
                }
                TokenTree::Punct(punct) if punct.as_char() == '?' => {
                    self.flow.push(Flow::MayFail(punct.span()))
                }
                TokenTree::Group(group) => self.macro_tokens(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            previous = match token {
                TokenTree::Punct(punct) => Some(punct.as_char()),
                _ => None,
            };
        }
    }
}

/// The path of the function that is called, or why what is awaited is no call of a step, and what to write instead.
fn callee(awaited: &Expr) -> Result<String, (&'static str, &'static str)> {
    match awaited {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => Ok(text(path)),
            _ => Err((
                "only steps can be awaited in a saga",
                "call the step by its name: `charge(cx, &order).await?`",
            )),
        },
        Expr::MethodCall(_) => Err((
            "only steps can be awaited in a saga, and this is a method",
            "put the call into a function with `#[step(…)]`, so that the saga knows how it is undone",
        )),
        Expr::Path(_) => Err((
            "only calls of steps can be awaited in a saga",
            "await the call where it is made: `charge(cx, &order).await?`",
        )),
        _ => Err((
            "only steps can be awaited in a saga",
            "call a step: `charge(cx, &order).await?`",
        )),
    }
}

/// Whether this is `Ok(…)`, which never fails.
fn is_ok(call: &ExprCall) -> bool {
    matches!(&*call.func, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Ok"))
}

/// Where something is spawned.
fn spawned(call: &ExprCall) -> Option<Span> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let last = path.path.segments.last()?;
    ["spawn", "spawn_blocking", "spawn_local"]
        .iter()
        .any(|name| last.ident == name)
        .then(|| last.ident.span())
}

/// The first `.await` in an expression, wherever it is.
fn find_await(node: &Expr) -> Option<Span> {
    struct Find(Option<Span>);

    impl<'ast> Visit<'ast> for Find {
        fn visit_expr_await(&mut self, awaited: &'ast ExprAwait) {
            self.0.get_or_insert(awaited.await_token.span);
        }

        fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    }

    let mut find = Find(None);
    visit::Visit::visit_expr(&mut find, node);
    find.0
}

/// The place of the first token: a place that is one token long is underlined exactly.
fn first_token(node: &impl ToTokens) -> Span {
    node.to_token_stream()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |token| token.span())
}

/// The words of the source, with the spaces where people put them.
fn text(node: &impl ToTokens) -> String {
    words::text(node.to_token_stream())
}
