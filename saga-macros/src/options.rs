//! The options of `#[step(…)]` and `#[saga(…)]` as syntax: `flag`, `key = value`, `key(…)`.

mod suggestion;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Expr, ExprClosure, ExprPath, ExprRange, Ident, LitInt, LitStr, Path, RangeLimits, Token,
    parenthesized,
};

use crate::errors::Errors;
use crate::source_text;

/// One option.
pub(crate) struct Opt {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// The part of an option behind its key.
pub(crate) enum Value {
    Flag,
    Assigned(TokenStream),
    List(TokenStream),
}

impl Parse for Opt {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if input.peek(Token![:]) {
            let message = format!(
                "option `{key}` takes its value after `=`\n\nhelp: write `{key} = …` instead of `{key}: …`"
            );
            return Err(input.error(message));
        }
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let mut tokens = TokenStream::new();
            // A comma between the parameters of a closure does not end it.
            let is_closure = input.peek(Token![|]) || input.peek(Token![move]);
            let mut open = if is_closure { 2 } else { 0 };
            while !input.is_empty()
                && !input.peek(Token![;])
                && (open > 0 || !input.peek(Token![,]))
            {
                if input.peek(Token![|]) && open > 0 {
                    open -= 1;
                }
                tokens.extend([input.parse::<TokenTree>()?]);
            }
            if tokens.is_empty() {
                return Err(syn::Error::new(
                    key.span(),
                    format!("option `{key}` has no value after `=`"),
                ));
            }
            Value::Assigned(tokens)
        } else if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            Value::List(content.parse()?)
        } else {
            Value::Flag
        };
        Ok(Self { key, value })
    }
}

/// Reads the options of `owner`. Reports unknown and duplicate ones, and leaves them out.
pub(crate) fn parse(
    tokens: TokenStream,
    owner: &str,
    known: &[&str],
    errors: &mut Errors,
) -> Vec<Opt> {
    let Some(options) = errors.ok(Punctuated::<Opt, Token![,]>::parse_terminated.parse2(tokens))
    else {
        return Vec::new();
    };
    let mut kept: Vec<Opt> = Vec::new();
    for option in options {
        let name = option.key.to_string();
        if !known.contains(&name.as_str()) {
            let help = suggestion::instead_of(&name, known);
            errors.report(
                option.key.span(),
                format!("{owner} has no option `{name}`"),
                help,
            );
        } else if kept.iter().any(|other| other.key == option.key) {
            errors.report(
                option.key.span(),
                format!("option `{name}` is given twice"),
                "leave one of them out",
            );
        } else {
            kept.push(option);
        }
    }
    kept
}

impl Opt {
    /// The option as text, with the usual spaces.
    pub(crate) fn text_of_source(&self) -> String {
        let key = &self.key;
        match &self.value {
            Value::Flag => key.to_string(),
            Value::Assigned(tokens) => format!("{key} = {}", source_text::whole(tokens)),
            Value::List(tokens) => format!("{key}({})", source_text::whole(tokens)),
        }
    }

    pub(crate) fn span(&self) -> Span {
        self.key.span()
    }

    /// The value after `=`, read as a `T`. `example` is a valid option for the error.
    fn assigned<T: Parse>(&self, example: &str) -> syn::Result<T> {
        match &self.value {
            Value::Assigned(tokens) => syn::parse2(tokens.clone())
                .map_err(|error| self.mistake(error.span(), "has an unexpected value", example)),
            Value::Flag => Err(self.mistake(self.span(), "needs a value", example)),
            Value::List(_) => Err(self.mistake(self.span(), "takes its value after `=`", example)),
        }
    }

    fn mistake(&self, span: Span, what: &str, example: &str) -> syn::Error {
        let message = format!("option `{}` {what}\n\nhelp: write `{example}`", self.key);
        syn::Error::new(span, message)
    }

    pub(crate) fn flag(&self) -> syn::Result<()> {
        match &self.value {
            Value::Flag => Ok(()),
            Value::Assigned(_) | Value::List(_) => {
                Err(self.mistake(self.span(), "takes no value", &self.key.to_string()))
            }
        }
    }

    pub(crate) fn text(&self, example: &str) -> syn::Result<LitStr> {
        self.assigned(example)
    }

    pub(crate) fn number(&self, example: &str) -> syn::Result<u32> {
        let literal: LitInt = self.assigned(example)?;
        literal
            .base10_parse()
            .map_err(|_| self.mistake(literal.span(), "has an unexpected value", example))
    }

    /// The value, if it is a constant or another expression that names its type itself: no literal.
    pub(crate) fn constant(&self) -> Option<Expr> {
        let Value::Assigned(tokens) = &self.value else {
            return None;
        };
        syn::parse2(tokens.clone()).ok().filter(is_constant)
    }

