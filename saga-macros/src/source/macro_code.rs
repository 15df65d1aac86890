//! The code of the macros of a file, as far as it acts on the function around a call.

use proc_macro2::{Delimiter, Ident, TokenTree};

use super::{Source, inside, is_punct, is_word, tokens};

impl Source {
    /// What the code of a macro does, if the file defines a macro of this name.
    pub(crate) fn macro_code(&self, name: &str) -> Option<MacroCode> {
        let text = self.text()?;
        if !text.contains(&format!("macro_rules! {name}")) {
            return None;
        }
        let mut code = None;
        collect_macro_code(&tokens(text)?, name, &mut code);
        code
    }
}

/// What the code of a macro does to the function around its call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MacroCode {
    /// It has a `?`, or a `return` of something else than `Ok(…)`.
    pub(crate) may_fail: bool,
    /// It has a `break`.
    pub(crate) breaks: bool,
    /// It has a `continue`.
    pub(crate) continues: bool,
    /// The names of the macros that it calls.
    pub(crate) calls: Vec<String>,
}

/// Collects the code of every `macro_rules! name { … }` among these tokens.
fn collect_macro_code(tokens: &[TokenTree], name: &str, code: &mut Option<MacroCode>) {
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let content = inside(group);
        match &tokens[..index] {
            [.., word, mark, defined]
                if is_word(word, "macro_rules")
                    && is_punct(mark, '!')
                    && is_word(defined, name) =>
            {
                let code = code.get_or_insert_default();
                for rule in content.windows(3) {
                    if let [equals, arrow, TokenTree::Group(written)] = rule
                        && is_punct(equals, '=')
                        && is_punct(arrow, '>')
                    {
                        code.read(&inside(written));
                    }
                }
            }
            _ => collect_macro_code(&content, name, code),
        }
    }
}

impl MacroCode {
    fn read(&mut self, tokens: &[TokenTree]) {
        let mut is_in_signature = false;
        for (index, token) in tokens.iter().enumerate() {
            let before = &tokens[..index];
            match token {
                TokenTree::Ident(word) if word == "return" => {
                    self.may_fail |= !gives_ok(&tokens[index + 1..]);
                }
                TokenTree::Ident(word) if word == "break" => self.breaks = true,
                TokenTree::Ident(word) if word == "continue" => self.continues = true,
                TokenTree::Ident(word) if word == "fn" => is_in_signature = true,
                TokenTree::Punct(mark) if mark.as_char() == '?' => {
                    self.may_fail |= is_operator(before);
                }
                TokenTree::Group(group) => {
                    let is_body = group.delimiter() == Delimiter::Brace;
                    if is_body && std::mem::take(&mut is_in_signature) {
                        continue;
                    }
                    self.calls.extend(called(before).map(Ident::to_string));
                    self.read(&inside(group));
                }
                _ => {}
            }
        }
    }
}

/// The name of the macro whose arguments stand in a group behind these tokens. In `if !(…)` there is none.
pub(crate) fn called(before: &[TokenTree]) -> Option<&Ident> {
    match before {
        [.., TokenTree::Ident(name), mark] if is_punct(mark, '!') => {
            let name_alone = TokenTree::from(name.clone()).into();
            syn::parse2::<Ident>(name_alone).is_ok().then_some(name)
        }
        _ => None,
    }
}

/// Returns whether a value begins with `Ok(…)`, by any path.
fn gives_ok(tokens: &[TokenTree]) -> bool {
    let is_of_path = |token: &&TokenTree| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(colon) => colon.as_char() == ':',
        _ => false,
    };
    let path = tokens.iter().take_while(is_of_path);
    path.last().is_some_and(|last| is_word(last, "Ok"))
}

/// Returns whether a `?` behind these tokens is the operator. Behind `$(…)` it says how often.
fn is_operator(before: &[TokenTree]) -> bool {
    match before {
        [.., dollar, TokenTree::Group(_)] => !is_punct(dollar, '$'),
        [.., last] => !matches!(last, TokenTree::Punct(punct) if punct.as_char() != '?'),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_macro_of_the_file_may_fail_or_jump() {
        let none = MacroCode::default;
        let fails = || MacroCode {
            may_fail: true,
            ..none()
        };
        for (text, expected) in [
            (
                "macro_rules! pay { ($e:expr) => { return Err($e) } }",
                Some(fails()),
            ),
            (
                "mod a { macro_rules! pay { () => {}; ($($n:expr),* $(,)?) => { f($($n?),*) } } }",
                Some(fails()),
            ),
            ("macro_rules! pay { () => { f()? } }", Some(fails())),
            ("macro_rules! pay { () => { f()?? } }", Some(fails())),
            (
                "macro_rules! pay { ($n:expr) => { if $n { return; } } }",
                Some(fails()),
            ),
            (
                "macro_rules! pay { ($($n:expr)?) => { f($($n)?); return core::result::Result::Ok(1) } }",
                Some(none()),
            ),
            (
                "macro_rules! pay { ($n:ident) => { fn $n<T: ?Sized>() -> Option<()> { return f(a?); } } }",
                Some(none()),
            ),
            (
                "macro_rules! pay { () => { break } } mod a { macro_rules! pay { () => { continue } } }",
                Some(MacroCode {
                    breaks: true,
                    continues: true,
                    ..none()
                }),
            ),
            (
                "macro_rules! pay { ($n:expr) => { if !(1 > $n) { return !($n) } } }",
                Some(fails()),
            ),
            (
                "macro_rules! pay { () => { a::log!(1); [send!()] } }",
                Some(MacroCode {
                    calls: vec!["log".to_owned(), "send".to_owned()],
                    ..none()
                }),
            ),
            ("macro_rules! pay_all { () => { f()? } }", None),
            ("// macro_rules! pay { () => { f()? } }", None),
            ("fn pay() { f()? }", None),
        ] {
            let source = Source::from_text(text);
            assert_eq!(source.macro_code("pay"), expected, "{text}");
        }
    }
}
