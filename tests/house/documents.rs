//! The documents name what is there: each guarantee its tests, and the guide for contributors its files.

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
    // The rows of the guarantees, and of the failures that are injected.
    let failures = reliability.split("## Every failure").nth(1);
    let failures = failures.expect("they have a section").lines();
    let rows = reliability.lines().filter(|line| line.starts_with("| **"));
    let rows = rows.chain(failures.filter(|line| line.starts_with("| ")));
    let tests = rows.filter_map(|row| row.split('|').nth(2));
    let named = tests.flat_map(|tests| tests.split('`').skip(1).step_by(2));
    let files = below("tests", "rs");
    for name in named {
        let is_there = if name.contains('/') {
            ["", "saga-macros/src/"]
                .iter()
                .any(|folder| saga_house::root().join(format!("{folder}{name}")).exists())
        } else if name.contains('_') {
            let function = format!("fn {name}(");
            files.iter().any(|file| file.text.contains(&function))
        } else {
            let suite = format!("tests/{name}/");
            name.starts_with("saga-") || files.iter().any(|file| file.path.starts_with(&suite))
        };
        assert!(
            is_there,
            "docs/reliability.md names `{name}`, which is nowhere"
        );
    }
}

/// A path may begin in the crate that the paragraph is about.
#[test]
fn each_file_that_contributors_are_sent_to_is_there() {
    let guide = read("CONTRIBUTING.md").text;
    let quoted = guide.split('`').skip(1).step_by(2);
    let endings = [".rs", ".toml", ".md", ".stderr", ".sql"];
    let is_file = |text: &&str| {
        let is_pattern = text.contains(['*', ' ', '…']);
        !is_pattern && endings.iter().any(|ending| text.ends_with(ending))
    };
    let folders = [
        "",
        "saga-runtime",
        "saga-runtime/src",
        "saga-macros",
        "saga-macros/src/step",
        "saga-restate/src",
    ];
    for file in quoted.filter(is_file) {
        let is_there = |folder: &&str| saga_house::root().join(folder).join(file).exists();
        assert!(
            folders.iter().any(is_there),
            "CONTRIBUTING.md names `{file}`, which is nowhere"
        );
    }
}