    /// A constant. Reports any other value.
    pub(crate) fn shared(&self, example: &str) -> syn::Result<Expr> {
        let value: Expr = self.assigned(example)?;
        if is_constant(&value) {
            return Ok(value);
        }
        Err(self.mistake(value.span(), "has an unexpected value", example))
    }

    /// The values of `FIRST..LAST`.
    pub(crate) fn constants(&self) -> Option<(Expr, Expr)> {
        let Value::Assigned(tokens) = &self.value else {
            return None;
        };
        let range: ExprRange = syn::parse2(tokens.clone()).ok()?;
        let (first, last) = (*range.start?, *range.end?);
        let half_open = matches!(range.limits, RangeLimits::HalfOpen(_));
        (half_open && is_constant(&first) && is_constant(&last)).then_some((first, last))
    }

    /// A closure, if the value is one.
    pub(crate) fn closure(&self) -> Option<ExprClosure> {
        let Value::Assigned(tokens) = &self.value else {
            return None;
        };
        syn::parse2(tokens.clone()).ok()
    }

    /// A path. Reports one in quotes.
    pub(crate) fn path(&self, example: &str) -> syn::Result<Path> {
        if let Value::Assigned(tokens) = &self.value
            && let Ok(text) = syn::parse2::<LitStr>(tokens.clone())
        {
            let message = format!(
                "option `{0}` is a path, not a text\n\nhelp: write it without quotes: `{0} = {1}`",
                self.key,
                text.value()
            );
            return Err(syn::Error::new(text.span(), message));
        }
        let Function(path) = self.assigned(example)?;
        Ok(path)
    }

    /// A bare word. Reports anything else.
    pub(crate) fn word(&self, example: &str) -> syn::Result<Ident> {
        self.assigned(example)
    }

    pub(crate) fn list(&self, example: &str) -> syn::Result<TokenStream> {
        match &self.value {
            Value::List(tokens) => Ok(tokens.clone()),
            Value::Flag | Value::Assigned(_) => {
                Err(self.mistake(self.span(), "takes its values in parentheses", example))
            }
        }
    }

    /// The index of the bare word in `choices`.
    pub(crate) fn choice(&self, choices: &[&str]) -> syn::Result<usize> {
        let example = choices
            .iter()
            .map(|choice| format!("{} = {choice}", self.key))
            .collect::<Vec<_>>()
            .join("` or `");
        let Word(word) = self.assigned(&example)?;
        choices
            .iter()
            .position(|choice| word == choice)
            .ok_or_else(|| self.mistake(word.span(), "has an unexpected value", &example))
    }

    pub(crate) fn is_unit(&self) -> bool {
        matches!(&self.value, Value::Assigned(tokens) if syn::parse2::<syn::TypeTuple>(tokens.clone()).is_ok_and(|unit| unit.elems.is_empty()))
    }
}

fn is_constant(value: &Expr) -> bool {
    matches!(
        value,
        Expr::Path(_)
            | Expr::Call(_)
            | Expr::MethodCall(_)
            | Expr::Binary(_)
            | Expr::Paren(_)
            | Expr::Const(_)
    )
}

/// A word, perhaps a reserved one such as `continue`.
struct Word(Ident);

impl Parse for Word {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Ident::parse_any).map(Self)
    }
}

/// The path of a function, perhaps with arguments: `refund`, `Bank::refund`, `undo::<Order>`.
struct Function(Path);

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let function: ExprPath = input.parse()?;
        match function.qself {
            None => Ok(Self(function.path)),
            Some(qself) => Err(syn::Error::new(qself.lt_token.span, "no plain path")),
        }
    }
}

/// The durable name of a step or a saga: the value of `name = …`, or else the name of the function.
pub(crate) fn durable_name(
    owner: &str,
    options: &[Opt],
    function: &Ident,
    errors: &mut Errors,
) -> String {
    let default = function.unraw().to_string();
    let Some(option) = options.iter().find(|option| option.key == "name") else {
        return default;
    };
    let Some(literal) = errors.ok(option.text(&format!("name = \"{default}\""))) else {
        return default;
    };
    let name = literal.value();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if (1..=128).contains(&name.len()) && name.chars().all(is_plain) {
        return name;
    }
    errors.report(
        literal.span(),
        format!("`\"{name}\"` can't be the name of a {owner}"),
        "use 1 to 128 letters, digits, `_`, `-` and `.`",
    );
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["compensate", "pivot", "retry", "timeout"];

    #[test]
    fn unknown_and_duplicate_options_are_all_reported() {
        let mut errors = Errors::default();
        let options = parse(
            quote::quote!(pivot, timeot = "3s", pivot),
            "`#[step]`",
            &KNOWN,
            &mut errors,
        );
        assert_eq!(options.len(), 1);
        let messages = errors.messages();
        assert!(
            messages[0].contains("did you mean `timeout`?"),
            "{messages:?}"
        );
        assert!(messages[1].contains("given twice"), "{messages:?}");
    }
}
