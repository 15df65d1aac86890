//! The return type of a step or a saga: a `Result` that borrows nothing.

use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, ReturnType, Signature, Type};

use super::Owner;
use super::types::{anonymous, borrowed, reference};
use crate::errors::Errors;

/// The return type of the function. Reports a missing one, one that is no `Result`, and one that borrows.
pub(crate) fn check<'a>(
    owner: Owner,
    signature: &'a Signature,
    errors: &mut Errors,
) -> Option<&'a Type> {
    let name = &signature.ident;
    let ReturnType::Type(_, returned) = &signature.output else {
        errors.report(
            name.span(),
            format!("{owner} `{name}` returns nothing"),
            "add `-> Result<Output, Error>`; where there is no output, `Result<(), Error>`",
        );
        return None;
    };
    if !is_result(returned) {
        errors.report(
            returned.span(),
            format!("{owner} `{name}` does not return a `Result`"),
            "return `Result<Output, Error>`, or an alias of it whose name ends in `Result`",
        );
        return None;
    }
    if let Some(span) = borrowed(returned) {
        errors.report(
            span,
            format!(
                "{owner} `{name}` returns something borrowed, but its output outlives the call"
            ),
            "return an owned value, such as `String` instead of `&str`",
        );
        return None;
    }
    if let Some(span) = output(returned).and_then(reference) {
        errors.report(
            span,
            format!(
                "{owner} `{name}` returns a reference, but its output is written down and read again"
            ),
            "return an owned value, such as `String` or `Cow<'static, str>` instead of `&'static str`",
        );
        return None;
    }
    if let Some(span) = anonymous(returned) {
        errors.report(
            span,
            format!("{owner} `{name}` returns something without a name"),
            "write its type: an output is stored and read again",
        );
        return None;
    }
    Some(returned)
}

/// `Output` of `Result<Output, Error>`.
fn output(returned: &Type) -> Option<&Type> {
    arguments(returned)?.next()
}

/// `Output` and `Error` of a return type that is written as `Result<Output, Error>`.
pub(crate) fn both(returned: &Type) -> Option<(&Type, &Type)> {
    let mut types = arguments(returned)?;
    let both = (types.next()?, types.next()?);
    types.next().is_none().then_some(both)
}

/// The types in the angle brackets of a type.
fn arguments(ty: &Type) -> Option<impl Iterator<Item = &Type>> {
    let path = match ty {
        Type::Path(path) => path,
        Type::Group(group) => return arguments(&group.elem),
        Type::Paren(paren) => return arguments(&paren.elem),
        _ => return None,
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    Some(arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }))
}

/// Returns whether the name of a type ends in `Result`. Rustc checks that it is one.
fn is_result(returned: &Type) -> bool {
    match returned {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident.to_string().ends_with("Result")),
        Type::Group(group) => is_result(&group.elem),
        Type::Paren(paren) => is_result(&paren.elem),
        _ => false,
    }
}
