//! Plain English: a named subject, an active verb, and no indirect question in place of a statement.

use std::fmt::Write;

use saga_house::{CRATES, Source, below, read};

/// Phrases that hide who does what. Each hit wants another sentence, not another word.
const PHRASES: [&str; 9] = [
    "written down",
    "somebody",
    "nobody",
    "let go of",
    "what has become of",
    "whoever",
    "those that",
    "those who",
    "gone on with",
];

/// So many of them may be left in all: in a quotation, or where the phrase is the plain one.
const MOST_PHRASES: usize = 10;

/// The openings of an indirect question. `When …` and `How …` often open a plain sentence.
const QUESTIONS: [&str; 5] = ["What", "Whether", "Where", "Why", "Who"];

/// So many of a hundred comment lines may begin with one.
const MOST_QUESTIONS: f64 = 3.0;

fn sources() -> Vec<Source> {
    let sources = CRATES.map(|name| below(&format!("{name}/src"), "rs"));
    sources.into_iter().flatten().collect()
}

#[test]
fn few_phrases_hide_who_does_what() {
    let mut texts = sources();
    texts.extend(below("docs", "md"));
    texts.push(read("README.md"));
    let mut hits = Vec::new();
    for file in &texts {
        hits.extend(
            phrases(&file.text).map(|(line, phrase)| format!("{}:{line}: {phrase}", file.path)),
        );
    }
    assert!(
        hits.len() <= MOST_PHRASES,
        "{} of at most {MOST_PHRASES}; say who does it, with a verb of the code:\n{}",
        hits.len(),
        hits.join("\n"),
    );
}

#[test]
fn few_comments_begin_with_an_indirect_question() {
    let (mut all, mut questions) = (0_u32, String::new());
    let mut asked = 0_u32;
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            let Some(comment) = comment(line) else {
                continue;
            };
            all += 1;
            let first = comment.split(|c: char| !c.is_alphanumeric()).next();
            if first.is_some_and(|word| QUESTIONS.contains(&word)) {
                asked += 1;
                let _ = write!(questions, "\n{}:{}: {comment}", file.path, number + 1);
            }
        }
    }
    let share = 100.0 * f64::from(asked) / f64::from(all);
    assert!(
        share <= MOST_QUESTIONS,
        "{share:.1} % of {all} comment lines begin with an indirect question, at most {MOST_QUESTIONS} % may:{questions}"
    );
}

/// The text of a line that is a comment, without its marks.
fn comment(line: &str) -> Option<&str> {
    let comment = line.trim_start().strip_prefix("//")?;
    Some(comment.trim_start_matches(['/', '!']).trim())
}

/// Each phrase of the text with its line, also where the line breaks inside of it.
fn phrases(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let mut words = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = comment(line).unwrap_or(line).to_lowercase();
        let parts = line.split(|c: char| !c.is_alphanumeric() && c != '\'');
        let parts = parts.filter(|word| !word.is_empty());
        words.extend(parts.map(|word| (number + 1, word.to_owned())));
    }
    let mut hits = Vec::new();
    for phrase in PHRASES {
        let wanted: Vec<_> = phrase.split(' ').collect();
        let windows = words.windows(wanted.len());
        let same = windows.filter(|window| window.iter().map(|(_, word)| word).eq(&wanted));
        hits.extend(same.map(|window| (window[0].0, phrase)));
    }
    hits.sort_unstable();
    hits.into_iter()
}

#[test]
fn a_phrase_is_found_across_lines() {
    let text = "/// It is written\n/// down. Somebody knows.\nlet it = 1;\n";
    let found: Vec<_> = phrases(text).collect();
    assert_eq!(found, [(1, "written down"), (2, "somebody")]);
}
