//! Each guarantee of the README names the tests that hold it, and the tests are there.

use saga_house::{below, read};

/// The guarantees of a text: what is bold at the beginning of its lines.
fn bold<'text>(text: &'text str, before: &str) -> Vec<&'text str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(before));
    let bold = lines.filter_map(|line| line.strip_prefix("**")?.split("**").next());
    bold.map(|title| title.trim_end_matches('.')).collect()
}

#[test]
fn each_guarantee_has_tests() {
    let readme = read("README.md").text;
    let promised = readme.split("## What is guaranteed").nth(1);
    let promised = promised.and_then(|rest| rest.split("does not guarantee").next());
    let promised = bold(promised.expect("the README has guarantees"), "* ");
    assert!(promised.len() >= 8, "{promised:?}");
    assert_eq!(bold(&read("docs/reliability.md").text, "| "), promised);
}

#[test]
fn each_test_of_a_guarantee_is_there() {
    let reliability = read("docs/reliability.md").text;
    let rows = reliability.lines().filter(|line| line.starts_with("| **"));
    let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let tests = below("tests", "rs");
    for name in named {
        let is_there = if name.contains('/') {
            ["", "saga-macros/src/"]
                .iter()
                .any(|folder| saga_house::root().join(format!("{folder}{name}")).exists())
        } else if name.contains('_') {
            let function = format!("fn {name}(");
            tests.iter().any(|file| file.text.contains(&function))
        } else {
            let suite = format!("tests/{name}/");
            name.starts_with("saga-") || tests.iter().any(|file| file.path.starts_with(&suite))
        };
        assert!(
            is_there,
            "docs/reliability.md names `{name}`, which is nowhere"
        );
    }
}
