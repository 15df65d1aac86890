//! The rules of a saga's signature and options, one function each; those of its body are in `body`.

mod body;
pub(super) mod paths;
mod source_text;

use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, Meta, Pat, Safety, Signature, Type};

use super::model::{CountsAs, Flow, Input, Options, Saga};
use super::parse::SagaSyntax;
use crate::duration;
use crate::errors::Errors;
use crate::options::{self, Opt};
use crate::runtime_path::RuntimePath;
use crate::signature::types::{anonymous, borrowed, reference};
use crate::signature::{context, returned};

const OPTIONS: [&str; 9] = [
    "name",
    "version",
    "deadline",
    "on_compensation_failure",
    "compensations",
    "compensatable",
    "pivot",
    "retriable",
    "crate",
];

/// Checks everything; `None` if the signature is none of a saga. A saga with another mistake is still a saga, perhaps
/// without its body.
pub(super) fn check<'a>(syntax: &'a SagaSyntax, errors: &mut Errors) -> Option<Saga<'a>> {
    let signature = &syntax.signature;
    let written = written(&syntax.attributes, errors);
    let options = options(&written, signature, errors);
    let runtime = RuntimePath::said(&written, errors);
    is_async(signature, errors);
    is_plain(signature, errors);
    of_a_struct(&syntax.attributes, signature, errors);
    if !is_free(signature, errors) {
        return None;
    }
    let name = struct_name(&signature.ident);
    if name.is_none() {
        let message = format!(
            "`{}` can't be the name of a saga: a struct is named like it, in camel case",
            signature.ident
        );
        let help = "begin it with a letter, as in `place_order`, which gives `PlaceOrder`";
        errors.report(signature.ident.span(), message, help);
    }
    let is_concrete = is_concrete(signature, errors);
    let context = context::check("saga", signature, errors);
    let inputs = inputs(signature, errors);
    let returned = returned::check("saga", signature, errors);
    let body = match &syntax.body {
        Ok(block) => {
            let cx = context.as_ref().map(|(cx, _)| *cx);
            body::check(signature, cx, block, &runtime, errors)
        }
        Err(error) => {
            errors.push(error.clone());
            None
        }
    };
    if let (Some(body), CountsAs::Retriable) = (&body, options.counts_as)
        && let Some(place) = body.flow.iter().find_map(Flow::may_fail)
    {
        let what = "the saga can fail here, but it is marked `retriable`";
        let help = "handle the error here, or leave `retriable` out: then the saga counts as a pivot where other sagas call it";
        errors.report(place.0, what, help);
    }
    let (cx, context) = context?;
    let Sorted {
        definition,
        lints,
        conditions,
    } = sort(&syntax.attributes);
    let saga = Saga {
        runtime,
        attributes: definition,
        lints,
        conditions,
        visibility: &syntax.visibility,
        signature,
        name: name?,
        options,
        cx,
        context,
        inputs: inputs?,
        returned: returned?,
        body,
    };
    is_concrete.then_some(saga)
}

/// `place_order` → `PlaceOrder`, at the same place; `None` if that is no name of a struct.
pub(super) fn struct_name(function: &Ident) -> Option<Ident> {
    let mut name = String::new();
    for word in function.to_string().trim_start_matches("r#").split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    let mut name: Ident = syn::parse_str(&name).ok()?;
    name.set_span(function.span());
    Some(name)
}

/// Attributes of a saga go to its struct, and some make sense on a function only.
fn of_a_struct(attributes: &[Attribute], signature: &Signature, errors: &mut Errors) {
    for (attribute, help) in attributes.iter().filter_map(of_functions) {
        let message = format!(
            "saga `{}` becomes a struct, where `#[{attribute}]` can't stand",
            signature.ident
        );
        errors.report(attribute.span(), message, help);
    }
}

/// The name of an attribute that makes sense on a function only, and what to do instead.
fn of_functions(attribute: &Attribute) -> Option<(&Ident, &'static str)> {
    let name = &attribute.path().segments.last()?.ident;
    let help = if name == "instrument" {
        "leave it out: each saga has a span of its own, and so has each attempt of a step"
    } else if name == "step" {
        "leave it out: other sagas can call this one, and `#[saga(compensatable)]` says what it counts as there"
    } else {
        return None;
    };
    Some((name, help))
}

/// A saga is not `const`, `unsafe` or `extern`.
fn is_plain(signature: &Signature, errors: &mut Errors) {
    let safety = match &signature.safety {
        Safety::Unsafe(token) => Some(token.span),
        _ => None,
    };
    for (token, what) in [
        (signature.constness.map(|token| token.span), "const"),
        (safety, "unsafe"),
        (
            signature.abi.as_ref().map(|abi| abi.extern_token.span),
            "extern",
        ),
    ] {
        if let Some(span) = token {
            let message = format!("saga `{}` is `{what}`", signature.ident);
            errors.report(span, message, format!("leave `{what}` out"));
        }
    }
}

/// Which attribute stands where.
#[derive(Default)]
struct Sorted<'a> {
    /// On the struct.
    definition: Vec<&'a Attribute>,
    /// On the body: what is said of lints.
    lints: Vec<&'a Attribute>,
    /// On everything that is generated.
    conditions: Vec<&'a Attribute>,
}

fn sort(attributes: &[Attribute]) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    for attribute in attributes {
        let is = |name: &&str| attribute.path().is_ident(name);
        if is(&"cfg") {
            sorted.conditions.push(attribute);
        } else if is(&"expect") {
            // It would not be fulfilled on the struct.
            sorted.lints.push(attribute);
        } else if ["allow", "warn", "deny", "forbid"].iter().any(is) {
            sorted.lints.push(attribute);
            sorted.definition.push(attribute);
        } else if !is(&"saga") && of_functions(attribute).is_none() {
            sorted.definition.push(attribute);
        }
    }
    sorted
}

