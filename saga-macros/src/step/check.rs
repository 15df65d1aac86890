//! The rules of a step, one function each. Mistakes that rustc explains better are left to it.

mod options;

use proc_macro2::{Group, Span, TokenStream};
use quote::format_ident;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, Safety, Signature, Type};

use super::model::{Input, Step};
use super::parse::StepSyntax;
use crate::errors::Errors;
use crate::options::Opt;
use crate::runtime_path::RuntimePath;
use crate::signature::types::anonymous;
use crate::signature::{
    Owner, context, one_for_each_type, reject_conditional_input, reject_generics,
    reject_qualifiers, reject_receiver, reject_sync, returned,
};
use options::{kind, policies};

const OPTIONS: [&str; 10] = [
    "compensate",
    "pivot",
    "retriable",
    "policy",
    "timeout",
    "retry",
    "in_doubt",
    "compensation",
    "name",
    "crate",
];

/// The options that say how attempts are made.
const POLICIES: [&str; 5] = ["policy", "timeout", "retry", "in_doubt", "compensation"];

/// The most inputs of a step: the length of the largest tuple that is `Clone`.
const MOST_INPUTS: usize = 12;

/// Checks everything. `None` if the signature can't be that of a step. A wrong option is left out of the step.
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
    let runtime = RuntimePath::from_options(&options, errors);

    reject_sync(Owner::Step, signature, errors);
    reject_qualifiers(Owner::Step, signature, errors);
    let body = body(syntax, errors);
    if reject_receiver(Owner::Step, signature, errors)
        || reject_generics(Owner::Step, signature, errors)
        || reject_anonymous_inputs(signature, errors)
    {
        return None;
    }
    let context = context::check(Owner::Step, signature, errors);
    let inputs = inputs(signature, errors);
    let returned = returned::check(Owner::Step, signature, errors);
    let (outer, inner, conditions) = sort(&syntax.attributes);
    let is_allowed = |attribute: &&&Attribute| {
        let path = attribute.path();
        path.is_ident("allow") || path.is_ident("expect")
    };
    let allowed = inner.iter().filter(is_allowed).copied().collect();
    Some(Step {
        runtime,
        outer,
        allowed,
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
        written: options
            .iter()
            .filter(|option| POLICIES.iter().any(|name| option.key == name))
            .map(Opt::text_of_source)
            .collect(),
    })
}

/// The signature with `async` and without qualifiers.
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

/// Reports an input of type `impl Trait`, which makes the function generic. Returns whether there is one.
fn reject_anonymous_inputs(signature: &Signature, errors: &mut Errors) -> bool {
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input
            && let Some(span) = anonymous(&typed.ty)
        {
            let message = format!("step `{}` is generic", signature.ident);
            errors.report(span, message, one_for_each_type(Owner::Step));
            return true;
        }
    }
    false
}

fn inputs(signature: &Signature, errors: &mut Errors) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    for (index, input) in signature.inputs.iter().enumerate().skip(1) {
        let FnArg::Typed(typed) = input else { continue };
        if reject_conditional_input(Owner::Step, signature, typed, errors) {
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

/// Sorts attributes by their place: on the function that sagas call, on the one that runs, on every item.
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
