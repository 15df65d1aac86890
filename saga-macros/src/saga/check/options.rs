//! The rules of a saga's options, which stand in `#[saga(…)]`.

use syn::spanned::Spanned;
use syn::{Attribute, Meta, Signature};

use crate::duration;
use crate::errors::Errors;
use crate::options::{self, Opt};
use crate::runtime_path::RuntimePath;
use crate::saga::model::{CountsAs, Options};

const OPTIONS: [&str; 11] = [
    "name",
    "struct",
    "policy",
    "version",
    "deadline",
    "on_compensation_failure",
    "compensations",
    "compensatable",
    "pivot",
    "retriable",
    "crate",
];

/// The options in `#[saga(…)]`.
pub(super) fn written(attributes: &[Attribute], errors: &mut Errors) -> Vec<Opt> {
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

pub(super) fn options(written: &[Opt], signature: &Signature, errors: &mut Errors) -> Options {
    let mut options = Options {
        name: options::durable_name("saga", written, &signature.ident, errors),
        version: None,
        policy: None,
        deadline: None,
        halts: false,
        parallel: false,
        counts_as: counts_as(written, errors),
    };
    for option in written {
        if option.key == "version" {
            options.version = errors.ok(option.number("version = 2"));
        } else if option.key == "policy" {
            options.policy = errors.ok(option.shared("policy = PROVIDER"));
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

/// The kind of the saga as a step of another one.
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

/// The path of the runtime. All mistakes are ignored.
pub(in crate::saga) fn runtime_of(attributes: &[Attribute]) -> RuntimePath {
    let mut errors = Errors::default();
    let written = written(attributes, &mut errors);
    RuntimePath::from_options(&written, &mut errors)
}
