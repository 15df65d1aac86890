//! The rules of a saga's signature and options, one function each; those of its body are in `body`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, Meta, Pat, Signature, Type};

use super::body;
use super::model::{Input, Options, Saga};
use super::parse::SagaSyntax;
use crate::errors::Errors;
use crate::options::{self, Opt};
use crate::runtime_path::RuntimePath;
use crate::step::context_type;
use crate::{duration, output};

const OPTIONS: [&str; 6] = [
    "name",
    "version",
    "deadline",
    "on_compensation_failure",
    "compensations",
    "crate",
];

/// Checks everything; `None` if there is no saga to speak of.
pub(super) fn check<'a>(syntax: &'a SagaSyntax, errors: &mut Errors) -> Option<Saga<'a>> {
    let signature = &syntax.signature;
    let (attributes, written) = attributes(&syntax.attributes, errors);
    let options = options(&written, signature, errors);
    let runtime = runtime(&written, errors);
    is_plain(signature, errors);
    let context = context(signature, errors);
    let inputs = inputs(signature, errors);
    let returned = output::check("saga", signature, errors);
    let body = body::check(signature, &syntax.body, &runtime, errors);
    let (cx, context) = context?;
    Some(Saga {
        runtime,
        attributes,
        visibility: &syntax.visibility,
        signature,
        name: struct_name(&signature.ident),
        options,
        cx,
        context,
        inputs: inputs?,
        returned: returned?,
        body: body.block,
        sites: body.sites,
        flow: body.flow,
    })
}

/// `place_order` → `PlaceOrder`, at the same place.
pub(super) fn struct_name(function: &Ident) -> Ident {
    let mut name = String::new();
    for word in function.to_string().trim_start_matches("r#").split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    Ident::new(&name, function.span())
}

/// The attributes of the struct, and the options in `#[saga(…)]`.
fn attributes<'a>(
    attributes: &'a [Attribute],
    errors: &mut Errors,
) -> (Vec<&'a Attribute>, Vec<Opt>) {
    let (options, kept): (Vec<_>, Vec<_>) = attributes
        .iter()
        .partition(|attribute| attribute.path().is_ident("saga"));
    let mut written = Vec::new();
    for attribute in options {
        match &attribute.meta {
            Meta::List(list) => {
                written.extend(options::parse(
                    list.tokens.clone(),
                    "`#[saga]`",
                    &OPTIONS,
                    errors,
                ));
            }
            _ => errors.report(
                attribute.span(),
                "`#[saga]` says nothing",
                "write `#[saga(deadline = \"30s\")]`",
            ),
        }
    }
    (kept, written)
}

fn options(written: &[Opt], signature: &Signature, errors: &mut Errors) -> Options {
    let mut options = Options {
        name: signature
            .ident
            .to_string()
            .trim_start_matches("r#")
            .to_owned(),
        version: None,
        deadline: None,
        halts: false,
        parallel: false,
    };
    for option in written {
        if option.key == "name" {
            if let Some(name) = errors.ok(option.text("name = \"place_order\"")) {
                options.name = name.value();
            }
        } else if option.key == "version" {
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

fn runtime(written: &[Opt], errors: &mut Errors) -> RuntimePath {
    let option = written.iter().find(|option| option.key == "crate");
    let path = option.and_then(|option| errors.ok(option.path("crate = saga_runtime")));
    path.map_or_else(RuntimePath::default, |path| RuntimePath::new(&path))
}

/// A saga is a free, concrete `async fn`.
fn is_plain(signature: &Signature, errors: &mut Errors) {
    let name = &signature.ident;
    if signature.asyncness.is_none() {
        errors.report(
            signature.fn_token.span,
            format!("saga `{name}` is not `async`"),
            "write `async fn`",
        );
    }
    if let Some(receiver) = signature.receiver() {
        let help = "make it a free `async fn`; what `self` gives it belongs to the services in its `Context`";
        errors.report(
            receiver.self_token.span,
            format!("saga `{name}` is a method"),
            help,
        );
    }
    if let Some(parameter) = signature.generics.params.first() {
        let help = "write one saga for each type";
        errors.report(parameter.span(), format!("saga `{name}` is generic"), help);
    }
}

fn context<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<(&'a Pat, Type)> {
    let name = &signature.ident;
    let help = "write `cx: Context<'_, Services>` first, then the inputs";
    let first = match signature.inputs.first() {
        Some(FnArg::Typed(first)) => first,
        Some(FnArg::Receiver(_)) => return None,
        None => {
            errors.report(name.span(), format!("saga `{name}` has no context"), help);
            return None;
        }
    };
    if let Some(context) = context_type(&first.ty) {
        return Some((&first.pat, context));
    }
    errors.report(
        first.ty.span(),
        format!("the first parameter of saga `{name}` is not its context"),
        help,
    );
    None
}

fn inputs<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<Vec<Input<'a>>> {
    let mut inputs = Vec::new();
    let mut report = |span: Span, what: &str, help: &str| {
        errors.report(
            span,
            format!("an input of saga `{}` {what}", signature.ident),
            help,
        );
        None
    };
    for input in signature.inputs.iter().skip(1) {
        let FnArg::Typed(typed) = input else {
            return None;
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return report(
                typed.pat.span(),
                "has no name",
                "give it a name, and take it apart in the body",
            );
        };
        if let Type::Reference(reference) = &*typed.ty {
            let help =
                "take it by value: the input is stored, so that the saga can go on after a crash";
            return report(reference.and_token.span, "is borrowed", help);
        }
        if let Type::ImplTrait(anonymous) = &*typed.ty {
            return report(
                anonymous.impl_token.span,
                "has no concrete type",
                "write its type",
            );
        }
        inputs.push(Input {
            attributes: &typed.attrs,
            pattern: &typed.pat,
            name: &pattern.ident,
            ty: &typed.ty,
        });
    }
    Some(inputs)
}
