//! The README shows a message as the compiler prints it.

use std::fs;

#[test]
fn the_readme_shows_a_real_message() {
    let readme = fs::read_to_string("../README.md").expect("the README is there");
    let shown = "diagnostics/order/fallible_step_after_a_pivot";
    assert!(
        readme.contains(shown),
        "the README names the test that it quotes"
    );
    let message = fs::read_to_string(format!("{shown}.stderr")).expect("the test has a message");
    assert!(
        readme.contains(message.trim_end()),
        "the README shows another message:\n{message}"
    );
}
