//! Patterns that tell a step's refusal from its success. A pivot that refused changed nothing.

use syn::{Expr, Pat, PatTupleStruct};

/// Returns whether this is `….await`.
pub(super) fn is_awaited(node: &Expr) -> bool {
    match node {
        Expr::Await(_) => true,
        Expr::Paren(paren) => is_awaited(&paren.expr),
        Expr::Group(group) => is_awaited(&group.expr),
        _ => false,
    }
}

/// The pattern of a condition of one `let`, over the outcome of a step.
pub(super) fn over_outcome(condition: &Expr) -> Option<&Pat> {
    match condition {
        Expr::Let(binding) if is_awaited(&binding.expr) => Some(&binding.pat),
        Expr::Paren(paren) => over_outcome(&paren.expr),
        Expr::Group(group) => over_outcome(&group.expr),
        _ => None,
    }
}

/// Returns whether the pattern matches refusals only.
pub(super) fn is_refusal(pattern: &Pat) -> bool {
    is_only(pattern, "Err")
}

/// Returns whether the pattern matches successes only.
pub(super) fn is_only_success(pattern: &Pat) -> bool {
    is_only(pattern, "Ok")
}

fn is_only(pattern: &Pat, name: &str) -> bool {
    match pattern {
        Pat::TupleStruct(variant) => is_variant(variant, name),
        Pat::Or(either) => either.cases.iter().all(|case| is_only(case, name)),
        Pat::Guard(guarded) => is_only(&guarded.pat, name),
        Pat::Paren(paren) => is_only(&paren.pat, name),
        Pat::Type(typed) => is_only(&typed.pat, name),
        Pat::Ident(binding) => binding
            .subpat
            .as_ref()
            .is_some_and(|(_, pattern)| is_only(pattern, name)),
        _ => false,
    }
}

/// Returns whether the pattern names a success. What looks like a variable before it may be a constant.
pub(super) fn is_success(pattern: &Pat) -> bool {
    match pattern {
        Pat::TupleStruct(variant) => is_variant(variant, "Ok"),
        Pat::Or(either) => either.cases.iter().any(is_success),
        Pat::Guard(guarded) => is_success(&guarded.pat),
        Pat::Paren(paren) => is_success(&paren.pat),
        Pat::Type(typed) => is_success(&typed.pat),
        Pat::Ident(binding) => binding
            .subpat
            .as_ref()
            .is_some_and(|(_, pattern)| is_success(pattern)),
        _ => false,
    }
}

/// Returns whether the pattern matches every success. Only refusals then reach the next pattern.
pub(super) fn is_every_success(pattern: &Pat) -> bool {
    match pattern {
        Pat::TupleStruct(variant) => {
            is_variant(variant, "Ok") && variant.elems.iter().all(is_anything)
        }
        Pat::Or(either) => either.cases.iter().any(is_every_success),
        Pat::Paren(paren) => is_every_success(&paren.pat),
        Pat::Type(typed) => is_every_success(&typed.pat),
        Pat::Ident(binding) => binding
            .subpat
            .as_ref()
            .is_some_and(|(_, pattern)| is_every_success(pattern)),
        _ => false,
    }
}

fn is_variant(pattern: &PatTupleStruct, name: &str) -> bool {
    pattern
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == name)
}

/// Returns whether the pattern matches everything. A name in capitals may be a constant.
fn is_anything(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) | Pat::Rest(_) => true,
        Pat::Ident(binding) => {
            binding.subpat.is_none() && !binding.ident.to_string().contains(char::is_uppercase)
        }
        Pat::Tuple(tuple) => tuple.elems.iter().all(is_anything),
        Pat::Paren(paren) => is_anything(&paren.pat),
        _ => false,
    }
}
