//! The rules of a step, one function each. What the compiler says better by itself is not said here.

mod options;

use proc_macro2::{Group, Span, TokenStream};
use quote::format_ident;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, Safety, Signature, Type};

use super::model::{Input, Step};
use super::parse::StepSyntax;
use crate::errors::Errors;
use crate::runtime_path::RuntimePath;
use crate::signature::types::anonymous;
use crate::signature::{context, returned};
use options::{kind, policies};

const OPTIONS: [&str; 9] = [
    "compensate",
    "pivot",
    "retriable",
    "timeout",
    "retry",
    "in_doubt",
    "compensation",
    "name",
    "crate",
];

/// A step takes this many inputs: the largest tuple that is `Clone`.
const MOST_INPUTS: usize = 12;

/// Checks everything; `None` if the signature is none of a step. Mistakes in options leave a step without them.
pub(super) fn check<'a>(
    tokens: TokenStream,
    syntax: &'a StepSyntax,
    errors: &mut Errors,
) -> Option<Step<'a>> {
    let signature = &syntax.signature;
    let options = crate::options::parse(tokens, "`#[step]`", &OPTIONS, errors);
    let kind = kind(&options, signature, errors);
    let policies = policies(&options, &kind, errors);
    let name = crate::options::durable_name("step", &options, &signature.ident, errors);
    let runtime = RuntimePath::said(&options, errors);

    is_async(signature, errors);
    is_plain(signature, errors);
    let body = body(syntax, errors);
    if !(is_free(signature, errors) && is_concrete(signature, errors)) {
        return None;
    }
    let context = context::check("step", signature, errors);
    let inputs = inputs(signature, errors);
    let returned = returned::check("step", signature, errors);
    let (outer, inner, conditions) = sort(&syntax.attributes);
    Some(Step {
        runtime,
        outer,
        inner,
        conditions,
        visibility: &syntax.visibility,
        signature: plain(signature),
        body: body?,
        name,
        kind,
        context: context?.1,
        inputs: inputs?,
        returned: returned?,
        policies,
    })
}

fn is_free(signature: &Signature, errors: &mut Errors) -> bool {
    let Some(receiver) = signature.receiver() else {
        return true;
    };
    let message = format!("step `{}` is a method", signature.ident);
    let help =
        "make it a free `async fn`; what `self` gives it belongs to the services in its `Context`";
    errors.report(receiver.self_token.span, message, help);
    false
}

fn is_async(signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        let message = format!("step `{}` is not `async`", signature.ident);
        errors.report(signature.fn_token.span, message, "write `async fn`");
    }
}

/// A step is not `const`, `unsafe` or `extern`.
fn is_plain(signature: &Signature, errors: &mut Errors) {
    let safety = match &signature.safety {
        Safety::Unsafe(token) => Some(token.span),
        _ => None,
    };
    for (token, what) in [
        (signature.constness.map(|token| token.span), "const"),
        (safety, "unsafe"),
        (signature.abi.as_ref().map(Spanned::span), "extern"),
    ] {
        if let Some(span) = token {
            let message = format!("step `{}` is `{what}`", signature.ident);
            errors.report(span, message, format!("leave `{what}` out"));
        }
    }
}

/// The signature as it has to be in these respects.
fn plain(signature: &Signature) -> Signature {
    let mut plain = signature.clone();
    plain.asyncness.get_or_insert_default();
    plain.constness = None;
    plain.safety = Safety::Default;
    plain.abi = None;
    plain
}

fn body<'a>(syntax: &'a StepSyntax, errors: &mut Errors) -> Option<&'a Group> {
    if syntax.body.is_none() {
        let name = &syntax.signature.ident;
        let help = "write what it does; a saga is tested with other services, not with other steps";
        errors.report(name.span(), format!("step `{name}` has no body"), help);
    }
    syntax.body.as_ref()
}

/// A step's name is its identity in the journal, so one function is one step.
fn is_concrete(signature: &Signature, errors: &mut Errors) -> bool {
    let name = &signature.ident;
    let help =
        "write one step for each type; what they share can be a generic function that they call";
    if let Some(lifetime) = signature.generics.lifetimes().next() {
        let message = format!("step `{name}` names a lifetime");
        errors.report(
            lifetime.span(),
            message,
            "leave lifetimes out, as in `&str` and `Context<'_, Services>`",
        );
        return false;
    }
    if let Some(parameter) = signature.generics.params.first() {
        errors.report(parameter.span(), format!("step `{name}` is generic"), help);
        return false;
    }
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input
            && let Some(span) = anonymous(&typed.ty)
        {
            errors.report(span, format!("step `{name}` is generic"), help);
            return false;
        }
    }
    true
}

fn inputs(signature: &Signature, errors: &mut Errors) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    for (index, input) in signature.inputs.iter().enumerate().skip(1) {
        let FnArg::Typed(typed) = input else { continue };
        if let Some(attribute) = typed.attrs.iter().find(|one| one.path().is_ident("cfg")) {
            let message = format!(
                "an input of step `{}` stands under `#[cfg(…)]`",
                signature.ident
            );
            let help = "put the `cfg` on the whole step, and write the step twice";
            errors.report(attribute.pound_token.span, message, help);
            return None;
        }
        if let Type::Reference(reference) = &*typed.ty
            && let Some(token) = reference.mutability
        {
            let message = format!(
                "step `{}` changes its input, but it may be run again with the same inputs",
                signature.ident
            );
            errors.report(
                token.span,
                message,
                "take it by `&` or by value, and return what has changed",
            );
            return None;
        }
        let name = match &*typed.pat {
            Pat::Ident(ident) if ident.subpat.is_none() => ident.ident.clone(),
            pattern => {
                let span = Span::mixed_site().located_at(pattern.span());
                format_ident!("input{index}", span = span)
            }
        };
        inputs.push(Input {
            name,
            ty: (*typed.ty).clone(),
        });
    }
    if inputs.len() > MOST_INPUTS {
        let message = format!(
            "step `{}` takes {} inputs, but {MOST_INPUTS} are the most",
            signature.ident,
            inputs.len()
        );
        errors.report(
            signature.inputs[MOST_INPUTS + 1].span(),
            message,
            "put some of them into a struct",
        );
        return None;
    }
    Some(inputs)
}

pub(super) type Attributes<'a> = Vec<&'a Attribute>;

/// Which attribute stands where: on the function that is called, on the one that does it, on everything.
pub(super) fn sort(attributes: &[Attribute]) -> (Attributes<'_>, Attributes<'_>, Attributes<'_>) {
    let (mut outer, mut inner, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
    for attribute in attributes {
        let path = attribute.path();
        if ["doc", "deprecated", "must_use"]
            .iter()
            .any(|name| path.is_ident(name))
        {
            outer.push(attribute);
        } else if path.is_ident("cfg") {
            conditions.push(attribute);
        } else {
            inner.push(attribute);
        }
    }
    (outer, inner, conditions)
}
