//! The struct of a saga: its identity and its input in one value, with its serde implementations.

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path, Token, Type};

use super::names::hidden;
use super::picture;
use super::scope::Aliases;
use crate::saga::model::{Input, Saga, Site};
use crate::source_text;
use crate::spans::{at, code, group, here, literal};

// Expands to:
//
//     /// Sells one order. …
//     #[derive(Deserialize)]
//     pub struct PlaceOrder {
//         /// The saga's input `request`.
//         #[serde(with = "SagaInput")]
//         pub request: OrderRequest,
//     }
pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        attributes,
        conditions,
        visibility,
        name,
        inputs,
        body,
        ..
    } = saga;
    let (private, serde) = (runtime.private(), runtime.serde());
    let sites = body.as_ref().map_or(&[][..], |body| &body.sites);
    let note = literal(note(saga, sites));
    // Only for rustdoc: an editor that shows the documentation of the struct can't show the picture.
    let picture = picture::markdown(saga)
        .map(literal)
        .map(|picture| code!(#[cfg_attr(doc, doc = "\n", doc = #picture)]));
    let fields = inputs.iter().map(|input| {
        let (attributes, name, ty) = (input.attributes, input.name, input.ty);
        let doc = literal(format!("The saga's input `{name}`."));
        let rule = is_checked(input).then(|| {
            let rule = LitStr::new(&runtime.saga_input(), ty.span());
            code!(#[serde(with = #rule)])
        });
        code!(#[doc = #doc] #(#attributes)* #rule #visibility #name: #ty)
    });
    let derives = derives(attributes);
    let serialize =
        (!is_plain(saga) && !derives.writes).then(|| code!(#private::serde::Serialize,));
    let deserialize = (!derives.reads).then(|| code!(#private::serde::Deserialize));
    // For the definition of the struct, rustc shows the function.
    let keyword = syn::Token![struct](saga.signature.fn_token.span);
    let fields = group(Delimiter::Brace, name.span(), code!(#(#fields),*));
    let serde = literal(serde);
    code! {
        #(#conditions)*
        #[derive(#serialize #deserialize)]
        #(#attributes)*
        #[doc = #note]
        #picture
        #[allow(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)]
        #[serde(crate = #serde)]
        #visibility #keyword #name #fields
    }
}

// Expands to, if the source derives `PartialEq`:
//
//     fn equality() -> Option<fn(&Self, &Self) -> bool> {
//         Some(<Self as PartialEq>::eq)
//     }
pub(super) fn equality(saga: &Saga<'_>) -> Option<TokenStream> {
    let is_compared = derives(&saga.attributes).compares;
    is_compared.then(|| {
        code! {
            fn equality() -> ::core::option::Option<fn(&Self, &Self) -> bool> {
                ::core::option::Option::Some(<Self as ::core::cmp::PartialEq>::eq)
            }
        }
    })
}

/// The traits that the source derives itself.
struct Derives {
    writes: bool,
    reads: bool,
    compares: bool,
}

fn derives(attributes: &[&Attribute]) -> Derives {
    let paths = Punctuated::<Path, Token![,]>::parse_terminated;
    let derived: Vec<Path> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| attribute.parse_args_with(paths).ok())
        .flatten()
        .collect();
    let is_derived = |name: &str| {
        let mut names = derived.iter().filter_map(|path| path.segments.last());
        names.any(|last| last.ident == name)
    };
    Derives {
        writes: is_derived("Serialize"),
        reads: is_derived("Deserialize"),
        compares: is_derived("PartialEq"),
    }
}

/// The paragraph about the saga in the documentation of the struct.
fn note(saga: &Saga<'_>, sites: &[Site]) -> String {
    let steps: Vec<_> = sites
        .iter()
        .zip(1..)
        .map(|(site, number)| {
            let last = site.path.rsplit("::").next();
            let known = saga.known.iter().find(|step| Some(&*step.function) == last);
            let kind = known.map(|step| format!(": {}", step.kind));
            format!(
                "{number}. [`{0}`](fn@{0}){1}",
                site.path,
                kind.unwrap_or_default()
            )
        })
        .collect();
    let returned = saga.returned;
    let returned = source_text::of_type(&code!(#returned));
    format!(
        "\n\n# The saga `{0}`\n\nIt returns `{returned}`. If it fails, what is done is undone, last first.\n\nIts steps, in the order of the source; the page of each says how it is undone:\n{1}\n\n\
         `shape()` shows the branches between them.",
        saga.options.name,
        steps.join("\n")
    )
}

/// Returns whether the macro decides the form of the stored input: the source has no `#[serde(…)]`, nor one under a
/// condition, which the macro can't evaluate.
fn is_plain(saga: &Saga<'_>) -> bool {
    let mut attributes = saga.attributes.iter().copied();
    !attributes.any(is_of_serde) && saga.inputs.iter().all(|input| !has_serde(input))
}

fn has_serde(input: &Input<'_>) -> bool {
    input.attributes.iter().any(is_of_serde)
}

/// Returns whether it is `#[serde(…)]`, perhaps under a condition.
fn is_of_serde(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("serde")
        || path.is_ident("cfg_attr") && names_serde(attribute.meta.to_token_stream())
}

fn names_serde(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "serde",
        TokenTree::Group(group) => names_serde(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Returns whether our rule reports an input that can't be stored. An `Option` stays with serde: only there may stored
/// inputs lack it.
fn is_checked(input: &Input<'_>) -> bool {
    let is_option = matches!(input.ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"));
    !is_option && !has_serde(input)
}

// Expands to:
//
//     impl Serialize for PlaceOrder {
//         fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
//             let mut fields = serializer.serialize_struct("PlaceOrder", 1)?;
//             SagaInput::serialize_field(&self.request, &mut fields, "request")?;
//             fields.end()
//         }
//     }
//
// Rustc reports a mistake in an input at its type, once: `Deserialize` gives the same error at the same place. Derived
// code would give it for the whole saga.
pub(super) fn serialize(saga: &Saga<'_>) -> Option<TokenStream> {
    let Saga {
        attributes,
        name,
        inputs,
        ..
    } = saga;
    if !is_plain(saga) || derives(attributes).writes {
        return None;
    }
    let Aliases { private, rules } = Aliases::new();
    let serde = code!(#private::serde);
    let [serializer, fields] = ["serializer", "fields"].map(hidden);
    let count = literal(Literal::usize_unsuffixed(inputs.len()));
    let text = literal(name.to_string());
    let each = inputs.iter().map(|input| {
        let span = input.ty.span();
        let text = literal(input.name.unraw().to_string());
        let mut value = input.name.clone();
        value.set_span(value.span().located_at(span));
        let rule = at(span, code!(#rules::SagaInput::serialize_field));
        // The variable is that of the function, whose source a macro of the user's may have made.
        let own = at(here().located_at(span), code!(&self.));
        code!(#rule(#own #value, &mut #fields, #text)?;)
    });
    Some(code! {
        #[automatically_derived]
        impl #serde::Serialize for #name {
            fn serialize<__Z: #serde::Serializer>(&self, #serializer: __Z) -> #private::Result<__Z::Ok, __Z::Error> {
                let mut #fields = #serializer.serialize_struct(#text, #count)?;
                #(#each)*
                #serde::ser::SerializeStruct::end(#fields)
            }
        }
    })
}
