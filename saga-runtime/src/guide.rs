//! The chapters of the guide, which stand in `docs/guide` for readers of the repository. It owns no text: each program
//! in a chapter is compiled and run as a test of the documentation.
#![doc = ""]
#![doc = include_str!("guide/links.md")]
#![doc = ""]
#![doc = include_str!("../guide/README.md")]

/// A module for each chapter. Links between chapters are given twice: in `links.md` for this documentation, which comes
/// first and so counts here, and at the end of each chapter for readers of the files.
macro_rules! chapters {
    ($($chapter:ident: $file:literal,)+) => {$(
        #[doc = include_str!("guide/links.md")]
        #[doc = ""]
        #[doc = include_str!(concat!("../guide/", $file, ".md"))]
        pub mod $chapter {}
    )+};
}

chapters! {
    tutorial: "tutorial",
    thinking_in_sagas: "thinking-in-sagas",
    in_doubt: "in-doubt",
    waiting: "waiting",
    parallel: "parallel",
    sub_sagas: "sub-sagas",
    editor: "editor",
    changing_a_saga: "changing-a-saga",
    operating: "operating",
    observing: "observing",
    engines: "engines",
    coming_from: "coming-from",
    when_not: "when-not",
    glossary: "glossary",
}

// The programs of these use a feature.
#[cfg(any(doc, feature = "postgres"))]
chapters! {
    exactly_once: "exactly-once",
}
#[cfg(any(doc, feature = "testing"))]
chapters! {
    testing: "testing",
}
