//! The rules that the signatures of steps and sagas have in common.

pub(crate) mod associated;
pub(crate) mod context;
pub(crate) mod lifetimes;
pub(crate) mod returned;
pub(crate) mod types;

use std::fmt;

use proc_macro2::TokenStream;

use syn::spanned::Spanned;
use syn::{GenericParam, PatType, ReturnType, Safety, Signature, Token, Type};

use crate::errors::Errors;
use crate::source::Source;

/// The kind of function that a signature belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Step,
    Saga,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::Saga => "saga",
        })
    }
}

/// Reports a function without `async`.
pub(crate) fn reject_sync(owner: Owner, signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        let message = format!("{owner} `{}` is not `async`", signature.ident);
        errors.report(signature.fn_token.span, message, "write `async fn`");
    }
}

/// Reports `const`, `unsafe` and `extern`.
pub(crate) fn reject_qualifiers(owner: Owner, signature: &Signature, errors: &mut Errors) {
    let safety = match &signature.safety {
        Safety::Unsafe(token) => Some(token.span),
        _ => None,
    };
    let abi = signature.abi.as_ref().map(|abi| abi.extern_token.span);
    for (token, what) in [
        (signature.constness.map(|token| token.span), "const"),
        (safety, "unsafe"),
        (abi, "extern"),
    ] {
        if let Some(span) = token {
            let message = format!("{owner} `{}` is `{what}`", signature.ident);
            errors.report(span, message, format!("leave `{what}` out"));
        }
    }
}

/// Reports `self`. Returns whether there is one.
pub(crate) fn reject_receiver(owner: Owner, signature: &Signature, errors: &mut Errors) -> bool {
    let Some(receiver) = signature.receiver() else {
        return false;
    };
    let message = format!("{owner} `{}` is a method", signature.ident);
    let help =
        "make it a free `async fn`; what `self` gives it belongs to the services in its `Context`";
    errors.report(receiver.self_token.span, message, help);
    true
}

/// Reports a function in an `impl` or a `trait`, where the items that the macro adds can't stand. Returns whether it is in one.
pub(crate) fn reject_owner(
    owner: Owner,
    signature: &Signature,
    source: &Source,
    errors: &mut Errors,
) -> bool {
    let name = &signature.ident;
    if signature.receiver().is_some() {
        return false;
    }
    let Some(around) = source.owner_of(name) else {
        return false;
    };
    let message = format!("{owner} `{name}` stands in `{around}`");
    let help = format!(
        "make it a free `async fn`: move it out of the `{around}`, and call it as `{name}(cx, …)`"
    );
    errors.report(name.span(), message, help);
    true
}

/// The signature of a function with mistakes: an `async fn` that returns a `returned`.
pub(crate) fn returning(signature: &Signature, returned: TokenStream) -> Signature {
    let mut signature = signature.clone();
    signature.asyncness.get_or_insert_default();
    let returned = Box::new(Type::Verbatim(returned));
    signature.output = ReturnType::Type(<Token![->]>::default(), returned);
    signature
}

/// Reports the first generic parameter, a lifetime or another. Returns whether there is one.
pub(crate) fn reject_generics(owner: Owner, signature: &Signature, errors: &mut Errors) -> bool {
    let name = &signature.ident;
    match signature.generics.params.first() {
        None => false,
        Some(GenericParam::Lifetime(lifetime)) => {
            let help = match owner {
                Owner::Step => "leave lifetimes out, as in `&str` and `Context<'_, Services>`",
                Owner::Saga => {
                    "leave lifetimes out, as in `Context<'_, Services>`, and take inputs by value"
                }
            };
            let message = format!("{owner} `{name}` names a lifetime");
            errors.report(lifetime.span(), message, help);
            true
        }
        Some(parameter) => {
            let message = format!("{owner} `{name}` is generic");
            errors.report(parameter.span(), message, one_for_each_type(owner));
            true
        }
    }
}

/// The advice for a generic function: its durable name belongs to one step or one saga.
pub(crate) fn one_for_each_type(owner: Owner) -> &'static str {
    match owner {
        Owner::Step => {
            "write one step for each type; what they share can be a generic function that they call"
        }
        Owner::Saga => "write one saga for each type",
    }
}

/// Reports an input under `#[cfg(…)]`. Returns whether it is one.
pub(crate) fn reject_conditional_input(
    owner: Owner,
    signature: &Signature,
    input: &PatType,
    errors: &mut Errors,
) -> bool {
    let mut attributes = input.attrs.iter();
    let Some(attribute) = attributes.find(|one| one.path().is_ident("cfg")) else {
        return false;
    };
    let message = format!(
        "an input of {owner} `{}` stands under `#[cfg(…)]`",
        signature.ident
    );
    let help = format!("put the `cfg` on the whole {owner}, and write the {owner} twice");
    errors.report(attribute.pound_token.span, message, help);
    true
}
