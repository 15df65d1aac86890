//! The body of a saga in an editor: the tokens of the source, each at its own place, in a plain function.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{FnArg, Pat, Signature};

use super::check::runtime_of;
use super::parse::SagaSyntax;
use crate::signature::context::context_type;

/// Words after which a parenthesis holds no arguments.
const KEYWORDS: [&str; 8] = [
    "break", "else", "if", "in", "let", "match", "return", "while",
];

// Expands to:
//
//     const _: () = {
//         async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Receipt, CheckoutError> {
//             let cx = in_a_body(cx);
//             let order = create_order(cx.__of_call(), &request).await?;
//             let (parcel, payment) = join((reserve(cx.__of_call(), &order), charge(cx.__of_call(), &order),))?;
//             …
//         }
//     };
//
// An unfinished body stays unfinished: the editor mends it, as it does in any function.
pub(super) fn expand(syntax: &SagaSyntax, function: &TokenStream) -> TokenStream {
    let editor = runtime_of(&syntax.attributes).editor();
    let signature = without_attributes(&syntax.signature);
    let first = first_name(&syntax.signature);
    let cx = first.filter(|_| has_context(&syntax.signature));
    let Some(TokenTree::Group(body)) = function.clone().into_iter().find(is_body) else {
        return unread(function);
    };
    let words = BodyWords {
        cx,
        join: quote!(#editor::join),
    };
    let (attributes, statements) = inner_attributes(body.stream());
    let statements = words.each_in(statements);
    let context = match (cx, first) {
        (Some(cx), _) => quote!(let #cx = #editor::in_a_body(#cx);),
        // Whatever the calls need: the wrong type is one mistake.
        (None, Some(first)) => quote!(let #first = #editor::unknown();),
        (None, None) => TokenStream::new(),
    };
    let inside = quote!(#attributes #context #statements);
    let mut block = Group::new(Delimiter::Brace, inside);
    block.set_span(body.span());
    quote!(const _: () = { #signature #block };)
}

/// Tokens that are no function yet.
pub(super) fn unread(function: &TokenStream) -> TokenStream {
    quote!(const _: () = { #function };)
}

fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The inner attributes, which have to come first, and the rest.
fn inner_attributes(body: TokenStream) -> (TokenStream, TokenStream) {
    let tokens: Vec<_> = body.into_iter().collect();
    let is_attribute = |token: &&[TokenTree]| match token {
        [
            TokenTree::Punct(pound),
            TokenTree::Punct(mark),
            TokenTree::Group(group),
        ] => {
            pound.as_char() == '#'
                && mark.as_char() == '!'
                && group.delimiter() == Delimiter::Bracket
        }
        _ => false,
    };
    let count = tokens.chunks(3).take_while(is_attribute).count();
    let (attributes, rest) = tokens.split_at(3 * count);
    (
        attributes.iter().cloned().collect(),
        rest.iter().cloned().collect(),
    )
}

/// The inputs have the attributes of fields.
fn without_attributes(signature: &Signature) -> Signature {
    let mut signature = signature.clone();
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            input.attrs.clear();
        }
    }
    signature
}

fn has_context(signature: &Signature) -> bool {
    matches!(signature.inputs.first(), Some(FnArg::Typed(first)) if context_type(&first.ty).is_some())
}

/// The name of the first parameter.
fn first_name(signature: &Signature) -> Option<&Ident> {
    let FnArg::Typed(first) = signature.inputs.first()? else {
        return None;
    };
    match &*first.pat {
        Pat::Ident(name) => Some(&name.ident),
        _ => None,
    }
}

/// The words of a body that are no plain Rust.
struct BodyWords<'a> {
    cx: Option<&'a Ident>,
    join: TokenStream,
}

impl BodyWords<'_> {
    /// The same tokens, with the context of calls wherever `cx` is the first argument, and a function for `try_join!`.
    fn each_in(&self, tokens: TokenStream) -> TokenStream {
        let mut before: Vec<TokenTree> = Vec::new();
        for token in tokens {
            let TokenTree::Group(group) = token else {
                before.push(token);
                continue;
            };
            let mut inside = self.each_in(group.stream());
            let mut delimiter = group.delimiter();
            if is_try_join(&before) {
                before.truncate(before.len() - 2);
                before.extend(self.join.clone());
                delimiter = Delimiter::Parenthesis;
                inside = tuple(&inside);
            } else if delimiter == Delimiter::Parenthesis && is_function(before.last()) {
                inside = self.with_context(inside);
            }
            let mut same = Group::new(delimiter, inside);
            same.set_span(group.span());
            before.push(same.into());
        }
        before.into_iter().collect()
    }

    fn with_context(&self, arguments: TokenStream) -> TokenStream {
        let mut rest = arguments.clone().into_iter().peekable();
        let Some(TokenTree::Ident(first)) = rest.next() else {
            return arguments;
        };
        let is_whole = match rest.peek() {
            None => true,
            Some(TokenTree::Punct(comma)) => comma.as_char() == ',',
            Some(_) => false,
        };
        if self.cx != Some(&first) || !is_whole {
            return arguments;
        }
        let of_call = quote_spanned!(first.span()=> .__of_call());
        let rest: TokenStream = rest.collect();
        quote!(#first #of_call #rest)
    }
}

fn tuple(members: &TokenStream) -> TokenStream {
    match members.clone().into_iter().last() {
        Some(TokenTree::Punct(comma)) if comma.as_char() == ',' => quote!((#members)),
        _ => quote!((#members,)),
    }
}

fn is_function(before: Option<&TokenTree>) -> bool {
    match before {
        Some(TokenTree::Ident(word)) => !KEYWORDS.iter().any(|keyword| word == keyword),
        Some(TokenTree::Punct(punct)) => punct.as_char() == '>',
        _ => false,
    }
}

fn is_try_join(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Punct(colon), _, _] if colon.as_char() == ':' => false,
        [.., TokenTree::Ident(name), TokenTree::Punct(mark)] => {
            name == "try_join" && mark.as_char() == '!'
        }
        _ => false,
    }
}
