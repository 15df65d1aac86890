//! Secrets are compared in a time that tells nothing about them.

use saga_house::{below, read};

/// The places in a source that compare a secret by themselves: `token ==`, `!= form_token`.
fn comparisons(source: &str) -> Vec<&str> {
    let is_secret = |word: &str| {
        let word =
            word.trim_matches(|character: char| !character.is_alphanumeric() && character != '_');
        ["token", "form_token", "secret", "password"]
            .iter()
            .any(|secret| word.ends_with(secret))
    };
    let lines = source.lines().map(str::trim);
    let code = lines.filter(|line| !line.starts_with("//"));
    code.filter(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.windows(3).any(|three| {
            matches!(three[1], "==" | "!=") && (is_secret(three[0]) || is_secret(three[2]))
        })
    })
    .collect()
}

#[test]
fn a_comparison_of_a_secret_is_found() {
    for line in [
        "if given == token {",
        "self.token != Some(given)",
        "a && text == self.form_token",
    ] {
        assert_eq!(comparisons(line), [line]);
    }
    assert!(comparisons("// given == token\nlet token = 1; if one == two {").is_empty());
}

#[test]
fn only_one_function_of_the_console_compares_secrets_and_it_takes_the_same_time() {
    for source in below("saga-console/src", "rs") {
        assert_eq!(
            comparisons(&source.text),
            [""; 0],
            "{}: use `is_same`",
            source.path
        );
    }
    let desk = read("saga-console/src/desk.rs").text;
    let (_, is_same) = desk.split_once("fn is_same(").expect("it is there");
    let (body, _) = is_same.split_once("\n}").expect("it ends");
    assert!(body.contains(".ct_eq("), "{body}");
    let calls = desk.matches("is_same(").count();
    assert!(calls >= 3, "{calls}");
}
