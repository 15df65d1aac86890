//! The context in a body: the calls of steps get it, and it gives what is recorded. No other code gets it, so no step
//! runs behind the saga's back, and no service decides which way the saga takes.

use std::fmt::Display;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprWhile, Item, Local,
    Member, Pat, PatIdent, Stmt,
};

use super::call::{is_wait, name};
use super::macros::{AWAITED_IN_A_MACRO, may_leave_out};
use super::text;
use super::walk::Walk;
use crate::saga::model::Placeholder;
use crate::source::called;
use crate::spans::first_token;

/// The methods of the context in a body.
const METHODS: [&str; 4] = ["now", "saga_id", "saga_name", "uuid"];

/// Those whose answers are recorded, and numbered in the order of the calls.
const RECORDED: [&str; 2] = ["now", "uuid"];

/// A use of the context that a body can't have.
pub(super) struct Misuse {
    pub(super) span: Span,
    what: String,
    help: String,
}

impl Walk<'_> {
    /// Returns whether the context of the saga is the first argument of this call, as for a step.
    pub(super) fn takes_context(&self, call: &ExprCall) -> bool {
        call.args
            .first()
            .is_some_and(|first| self.is_context(first))
    }

    pub(super) fn is_context(&self, node: &Expr) -> bool {
        matches!((node, self.cx), (Expr::Path(path), Some(cx)) if path.path.is_ident(cx))
    }

    /// Hands the whole context to a call that the saga awaits.
    pub(super) fn hand_context(&mut self, call: &mut ExprCall) {
        if let Some(cx) = self.cx
            && let Some(first @ Expr::Path(_)) = call.args.first_mut()
            && let Expr::Path(path) = &*first
            && let Some(found) = path.path.get_ident().filter(|found| *found == cx)
        {
            let found = found.clone();
            *first = self.placeholder(found.span(), Placeholder::Context(found));
        }
    }

    /// Replaces a use of the context that a body can't have. Returns whether it was one.
    pub(super) fn misuse(&mut self, node: &mut Expr) -> bool {
        if self.is_context(node) {
            *node = self.reports(&Misuse::new(first_token(node), ALONE));
            return true;
        }
        let replacement = match node {
            Expr::Call(call) if self.takes_context(call) => {
                let (function, span) = ((*call.func).clone(), name(&call.func));
                let what = format!("`{}` gets the context, but is not awaited", text(&function));
                let called = text(&function);
                let help = if is_wait(&function) {
                    format!(
                        "a saga waits when this is awaited, without a `?`: `{called}(cx, …).await`"
                    )
                } else {
                    format!(
                        "a step runs when it is awaited: `{called}(cx, …).await?`; other code gets values, and not the context"
                    )
                };
                self.errors.report(span, what, help);
                self.has_unawaited = true;
                self.errors.replaced();
                self.placeholder(span, Placeholder::NotAwaited(function))
            }
            Expr::MethodCall(call) if self.is_context(&call.receiver) => {
                if METHODS.iter().any(|name| call.method == name) {
                    return false;
                }
                self.reports(&service(&call.method, call.method.span()))
            }
            Expr::Field(field) if self.is_context(&field.base) => {
                let span = match &field.member {
                    Member::Named(name) => name.span(),
                    Member::Unnamed(index) => index.span,
                };
                self.reports(&service(&text(&field.member), span))
            }
            _ => return false,
        };
        *node = replacement;
        true
    }

    /// The tokens of a macro in which a misuse is reported, with the whole context: rustc then finds nothing more in them.
    pub(super) fn with_whole_context(&self, tokens: TokenStream) -> TokenStream {
        match self.cx {
            Some(cx) => with_whole_context(cx, tokens),
            None => tokens,
        }
    }

    pub(super) fn reports(&mut self, misuse: &Misuse) -> Expr {
        self.replace(misuse.span, &misuse.what, &misuse.help)
    }

    /// Walks through code of its own, such as a closure: no step is awaited there.
    pub(super) fn code_of_its_own(&mut self, node: &mut Expr) {
        OfItsOwn { walk: self }.visit_expr_mut(node);
    }

    /// The first wrong use of the context in the tokens of a macro.
    pub(super) fn misuse_in(&self, tokens: TokenStream, within: Within<'_>) -> Option<Misuse> {
        self.cx.and_then(|cx| misuse_in(cx, tokens, within))
    }

    /// The context is not known by its name any more, if this pattern binds the name to something else.
    pub(super) fn shadow(&mut self, pattern: &Pat) {
        if self.cx.is_some_and(|cx| binds(pattern, cx)) {
            self.cx = None;
        }
    }
}

