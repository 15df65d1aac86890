//! The rules of a step's options, one function each.

use proc_macro2::Span;
use syn::Signature;
use syn::spanned::Spanned;

use crate::duration;
use crate::errors::Errors;
use crate::options::{self, Opt, Value};
use crate::step::model::{Attempts, Kind, Policies, Predicate, Resolver, Retry, Time};

/// The options in `retry(…)`. Only the step itself has a `when`.
const RETRY: [&str; 4] = ["attempts", "backoff", "give_up_after", "when"];

/// The kind of the step. Reports none and more than one; the result of a mistake is a step with nothing to undo, so
/// that nothing else breaks.
pub(super) fn kind(options: &[Opt], signature: &Signature, errors: &mut Errors) -> Kind {
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
                Span::call_site().resolved_at(name.span()),
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
            Some(path) if path.is_ident("None") => {
                let message = format!("step `{name}` is undone by no function");
                let help = "write `compensate = ()` if there is nothing to undo";
                errors.report(path.span(), message, help);
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

/// The options besides the kind.
pub(super) fn policies(options: &[Opt], kind: &Kind, errors: &mut Errors) -> Policies {
    let mut policies = Policies::default();
    for option in options {
        if option.key == "timeout" {
            policies.timeout = timeout(option, errors);
        } else if option.key == "policy" {
            policies.shared = errors.ok(option.shared("policy = PROVIDER"));
        } else if option.key == "retry" {
            let (retry, transient) = retry(option, "step", &RETRY, errors);
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

fn timeout(option: &Opt, errors: &mut Errors) -> Option<Time> {
    if let Some(constant) = option.constant() {
        return Some(Time::Constant(constant));
    }
    let literal = errors.ok(option.text("timeout = \"3s\""))?;
    errors.ok(duration::duration(&literal)).map(Time::Literal)
}

fn attempts(option: &Opt, owner: &str, errors: &mut Errors) -> Option<Attempts> {
    if let Some(constant) = option.constant() {
        return Some(Attempts::Constant(constant));
    }
    let attempts = errors.ok(option.number("attempts = 5"))?;
    if attempts == 0 {
        let message = format!("a {owner} with zero attempts never runs");
        let help = "write `attempts = 1` for one attempt and no retry";
        errors.report(option.span(), message, help);
    }
    Some(Attempts::Literal(attempts))
}

fn backoff(option: &Opt, errors: &mut Errors) -> Option<(Time, Time)> {
    if let Some((first, last)) = option.constants() {
        return Some((Time::Constant(first), Time::Constant(last)));
    }
    let literal = errors.ok(option.text("backoff = \"100ms..10s\""))?;
    let (first, last) = errors.ok(duration::range(&literal))?;
    Some((Time::Literal(first), Time::Literal(last)))
}

fn give_up_after(option: &Opt, errors: &mut Errors) -> Option<Time> {
    if let Some(constant) = option.constant() {
        return Some(Time::Constant(constant));
    }
    let literal = errors.ok(option.text("give_up_after = \"24h\""))?;
    errors.ok(duration::duration(&literal)).map(Time::Literal)
}

fn predicate(option: &Opt, errors: &mut Errors) -> Option<Predicate> {
    match option.closure() {
        Some(closure) => Some(Predicate::Closure(closure)),
        None => errors.ok(option.path("when = path")).map(Predicate::Path),
    }
}

/// `retry(…)` of a step or of its compensation, and its predicate.
fn retry(
    option: &Opt,
    owner: &str,
    known: &[&str],
    errors: &mut Errors,
) -> (Option<Retry>, Option<Predicate>) {
    let example = "retry(attempts = 5, backoff = \"100ms..10s\")";
    let Some(tokens) = errors.ok(option.list(example)) else {
        return (None, None);
    };
    let mut retry = Retry {
        attempts: None,
        backoff: None,
        give_up_after: None,
    };
    let mut transient = None;
    for option in options::parse(tokens, "`retry`", known, errors) {
        if option.key == "attempts" {
            retry.attempts = attempts(&option, owner, errors);
        } else if option.key == "backoff" {
            retry.backoff = backoff(&option, errors);
        } else if option.key == "give_up_after" {
            retry.give_up_after = give_up_after(&option, errors);
        } else {
            transient = predicate(&option, errors);
        }
    }
    (Some(retry), transient)
}

/// The place in `retry(…)` that limits the attempts.
fn limited(option: &Opt) -> Option<Span> {
    let tokens = option.list("").ok()?;
    let options = options::parse(tokens, "", &RETRY, &mut Errors::default());
    options
        .iter()
        .find(|option| option.key == "attempts" || option.key == "when")
        .map(Opt::span)
}

fn in_doubt(option: &Opt, kind: &Kind, policies: &mut Policies, errors: &mut Errors) {
    let Some(tokens) = errors.ok(option.list("in_doubt(when = path, resolve = path)")) else {
        return;
    };
    for option in options::parse(tokens, "`in_doubt`", &["when", "resolve", "retry"], errors) {
        if option.key == "when" {
            policies.in_doubt = predicate(&option, errors);
            continue;
        }
        if option.key == "retry" {
            policies.in_doubt_retry = retry(&option, "step in doubt", &RETRY[..3], errors).0;
            reject_settling(&option, kind, errors);
            continue;
        }
        let why = match kind {
            Kind::Compensatable(_) => {
                policies.resolver = match &option.value {
                    Value::Flag => Some(Resolver::Compensation),
                    _ => errors.ok(option.path("resolve = path")).map(Resolver::Path),
                };
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

/// Reports a policy for attempts that are never made: such a step is not asked again when it is in doubt.
fn reject_settling(option: &Opt, kind: &Kind, errors: &mut Errors) {
    let why = match kind {
        Kind::Compensatable(_) | Kind::Pivot => return,
        Kind::NothingToUndo => "a step with `compensate = ()` in doubt is not asked again",
        Kind::Retriable => "a `retriable` step is retried until it succeeds, it is not asked again",
    };
    errors.report(option.span(), why, "leave `retry` out of `in_doubt`");
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
            policies.compensation_retry = retry(&option, "compensation", &RETRY[..3], errors).0;
        }
    }
}
