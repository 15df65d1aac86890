//! The first parameter of a step or a saga: its context.

use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Lifetime, Pat, PathArguments, Signature, Type};

use super::{Owner, lifetimes};
use crate::errors::Errors;

/// The pattern and the type of the first parameter. Reports a missing one and one that is no context.
pub(crate) fn check<'a>(
    owner: Owner,
    signature: &'a Signature,
    errors: &mut Errors,
) -> Option<(&'a Pat, Type)> {
    let name = &signature.ident;
    let help = "write `cx: Context<'_, Services>` first, or an alias of it whose name ends in `Context` or `Cx`, \
                then the inputs";
    let Some(FnArg::Typed(first)) = signature.inputs.first() else {
        errors.report(
            name.span(),
            format!("{owner} `{name}` has no context"),
            help,
        );
        return None;
    };
    let context = context_type(&first.ty);
    if context.is_none() {
        let message = format!("the first parameter of {owner} `{name}` is not its context");
        errors.report(first.ty.span(), message, help);
    }
    let context = context?;
    if let Some(borrow) = lifetimes::first_borrow(services(&first.ty)) {
        let message = format!("the services of {owner} `{name}` have a lifetime");
        let help = "services outlive the call that starts a saga: let them own what they need, for example in an `Arc`, or \
                    write `'static`";
        errors.report(borrow, message, help);
        return None;
    }
    Some((&first.pat, context))
}

/// The types in `Context<'_, Services>`, or in an alias of it.
fn services(context: &Type) -> impl Iterator<Item = &Type> {
    let arguments = match context {
        Type::Path(path) => path.path.segments.last().map(|last| &last.arguments),
        _ => None,
    };
    let arguments = match arguments {
        Some(PathArguments::AngleBracketed(arguments)) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|one| match one {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Context<'_, Services>` with its lifetime, or an alias. `None` for a type with another name.
pub(crate) fn context_type(ty: &Type) -> Option<Type> {
    let Type::Path(mut path) = ty.clone() else {
        return None;
    };
    let last = path.path.segments.last_mut()?;
    let name = last.ident.to_string();
    if !(name.ends_with("Context") || name.ends_with("Cx")) {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &mut last.arguments else {
        return None;
    };
    if !matches!(arguments.args.first(), Some(GenericArgument::Lifetime(_))) {
        let elided = Lifetime::new("'_", last.ident.span());
        arguments.args.insert(0, GenericArgument::Lifetime(elided));
    }
    Some(Type::Path(path))
}