/// The options in `#[saga(…)]`.
fn written(attributes: &[Attribute], errors: &mut Errors) -> Vec<Opt> {
    let mut tokens = proc_macro2::TokenStream::new();
    for attribute in attributes {
        if !attribute.path().is_ident("saga") {
            continue;
        }
        match &attribute.meta {
            Meta::List(list) => {
                if !tokens.is_empty() {
                    tokens.extend(quote::quote!(,));
                }
                tokens.extend(list.tokens.clone());
            }
            _ => errors.report(
                attribute.span(),
                "`#[saga]` says nothing",
                "write `#[saga(deadline = \"30s\")]`",
            ),
        }
    }
    options::parse(tokens, "`#[saga]`", &OPTIONS, errors)
}

fn options(written: &[Opt], signature: &Signature, errors: &mut Errors) -> Options {
    let mut options = Options {
        name: options::durable_name("saga", written, &signature.ident, errors),
        version: None,
        deadline: None,
        halts: false,
        parallel: false,
        counts_as: counts_as(written, errors),
    };
    for option in written {
        if option.key == "version" {
            options.version = errors.ok(option.number("version = 2"));
        } else if option.key == "deadline" {
            let literal = errors.ok(option.text("deadline = \"30s\""));
            options.deadline = literal.and_then(|literal| errors.ok(duration::duration(&literal)));
        } else if option.key == "on_compensation_failure" {
            options.halts = errors.ok(option.choice(&["continue", "halt"])) == Some(1);
        } else if option.key == "compensations" {
            options.parallel = errors.ok(option.choice(&["sequential", "parallel"])) == Some(1);
        }
    }
    options
}

/// What the saga counts as where another one calls it.
fn counts_as(written: &[Opt], errors: &mut Errors) -> CountsAs {
    let kinds = [
        ("compensatable", CountsAs::Compensatable),
        ("pivot", CountsAs::Pivot),
        ("retriable", CountsAs::Retriable),
    ];
    let mut said = None;
    for option in written {
        let Some((name, kind)) = kinds.iter().find(|(name, _)| option.key == name) else {
            continue;
        };
        errors.ok(option.flag());
        if let Some((before, _)) = said {
            errors.report(
                option.key.span(),
                format!("a saga can't be `{before}` and `{name}`"),
                "say what it counts as where another saga calls it: one of `compensatable`, `pivot`, `retriable`",
            );
            continue;
        }
        said = Some((*name, *kind));
    }
    said.map_or(CountsAs::Pivot, |(_, kind)| kind)
}

/// Where the runtime is, if everything else about the options is of no interest.
pub(super) fn runtime_of(attributes: &[Attribute]) -> RuntimePath {
    let mut errors = Errors::default();
    let written = written(attributes, &mut errors);
    RuntimePath::said(&written, &mut errors)
}

fn is_async(signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        errors.report(
            signature.fn_token.span,
            format!("saga `{}` is not `async`", signature.ident),
            "write `async fn`",
        );
    }
}

fn is_free(signature: &Signature, errors: &mut Errors) -> bool {
    let Some(receiver) = signature.receiver() else {
        return true;
    };
    let help =
        "make it a free `async fn`; what `self` gives it belongs to the services in its `Context`";
    errors.report(
        receiver.self_token.span,
        format!("saga `{}` is a method", signature.ident),
        help,
    );
    false
}

fn is_concrete(signature: &Signature, errors: &mut Errors) -> bool {
    let name = &signature.ident;
    match signature.generics.params.first() {
        None => true,
        Some(syn::GenericParam::Lifetime(lifetime)) => {
            let help =
                "leave lifetimes out, as in `Context<'_, Services>`, and take inputs by value";
            errors.report(
                lifetime.span(),
                format!("saga `{name}` names a lifetime"),
                help,
            );
            false
        }
        Some(parameter) => {
            let help = "write one saga for each type";
            errors.report(parameter.span(), format!("saga `{name}` is generic"), help);
            false
        }
    }
}

fn inputs<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<Vec<Input<'a>>> {
    let mut inputs = Vec::new();
    let all = signature.inputs.len().saturating_sub(1);
    for input in signature.inputs.iter().skip(1) {
        let FnArg::Typed(typed) = input else {
            continue;
        };
        if let Some(attribute) = typed.attrs.iter().find(|one| one.path().is_ident("cfg")) {
            let message = format!(
                "an input of saga `{}` stands under `#[cfg(…)]`",
                signature.ident
            );
            let help = "put the `cfg` on the whole saga, and write the saga twice";
            errors.report(attribute.pound_token.span, message, help);
            continue;
        }
        let (span, what, help) = match (&*typed.pat, &*typed.ty) {
            (Pat::Ident(pattern), ty) if is_owned(ty) => {
                inputs.push(Input {
                    attributes: &typed.attrs,
                    pattern: &typed.pat,
                    name: &pattern.ident,
                    ty,
                });
                continue;
            }
            (_, ty) if let Some(span) = anonymous(ty) => {
                (span, "has no concrete type", "write its type")
            }
            (_, ty) if let Some(span) = borrowed(ty).or_else(|| reference(ty)) => (
                span,
                "is borrowed",
                "take it by value: the input is stored, so that the saga can go on after a crash",
            ),
            (pattern, _) => (
                pattern.span(),
                "has no name",
                "give it a name, and take it apart in the body",
            ),
        };
        let message = format!("an input of saga `{}` {what}", signature.ident);
        errors.report(span, message, help);
    }
    (inputs.len() == all).then_some(inputs)
}

fn is_owned(ty: &Type) -> bool {
    anonymous(ty).is_none() && borrowed(ty).is_none() && reference(ty).is_none()
}
