//! Values that a digest tells apart, and values that it does not.

use std::collections::{HashMap, HashSet};

use serde::Serializer;

use super::*;

fn digest(input: &impl Serialize) -> u64 {
    let mut digest = Digest::new();
    digest.add(input);
    digest.finish().expect("it is serialized")
}

#[derive(Serialize)]
struct Before {
    amount: u32,
    to: &'static str,
}

#[derive(Serialize)]
struct After {
    to: &'static str,
    total: u64,
    note: Option<String>,
    tags: Vec<u8>,
    urgent: bool,
}

#[derive(Serialize)]
enum Route {
    Air,
    Sea { days: u8 },
    Land(u8),
}

/// Journals keep them: if one of these changes, open sagas look as if their definitions had changed.
#[test]
fn digests_never_change() {
    let digests = [
        digest(&17_u8),
        digest(&"tea"),
        digest(&Before { amount: 3, to: "x" }),
        digest(&Route::Sea { days: 3 }),
        digest(&(1, 2.5, ["a", "b"])),
    ];
    let text = digests.map(|digest| format!("{digest:016x}"));
    let expected = [
        "c76e8f7ab2ccbb98",
        "4c5bcf4748bdb14e",
        "f9a12359335503e4",
        "0e41018269e89898",
        "c6ded0627f3976ec",
    ];
    assert_eq!(text, expected);
}

#[test]
fn other_inputs_have_other_digests() {
    let digests = [
        digest(&0),
        digest(&1),
        digest(&-1),
        digest(&(1_u128 << 64)),
        digest(&1.5),
        digest(&"1"),
        digest(&"a"),
        digest(&["a", "b"]),
        digest(&["b", "a"]),
        digest(&vec!["a", "a"]),
        digest(&vec![0]),
        digest(&vec![0, 0]),
        digest(&Route::Air),
        digest(&Route::Sea { days: 0 }),
        digest(&Route::Sea { days: 1 }),
        digest(&Route::Land(0)),
        digest(&Route::Land(1)),
        digest(&HashMap::from([("a", 1)])),
        digest(&HashMap::from([("b", 1)])),
        digest(&HashMap::from([("a", 2)])),
    ];
    let different: HashSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "{digests:#x?}");
}

#[test]
fn neither_an_order_nor_a_new_field_makes_another_digest() {
    let names = || (0..50).map(|number| format!("name {number}"));
    let map = || -> HashMap<_, _> { names().map(|name| (name, 1)).collect() };
    assert_eq!(digest(&map()), digest(&map()));
    let set = || -> HashSet<_> { names().collect() };
    assert_eq!(digest(&set()), digest(&set()));
    let after = After {
        to: "x",
        total: 3,
        note: None,
        tags: Vec::new(),
        urgent: false,
    };
    assert_eq!(digest(&Before { amount: 3, to: "x" }), digest(&after));
    assert_eq!(digest(&Some(3)), digest(&3));
}

#[test]
fn an_input_that_is_not_serialize_is_skipped() {
    struct Opaque;

    let of = |number: u8| {
        let mut digest = Digest::new();
        let opaque = &DigestInput(&Opaque);
        opaque.add_to(&mut digest);
        let number = &DigestInput(&number);
        number.add_to(&mut digest);
        digest.finish()
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let mut digest = Digest::new();
    let opaque = &DigestInput(&Opaque);
    opaque.add_to(&mut digest);
    assert_eq!(digest.finish(), None);
}

#[test]
fn an_input_whose_code_panics_has_no_digest() {
    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("broken");
        }
    }

    let mut digest = Digest::new();
    digest.add(&1);
    digest.add(&Broken);
    assert_eq!(digest.finish(), None);
}
