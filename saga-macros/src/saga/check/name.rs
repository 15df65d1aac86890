//! The name of a saga's struct: that of the function in camel case, or the value of `struct = …`.

use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, Ident, Path, Signature};

use super::options;
use crate::errors::Errors;
use crate::options::Opt;
use crate::source::Source;

/// The name of the struct. Reports a function whose name gives none, and a struct with the name of a type in the signature.
pub(super) fn name(
    signature: &Signature,
    written: &[Opt],
    source: &Source,
    errors: &mut Errors,
) -> Option<Ident> {
    if let Some(option) = option(written) {
        return errors.ok(option.word("struct = PlaceOrder"));
    }
    let function = &signature.ident;
    let Some(name) = struct_name(function) else {
        let message = format!(
            "`{function}` can't be the name of a saga: a struct is named like it, in camel case"
        );
        let help = "begin it with a letter, as in `place_order`, which gives `PlaceOrder`,\n      \
                    or name the struct: `#[saga(struct = PlaceOrder)]`";
        errors.report(function.span(), message, help);
        return None;
    };
    if is_taken(&name, signature, source) {
        let message = format!(
            "saga `{function}` becomes a struct `{name}`, and there is another type of this name"
        );
        let help = format!("name the struct of the saga: `#[saga(struct = {name}Saga)]`");
        errors.report(function.span(), message, help);
        return None;
    }
    Some(name)
}

/// The name of the struct of a saga that can't be compiled. `None` if it has none, or would take the name of another type.
pub(in crate::saga) fn struct_of(
    attributes: &[Attribute],
    signature: &Signature,
    source: &Source,
) -> Option<Ident> {
    let mut errors = Errors::default();
    let written = options::written(attributes, &mut errors);
    if let Some(option) = option(&written) {
        return option.word("").ok();
    }
    struct_name(&signature.ident).filter(|name| !is_taken(name, signature, source))
}

fn option(written: &[Opt]) -> Option<&Opt> {
    written.iter().find(|option| option.key == "struct")
}

/// `place_order` → `PlaceOrder`, at the same place. `None` if that can't name a struct.
pub(in crate::saga) fn struct_name(function: &Ident) -> Option<Ident> {
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

/// Returns whether another type has this name, as far as the signature and the file show it.
fn is_taken(name: &Ident, signature: &Signature, source: &Source) -> bool {
    is_mentioned(name, signature) || source.has_type_beside(&signature.ident, name)
}

/// Returns whether an input or the result has a type of this name. It is another type than the saga: a saga does not hold
/// itself, nor return itself.
fn is_mentioned(name: &Ident, signature: &Signature) -> bool {
    let mut mentions = Mentions { name, found: false };
    for input in signature.inputs.iter().skip(1) {
        if let FnArg::Typed(input) = input {
            mentions.visit_type(&input.ty);
        }
    }
    mentions.visit_return_type(&signature.output);
    mentions.found
}

struct Mentions<'a> {
    name: &'a Ident,
    found: bool,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        self.found |= path.is_ident(self.name);
        visit::visit_path(self, path);
    }
}
