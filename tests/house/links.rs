//! Links between documents lead to files and headings that are there.

use std::path::{Component, Path, PathBuf};

use saga_house::{Source, below, read, root};

fn documents() -> Vec<Source> {
    let mut documents = below("docs", "md");
    documents.extend(below("examples", "md"));
    documents.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(read));
    documents
}

/// The targets of a document's links, `[text](target)` and `[text]: target`, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let after = |opening| line.split(opening).skip(1);
        links.extend(after("](").filter_map(|rest| rest.split(')').next()));
        if line.starts_with('[') {
            links.extend(after("]: "));
        }
    }
    links
}

/// The anchor that a forge makes of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect()
}

/// The path without `.` and `..`, so that a link out of the repository shows.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let mut lost = Vec::new();
    for document in documents() {
        for link in links(&document.text) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = match file {
                "" => PathBuf::from(&document.path),
                file => plain(&Path::new(&document.path).with_file_name(file)),
            };
            let is_there = if heading.is_empty() {
                root().join(&file).exists()
            } else {
                let text = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                headings.any(|line| anchor(line) == heading)
            };
            if !is_there {
                lost.push(format!("{}: {link}", document.path));
            }
        }
    }
    assert!(lost.is_empty(), "links to nothing:\n{}", lost.join("\n"));
}

#[test]
fn each_chapter_is_listed_and_compiled() {
    let list = read("docs/guide/README.md").text;
    let modules = read("saga-runtime/src/guide.rs").text;
    let links = read("saga-runtime/src/guide/links.md").text;
    for chapter in below("docs/guide", "md") {
        let file = chapter.path.trim_start_matches("docs/guide/");
        if file == "README.md" {
            continue;
        }
        assert!(
            list.contains(&format!("]: {file}")),
            "the list of chapters lacks {file}"
        );
        let name = file.trim_end_matches(".md");
        let module = name.replace('-', "_");
        assert!(
            modules.contains(&format!("{module}: \"{name}\"")),
            "the module `guide` lacks {file}"
        );
        assert!(
            links.contains(&format!("]: crate::guide::{module}\n")),
            "the links of the module `guide` lack {file}"
        );
    }
}

/// A forge shows the lines that rustdoc hides.
#[test]
fn no_program_of_the_guide_hides_lines() {
    for chapter in below("docs/guide", "md") {
        for program in chapter.text.split("```rust").skip(1) {
            let program = program.split("```").next().unwrap_or_default();
            let hidden = program
                .lines()
                .find(|line| line.trim_start().starts_with("# "));
            assert_eq!(hidden, None, "in {}", chapter.path);
        }
    }
}
