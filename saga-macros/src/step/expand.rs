//! The code of a checked step: the function that sagas call, and the step's type.

mod implementation;
mod meta;

use proc_macro2::{Delimiter, Ident, TokenStream};
use syn::{FnArg, Pat, Path, Token, Visibility};

use super::hidden_name;

use super::model::{Kind, Step};
use crate::signature::lifetimes::with_lifetime;
use crate::source_text;
use crate::spans::{at, code, generate, group, here, literal};

// Expands to:
//
//     /// Takes the money.
//     pub fn charge<'run, 'step>(cx: Context<'run, Shop>, order: &'step Order) -> Call<'run, 'step, __charge::charge> {
//         call(cx, (order,))
//     }
//     pub mod __charge {
//         pub enum charge {}
//     }
//     impl Step for __charge::charge { … }
//
// The type has the function's name, so that the messages of rustc say `charge`. It stands in a module, so that a user's
// `mod charge` can stand beside the function, and a `use` brings the function alone.
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    generate(step.signature.ident.span(), || all(step))
}

fn all(step: &Step<'_>) -> TokenStream {
    let function = function(step);
    let implementation = implementation::expand(step);
    let Step {
        conditions,
        visibility,
        ..
    } = step;
    let name = &step.signature.ident;
    let (span, module) = (name.span(), hidden_name(name));
    let attributes = at(
        span,
        code! {
            #[doc(hidden)]
            #[allow(
                non_camel_case_types, non_snake_case, missing_copy_implementations, missing_debug_implementations,
                unreachable_pub, unnameable_types, dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction
            )]
        },
    );
    let inner = inside(visibility);
    let definition = at(span, code!(mod #module { #inner enum #name {} }));
    code! {
        #function

        #(#conditions)*
        #attributes
        #visibility #definition

        #implementation
    }
}

/// The same visibility one module further in. Rustc compares that of the type with those of its inputs and its output.
fn inside(visibility: &Visibility) -> TokenStream {
    match visibility {
        Visibility::Public(_) => code!(pub),
        Visibility::Inherited => code!(pub(super)),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            match path.segments.first() {
                Some(first) if first.ident == "self" => {
                    let rest = path.segments.iter().skip(1);
                    code!(pub(in super #(::#rest)*))
                }
                Some(first) if first.ident == "super" => code!(pub(in super::#path)),
                _ => code!(pub(in #path)),
            }
        }
    }
}

/// The step's type.
pub(super) fn marker(step: &Step<'_>) -> TokenStream {
    let name = &step.signature.ident;
    let module = hidden_name(name);
    at(name.span(), code!(#module::#name))
}

/// The function that sagas and tests call. It makes a `Call` and runs nothing.
fn function(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        outer,
        allowed,
        conditions,
        visibility,
        signature,
        ..
    } = step;
    let (name, marker) = (&signature.ident, marker(step));
    let private = runtime.private();
    let cx = cx(step);
    let context = with_lifetime(&step.context, "'run");
    let names: Vec<_> = step.inputs.iter().map(|input| &input.name).collect();
    let types = step
        .inputs
        .iter()
        .map(|input| with_lifetime(&input.ty, "'step"));
    let note = literal(note(step));
    // Rustc shows this place as the definition, and the name alone is of use there.
    let span = name.span();
    let attributes = at(
        span,
        code!(#[doc = #note] #[inline] #[allow(clippy::used_underscore_binding, clippy::elidable_lifetime_names)]),
    );
    // What one of the two functions expects, the other one need not fulfil.
    let allowed = allowed.iter().filter_map(|attribute| {
        let lints = &attribute.meta.require_list().ok()?.tokens;
        Some(code!(#[allow(#lints)]))
    });
    let keyword = Token![fn](span);
    let body = group(
        Delimiter::Brace,
        span,
        code!(#private::call(#cx, (#(#names,)*))),
    );
    let documented = documented(step, &note);
    code! {
        #(#conditions)*
        #[cfg(not(doc))]
        #(#outer)*
        #(#allowed)*
        #attributes
        #visibility #keyword #name<'run, 'step>(#cx: #context, #(#names: #types),*) -> #private::Call<'run, 'step, #marker> #body

        #documented
    }
}

/// The function as rustdoc shows it: with the signature of the source. It is never compiled.
//
// Expands to:
//
//     #[cfg(doc)]
//     pub async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> {
//         loop {}
//     }
fn documented(step: &Step<'_>, note: &TokenStream) -> TokenStream {
    let Step {
        outer,
        conditions,
        visibility,
        signature,
        context,
        returned,
        ..
    } = step;
    let (name, cx) = (&signature.ident, cx(step));
    let names = step.inputs.iter().map(|input| &input.name);
    let types = step.inputs.iter().map(|input| &input.ty);
    code! {
        #(#conditions)*
        #[cfg(doc)]
        #(#outer)*
        #[doc = #note]
        #visibility async fn #name(#cx: #context, #(#names: #types),*) -> #returned {
            loop {}
        }
    }
}

/// The name of the context that callers see in the signature.
fn cx(step: &Step<'_>) -> Ident {
    match step.signature.inputs.first() {
        Some(FnArg::Typed(first)) => match &*first.pat {
            Pat::Ident(name) if name.subpat.is_none() => name.ident.clone(),
            _ => Ident::new("__cx", here()),
        },
        _ => Ident::new("__cx", here()),
    }
}

/// The facts about the step in the documentation of the function.
fn note(step: &Step<'_>) -> String {
    let returned = step.returned;
    let returned = source_text::of_type(&code!(#returned));
    let kind = match &step.kind {
        Kind::Compensatable(path) => format!("compensatable: undone by `{}`", text(path)),
        Kind::NothingToUndo => "nothing to undo".to_owned(),
        Kind::Pivot => "pivot: once it is done, the saga only goes forward".to_owned(),
        Kind::Retriable => "retriable: retried until it succeeds".to_owned(),
    };
    let policies = if step.written.is_empty() {
        "the defaults of the saga and of its engine".to_owned()
    } else {
        let options = step.written.iter().map(|option| format!("`{option}`"));
        // In a table, a bar ends the cell.
        options.collect::<Vec<_>>().join("<br>").replace('|', "\\|")
    };
    format!(
        "\n\n| The step | `{}` |\n|---|---|\n| returns | `{returned}` |\n| kind | {kind} |\n| policies | {policies} |",
        step.name
    )
}

/// A path as text, as in the source.
pub(super) fn text(path: &Path) -> String {
    code!(#path).to_string().replace(' ', "")
}
