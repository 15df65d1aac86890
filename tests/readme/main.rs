//! The examples of the README, each in the file where it is compiled, and run as far as it can be. So the README need not show
//! what is around them.

#[expect(dead_code, reason = "it would leave its journal behind")]
#[rustfmt::skip]
mod coordinator;
#[rustfmt::skip]
mod language;
#[expect(dead_code, reason = "it needs a server")]
#[rustfmt::skip]
mod on_restate;
#[expect(dead_code, reason = "there is nothing stuck")]
#[rustfmt::skip]
mod operating;
#[rustfmt::skip]
mod participant;
#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is so in the crates of others"
)]
#[rustfmt::skip]
mod sale;
#[rustfmt::skip]
mod service;
#[expect(clippy::unwrap_used, reason = "as in the tests of others")]
#[rustfmt::skip]
mod trial;

const FILES: [&str; 8] = [
    include_str!("coordinator.rs"),
    include_str!("language.rs"),
    include_str!("on_restate.rs"),
    include_str!("operating.rs"),
    include_str!("participant.rs"),
    include_str!("sale.rs"),
    include_str!("service.rs"),
    include_str!("trial.rs"),
];

fn readme() -> String {
    std::fs::read_to_string("../README.md").expect("the README is there")
}

/// The lines that say something, however far they are indented.
fn lines(code: &str) -> Vec<&str> {
    let lines = code.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn each_example_is_compiled() {
    let readme = readme();
    let blocks = readme.split("```rust\n").skip(1);
    let examples: Vec<_> = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    assert_eq!(examples.len(), FILES.len());
    for example in examples {
        let wanted = lines(example);
        let has_it = |file: &&str| {
            lines(file)
                .windows(wanted.len())
                .any(|lines| lines == wanted)
        };
        assert!(FILES.iter().any(has_it), "it is in no file:\n{example}");
    }
}
