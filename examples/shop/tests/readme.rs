//! The README shows the saga as it is.

use shop::checkout::PlaceOrder;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_shows_the_shape_of_the_saga() {
    let shape = PlaceOrder::shape();
    for (language, picture) in [("text", shape.to_string()), ("mermaid", shape.to_mermaid())] {
        let block = format!("```{language}\n{}\n```", picture.trim_end());
        assert!(
            README.contains(&block),
            "the README does not show:\n{block}"
        );
    }
}
