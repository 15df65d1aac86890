//! The errors that users see. Each program in the folders beside this file makes one mistake; what the compiler says
//! about it stands next to it.
//!
//! To accept changed messages: `make bless`, or `TRYBUILD=overwrite cargo test -p saga-tests --test diagnostics`.

mod gate;
mod readme;

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("diagnostics/*/*.rs");
}
