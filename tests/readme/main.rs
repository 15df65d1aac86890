//! The examples of the README, each in the file where it is compiled, and run as far as it can be.

#[expect(dead_code, reason = "it would leave its journal behind")]
#[rustfmt::skip]
mod coordinator;
#[expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "it is so in the crates of others"
)]
#[rustfmt::skip]
mod sale;

const FILES: [&str; 2] = [include_str!("coordinator.rs"), include_str!("sale.rs")];

/// The README fits on a few screens: what is longer belongs into the guide.
const MOST_LINES: usize = 250;

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

#[test]
fn it_is_short() {
    let lines = readme().lines().count();
    assert!(lines <= MOST_LINES, "it has {lines} lines");
}
