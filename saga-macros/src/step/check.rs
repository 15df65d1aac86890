//! The rules of a step, one function each. What the compiler says better by itself is not said here.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, GenericArgument, Ident, Pat, PathArguments, Safety, Signature, Type};

use super::model::{Input, Kind, Policies, Retry, Step};
use super::parse::StepSyntax;
use crate::errors::Errors;
use crate::options::{self, Opt};
use crate::runtime_path::RuntimePath;
use crate::{duration, output};

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
    let options = options::parse(tokens, "`#[step]`", &OPTIONS, errors);
    let kind = kind(&options, signature, errors);
    let policies = policies(&options, &kind, errors);
    let name = options::durable_name("step", &options, &signature.ident, errors);
    let runtime = runtime(&options, errors);

    let is_free = is_free(signature, errors);
    let is_async = is_async(signature, errors);
    let is_concrete = is_concrete(signature, errors);
    if !(is_free && is_async && is_concrete) {
        return None;
    }
    let context = context(signature, errors);
    let inputs = inputs(signature, errors);
    let returned = output::check("step", signature, errors);
    let (outer, inner, conditions) = sort(&syntax.attributes);
    Some(Step {
        runtime,
        outer,
        inner,
        conditions,
        visibility: &syntax.visibility,
        signature,
        body: &syntax.body,
        name,
        kind,
        context: context?,
        inputs: inputs?,
        returned: returned?,
        policies,
    })
}

/// Exactly one kind is said; without one, a step that undoes nothing stands in, so that nothing else breaks.
fn kind(options: &[Opt], signature: &Signature, errors: &mut Errors) -> Kind {
    let said: Vec<&Opt> = options
        .iter()
        .filter(|option| {
            ["compensate", "pivot", "retriable"]
                .iter()
                .any(|kind| option.key == kind)
        })
        .collect();
    let name = &signature.ident;
    let Some(first) = said.first() else {
        if errors.is_empty() {
            errors.report(
                Span::call_site(),
                format!("step `{name}` does not say how it is undone"),
                "add `compensate = …` with the function that undoes it, or `compensate = ()` if there is nothing to \
                 undo,\n      or mark it `pivot` or `retriable`",
            );
        }
        return Kind::NothingToUndo;
    };
    if let Some(second) = said.get(1) {
        errors.report(
            second.span(),
            format!(
                "step `{name}` is `{}` and `{}` at once",
                first.key, second.key
            ),
            "leave one of them out",
        );
    }
    if first.key == "compensate" {
        if first.is_unit() {
            return Kind::NothingToUndo;
        }
        return match errors.ok(first.path("compensate = path` or `compensate = ()")) {
            Some(path) if path.is_ident(name) => {
                let message = format!("step `{name}` is its own compensation");
                errors.report(path.span(), message, "name the function that undoes it");
                Kind::NothingToUndo
            }
            Some(path) => Kind::Compensatable(path),
            None => Kind::NothingToUndo,
        };
    }
    errors.ok(first.flag());
    if first.key == "pivot" {
        Kind::Pivot
    } else {
        Kind::Retriable
    }
}

fn policies(options: &[Opt], kind: &Kind, errors: &mut Errors) -> Policies {
    let mut policies = Policies::default();
    for option in options {
        if option.key == "timeout" {
            policies.timeout = timeout(option, errors);
        } else if option.key == "retry" {
            let (retry, transient) = retry(option, true, errors);
            policies.retry = retry;
            policies.transient = transient;
            if let (Kind::Retriable, Some(span)) = (kind, limited(option)) {
                let message = "a `retriable` step is retried until it succeeds, so its attempts have no limit";
                errors.report(
                    span,
                    message,
                    "leave `attempts` and `when` out, or make the step compensatable",
                );
            }
        } else if option.key == "in_doubt" {
            in_doubt(option, kind, &mut policies, errors);
        } else if option.key == "compensation" {
            compensation(option, kind, &mut policies, errors);
        }
    }
    policies
}

fn timeout(option: &Opt, errors: &mut Errors) -> Option<std::time::Duration> {
    let literal = errors.ok(option.text("timeout = \"3s\""))?;
    errors.ok(duration::duration(&literal))
}

fn retry(
    option: &Opt,
    with_predicate: bool,
    errors: &mut Errors,
) -> (Option<Retry>, Option<syn::Path>) {
    let Some(tokens) = errors.ok(option.list("retry(attempts = 5, backoff = \"100ms..10s\")"))
    else {
        return (None, None);
    };
    let known: &[&str] = if with_predicate {
        &["attempts", "backoff", "when"]
    } else {
        &["attempts", "backoff"]
    };
    let mut retry = Retry {
        attempts: None,
        backoff: None,
    };
    let mut transient = None;
    for option in options::parse(tokens, "`retry`", known, errors) {
        if option.key == "attempts" {
            let Some(attempts) = errors.ok(option.number("attempts = 5")) else {
                continue;
            };
            if attempts == 0 {
                let message = "a step with zero attempts never runs";
                errors.report(
                    option.span(),
                    message,
                    "write `attempts = 1` for one attempt and no retry",
                );
            }
            retry.attempts = Some(attempts);
        } else if option.key == "backoff" {
            let Some(literal) = errors.ok(option.text("backoff = \"100ms..10s\"")) else {
                continue;
            };
            retry.backoff = errors.ok(duration::range(&literal));
        } else {
            transient = errors.ok(option.path("when = path"));
        }
    }
    (Some(retry), transient)
}