/// A field or a method of the services.
fn service(name: &impl Display, span: Span) -> Misuse {
    Misuse {
        span,
        what: format!("the body of a saga does not see its services, so it has no `{name}`"),
        help: "read it in a step, which records it, or make it an input; \
               the body has `cx.now()`, `cx.uuid()`, `cx.saga_id()` and `cx.saga_name()`"
            .to_owned(),
    }
}

/// The context, not as an argument of an awaited call.
const ALONE: [&str; 2] = [
    "only the call of a step gets the context, as its first argument, where it is awaited",
    "write `charge(cx, &order).await?` in the body itself: elsewhere a step would be neither recorded nor compensated",
];

impl Misuse {
    fn new(span: Span, [what, help]: [&str; 2]) -> Self {
        Self {
            span,
            what: what.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// The tokens of a macro in which the context may stand.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    /// What is wrong with the context as a value of its own. `None` if that is fine, outside of brackets.
    pub(super) alone: Option<[&'a str; 2]>,
    /// The macro around them that may not evaluate them.
    pub(super) leaves_out: Option<&'a Ident>,
}

fn misuse_in(cx: &Ident, tokens: TokenStream, within: Within<'_>) -> Option<Misuse> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let (before, behind) = (&tokens[..index], &tokens[index + 1..]);
        match token {
            TokenTree::Group(group) => {
                let inner = called(before).filter(|name| may_leave_out(name));
                let inside = Within {
                    alone: within.alone.or(Some(ALONE)),
                    leaves_out: within.leaves_out.or(inner),
                };
                if let Some(found) = misuse_in(cx, group.stream(), inside) {
                    return Some(match awaited(behind).filter(|_| found.what == ALONE[0]) {
                        Some(span) => Misuse::new(span, AWAITED_IN_A_MACRO),
                        None => found,
                    });
                }
            }
            TokenTree::Ident(ident) if ident == cx && !is_dot(before.last()) => {
                if !is_dot(behind.first()) {
                    if let Some(text) = within.alone {
                        return Some(Misuse::new(ident.span(), text));
                    }
                } else if let Some(TokenTree::Ident(member)) = behind.get(1) {
                    if METHODS.iter().all(|name| member != name) {
                        return Some(service(&member, member.span()));
                    }
                    if let Some(name) = within.leaves_out
                        && RECORDED.iter().any(|recorded| member == recorded)
                    {
                        return Some(left_out(name, cx, member));
                    }
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    None
}

/// An answer of the context that is recorded only if the macro of this name evaluates its arguments.
fn left_out(name: &Ident, cx: &Ident, member: &Ident) -> Misuse {
    Misuse {
        span: member.span(),
        what: format!(
            "`{name}!` may leave `{cx}.{member}()` out, and later answers would differ in a replay"
        ),
        help: format!(
            "take it before, where it is always recorded: `let {member} = {cx}.{member}();`, and hand `{member}` in"
        ),
    }
}

fn with_whole_context(cx: &Ident, tokens: TokenStream) -> TokenStream {
    let mut is_member = false;
    let mut whole = TokenStream::new();
    for token in tokens {
        let was_member = std::mem::replace(&mut is_member, is_dot(Some(&token)));
        match token {
            TokenTree::Group(group) => {
                let stream = with_whole_context(cx, group.stream());
                let mut inside = Group::new(group.delimiter(), stream);
                inside.set_span(group.span());
                whole.extend([TokenTree::Group(inside)]);
            }
            TokenTree::Ident(ident) if ident == *cx && !was_member => {
                whole.extend(quote!(#ident.__of_call()));
            }
            token => whole.extend([token]),
        }
    }
    whole
}

/// The place of an `await` that follows here.
fn awaited(tokens: &[TokenTree]) -> Option<Span> {
    match tokens {
        [dot, TokenTree::Ident(word), ..] if is_dot(Some(dot)) && word == "await" => {
            Some(word.span())
        }
        _ => None,
    }
}

fn is_dot(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == '.')
}

fn binds(pattern: &Pat, name: &Ident) -> bool {
    struct FindBinding<'a>(&'a Ident, bool);

    impl<'ast> Visit<'ast> for FindBinding<'_> {
        fn visit_pat_ident(&mut self, binding: &'ast PatIdent) {
            self.1 |= binding.ident == *self.0;
            visit::visit_pat_ident(self, binding);
        }

        /// The code of a guard has bindings of its own.
        fn visit_expr(&mut self, _: &'ast Expr) {}
    }

    let mut find = FindBinding(name, false);
    find.visit_pat(pattern);
    find.1
}

/// Replaces wrong uses of the context in code of its own.
struct OfItsOwn<'w, 'e> {
    walk: &'w mut Walk<'e>,
}

impl OfItsOwn<'_, '_> {
    /// Code whose bindings end with it.
    fn scope(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = self.walk.cx;
        visit(self);
        self.walk.cx = outside;
    }
}

impl VisitMut for OfItsOwn<'_, '_> {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        if self.walk.misuse(node) {
            return;
        }
        match node {
            Expr::MethodCall(call) if self.walk.is_context(&call.receiver) => {
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
            }
            Expr::Macro(invocation) => {
                if let Some(misuse) = self.walk.misuse_of(&invocation.mac) {
                    *node = self.walk.reports(&misuse);
                }
            }
            _ => visit_mut::visit_expr_mut(self, node),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if let Stmt::Macro(invocation) = statement
            && let Some(misuse) = self.walk.misuse_of(&invocation.mac)
        {
            let replacement = self.walk.reports(&misuse);
            *statement = Stmt::Expr(replacement, Some(invocation.semi_token.unwrap_or_default()));
            return;
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.scope(|own| {
            for input in &closure.inputs {
                own.walk.shadow(input);
            }
            own.visit_expr_mut(&mut closure.body);
        });
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scope(|own| visit_mut::visit_block_mut(own, block));
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        visit_mut::visit_local_mut(self, local);
        self.walk.shadow(&local.pat);
    }

    fn visit_expr_let_mut(&mut self, binding: &mut ExprLet) {
        visit_mut::visit_expr_let_mut(self, binding);
        self.walk.shadow(&binding.pat);
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.scope(|own| {
            own.walk.shadow(&arm.pat);
            visit_mut::visit_arm_mut(own, arm);
        });
    }

    fn visit_expr_if_mut(&mut self, branch: &mut ExprIf) {
        self.scope(|own| {
            own.visit_expr_mut(&mut branch.cond);
            own.visit_block_mut(&mut branch.then_branch);
        });
        if let Some((_, otherwise)) = &mut branch.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_expr_while_mut(&mut self, each: &mut ExprWhile) {
        self.scope(|own| visit_mut::visit_expr_while_mut(own, each));
    }

    fn visit_expr_for_loop_mut(&mut self, each: &mut ExprForLoop) {
        self.visit_expr_mut(&mut each.expr);
        self.scope(|own| {
            own.walk.shadow(&each.pat);
            own.visit_block_mut(&mut each.body);
        });
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(definition) = item {
            self.walk.definition(&mut definition.mac);
        }
    }
}
