//! The suggestion for an option that does not exist.

/// The edit that mends an unknown `name`: a known name close to it, or the list of all.
pub(super) fn instead_of(name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("the options are {}", list(known)),
    }
}

/// The known name that differs from `name` in a few letters, if there is one.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (name.len() / 3).clamp(1, 3);
    known
        .iter()
        .copied()
        .map(|one| (distance(name, one), one))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, one)| one)
}

/// The edit distance of two words (Damerau and Levenshtein): letters to insert, delete, change or swap.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

/// `` `a`, `b` and `c` ``
fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognized() {
        let known = ["compensate", "pivot", "retry", "timeout"];
        for (name, expected) in [
            ("compensat", Some("compensate")),
            ("compesnate", Some("compensate")),
            ("timout", Some("timeout")),
            ("retyr", Some("retry")),
            ("undo", None),
            ("x", None),
        ] {
            assert_eq!(closest(name, &known), expected, "{name}");
        }
    }

    #[test]
    fn without_one_all_options_are_listed() {
        assert_eq!(
            instead_of("undo", &["a", "b", "c"]),
            "the options are `a`, `b` and `c`"
        );
    }
}