/// Where `retry(…)` limits the attempts.
fn limited(option: &Opt) -> Option<Span> {
    let tokens = option.list("").ok()?;
    let options = options::parse(
        tokens,
        "",
        &["attempts", "backoff", "when"],
        &mut Errors::default(),
    );
    options
        .iter()
        .find(|option| option.key == "attempts" || option.key == "when")
        .map(Opt::span)
}

fn in_doubt(option: &Opt, kind: &Kind, policies: &mut Policies, errors: &mut Errors) {
    let Some(tokens) = errors.ok(option.list("in_doubt(when = path, resolve = path)")) else {
        return;
    };
    for option in options::parse(tokens, "`in_doubt`", &["when", "resolve"], errors) {
        if option.key == "when" {
            policies.in_doubt = errors.ok(option.path("when = path"));
            continue;
        }
        let why = match kind {
            Kind::Compensatable(_) => {
                policies.resolver = errors.ok(option.path("resolve = path"));
                continue;
            }
            Kind::NothingToUndo => {
                "a step with `compensate = ()` leaves nothing behind that could be resolved"
            }
            Kind::Pivot => {
                "a `pivot` is asked again until its answer is definite, it is not undone"
            }
            Kind::Retriable => "a `retriable` step is retried until it succeeds, it is not undone",
        };
        errors.report(option.span(), why, "leave `resolve` out");
    }
}

fn compensation(option: &Opt, kind: &Kind, policies: &mut Policies, errors: &mut Errors) {
    let example = "compensation(timeout = \"3s\", retry(attempts = 5, backoff = \"100ms..10s\"))";
    let Some(tokens) = errors.ok(option.list(example)) else {
        return;
    };
    if !matches!(kind, Kind::Compensatable(_)) && errors.is_empty() {
        let message = "`compensation(…)` is said of a step that has no compensation";
        errors.report(
            option.span(),
            message,
            "leave it out, or add `compensate = …`",
        );
    }
    for option in options::parse(tokens, "`compensation`", &["timeout", "retry"], errors) {
        if option.key == "timeout" {
            policies.compensation_timeout = timeout(&option, errors);
        } else {
            policies.compensation_retry = retry(&option, false, errors).0;
        }
    }
}

fn runtime(options: &[Opt], errors: &mut Errors) -> RuntimePath {
    let option = options.iter().find(|option| option.key == "crate");
    option
        .and_then(|option| errors.ok(option.path("crate = saga_runtime")))
        .map_or_else(RuntimePath::default, |path| RuntimePath::new(&path))
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

fn is_async(signature: &Signature, errors: &mut Errors) -> bool {
    if signature.asyncness.is_none() {
        let message = format!("step `{}` is not `async`", signature.ident);
        errors.report(signature.fn_token.span, message, "write `async fn`");
    }
    for (token, what) in [
        (signature.constness.map(|token| token.span), "const"),
        (
            match &signature.safety {
                Safety::Unsafe(token) => Some(token.span),
                _ => None,
            },
            "unsafe",
        ),
        (signature.abi.as_ref().map(Spanned::span), "extern"),
    ] {
        if let Some(span) = token {
            errors.report(
                span,
                format!("step `{}` is `{what}`", signature.ident),
                format!("leave `{what}` out"),
            );
            return false;
        }
    }
    signature.asyncness.is_some()
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
            && let Type::ImplTrait(anonymous) = &*typed.ty
        {
            errors.report(
                anonymous.impl_token.span,
                format!("step `{name}` is generic"),
                help,
            );
            return false;
        }
    }
    true
}

/// The type of the first parameter: `Context<'_, Services>`, or an alias with a lifetime.
fn context(signature: &Signature, errors: &mut Errors) -> Option<Type> {
    let name = &signature.ident;
    let help = "write `cx: Context<'_, Services>` first, then the inputs";
    let Some(FnArg::Typed(first)) = signature.inputs.first() else {
        errors.report(name.span(), format!("step `{name}` has no context"), help);
        return None;
    };
    if let Some(context) = context_type(&first.ty) {
        return Some(context);
    }
    let message = format!("the first parameter of step `{name}` is not its context");
    errors.report(first.ty.span(), message, help);
    None
}

/// `Context<'_, Services>`, with the lifetime written out; `None` if the type is none that has a lifetime.
pub(crate) fn context_type(ty: &Type) -> Option<Type> {
    let Type::Path(mut path) = ty.clone() else {
        return None;
    };
    let last = path.path.segments.last_mut()?;
    let PathArguments::AngleBracketed(arguments) = &mut last.arguments else {
        return None;
    };
    if !matches!(arguments.args.first(), Some(GenericArgument::Lifetime(_))) {
        if last.ident != "Context" {
            return None;
        }
        arguments.args.insert(
            0,
            GenericArgument::Lifetime(syn::Lifetime::new("'_", last.ident.span())),
        );
    }
    Some(Type::Path(path))
}

fn inputs(signature: &Signature, errors: &mut Errors) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    for (index, input) in signature.inputs.iter().enumerate().skip(1) {
        let FnArg::Typed(typed) = input else { continue };
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
            pattern => Ident::new(&format!("input{index}"), pattern.span()),
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

type Attributes<'a> = Vec<&'a Attribute>;

/// Which attribute stands where: on the function that is called, on the one that does it, on everything.
fn sort(attributes: &[Attribute]) -> (Attributes<'_>, Attributes<'_>, Attributes<'_>) {
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
