//! The changes of registered sagas: safe, or not, and why.
//!
//! A recorded saga runs its body again, and each of its calls has to be the recorded one with its place, name and kind. So a change
//! is safe if it is behind all calls that a saga in flight can have recorded.

use std::fmt;

use super::outline::{LockedSaga, Part, has_durable_names, with_one_name, without_its_limit};

/// The verdict about a change of a saga's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeVerdict {
    /// Sagas in flight go on with the changed definition.
    Safe,
    /// Sagas in flight may be stuck with `definition_changed`. The changed definition needs a version of its own.
    NeedsNewVersion,
    /// Sagas in flight have no definition any more, and wait.
    Strands,
}

impl fmt::Display for ChangeVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::NeedsNewVersion => "needs a new version",
            Self::Strands => "strands sagas in flight",
        })
    }
}

/// A change of a saga since the file was written. `Display` is a paragraph for reviewers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefinitionChange {
    /// The durable name of the saga.
    pub saga: String,
    /// The version of its definition.
    pub version: u32,
    /// The verdict.
    pub verdict: ChangeVerdict,
    /// The change, and its consequence, in a sentence or two.
    pub reason: String,
    /// The way to make it safe. Empty if it is.
    pub mend: String,
}

impl fmt::Display for DefinitionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (saga, version) = (&self.saga, self.version);
        write!(
            f,
            "{saga}, version {version}: {}\n  {}",
            self.verdict, self.reason
        )?;
        if !self.mend.is_empty() {
            write!(f, "\n  Mend: {}", self.mend)?;
        }
        Ok(())
    }
}

/// The changes between two states of the file.
pub(super) fn changes(old: &[LockedSaga], new: &[LockedSaga]) -> Vec<DefinitionChange> {
    // Journals know an event by its durable name. An older file has none.
    let are_durable = has_durable_names(old);
    let (whole_old, whole_new) = (old, new);
    let [old, new] = [old, new].map(|sagas| with_one_name(sagas, are_durable));
    let (old, new) = (&old[..], &new[..]);
    let mut changes = Vec::new();
    for saga in old {
        let limit = || {
            let was = find(whole_old, saga)?;
            let now = find(whole_new, saga)?;
            without_its_limit(&was.body, &now.body)
        };
        match find(new, saga) {
            Some(now) if now.body == saga.body || behind(saga, now).is_some() => {
                if let Some(event) = limit() {
                    let what = format!("The wait for `{event}` has no limit now");
                    changes.push(needs_new_version(saga, &Difference::new(what)));
                } else if now.body != saga.body {
                    changes.push(changed(saga, now));
                }
            }
            Some(now) => changes.push(changed(saga, now)),
            None => changes.push(gone(saga, old, new)),
        }
    }
    for saga in new.iter().filter(|saga| find(old, saga).is_none()) {
        let has_older = old
            .iter()
            .any(|other| other.name == saga.name && find(new, other).is_some());
        let reason = if has_older {
            "It is new beside the older version, with which sagas in flight go on."
        } else {
            "It is new: no saga of it is in flight."
        };
        changes.push(change(saga, ChangeVerdict::Safe, reason.to_owned(), ""));
    }
    changes
}

fn find<'a>(sagas: &'a [LockedSaga], saga: &LockedSaga) -> Option<&'a LockedSaga> {
    sagas
        .iter()
        .find(|other| other.name == saga.name && other.version == saga.version)
}

fn change(
    saga: &LockedSaga,
    verdict: ChangeVerdict,
    reason: String,
    mend: impl Into<String>,
) -> DefinitionChange {
    DefinitionChange {
        saga: saga.name.clone(),
        version: saga.version,
        verdict,
        reason,
        mend: mend.into(),
    }
}

/// A saga that is not registered any more.
fn gone(saga: &LockedSaga, old: &[LockedSaga], new: &[LockedSaga]) -> DefinitionChange {
    let name = &saga.name;
    let other = new.iter().find(|other| other.name == *name);
    let renamed = new
        .iter()
        .find(|other| other.body == saga.body && find(old, other).is_none());
    let (reason, mend) = match (other, renamed) {
        (Some(other), _) => (
            format!(
                "It is version {} now, and version {} is not registered any more. Sagas in flight go on with their own version, so they wait.",
                other.version, saga.version
            ),
            format!(
                "register both, until `saga list name={name} version={}` shows none that is open.",
                saga.version
            ),
        ),
        (None, Some(other)) => (
            format!(
                "It is called `{}` now. Sagas in flight are recorded as `{name}`, so they wait.",
                other.name
            ),
            format!("keep the recorded name with `#[saga(name = \"{name}\")]`."),
        ),
        (None, None) => (
            "It is not registered any more. Sagas in flight wait.".to_owned(),
            format!("keep it registered until `saga list name={name}` shows none that is open."),
        ),
    };
    change(saga, ChangeVerdict::Strands, reason, mend)
}

/// A saga with another body.
fn changed(saga: &LockedSaga, now: &LockedSaga) -> DefinitionChange {
    if let Some(behind) = behind(saga, now) {
        let reason = format!(
            "{behind} behind all that a saga in flight can have recorded. Those in flight take the new way."
        );
        return change(saga, ChangeVerdict::Safe, reason, "");
    }
    needs_new_version(saga, &difference(&saga.body, &now.body))
}

fn needs_new_version(saga: &LockedSaga, difference: &Difference) -> DefinitionChange {
    let reason = format!(
        "{}. A saga in flight that is past this is stuck with `definition_changed`.",
        difference.what
    );
    let version = saga.version + 1;
    let mend = match &difference.accept {
        Some(accept) => format!(
            "{accept}; otherwise keep this definition registered, and give the changed one `#[saga(version = {version})]`."
        ),
        None => format!(
            "keep this definition registered, and give the changed one `#[saga(version = {version})]`."
        ),
    };
    change(saga, ChangeVerdict::NeedsNewVersion, reason, mend)
}

/// If every recorded call of the old body is the same in the new one: the first addition, in words.
fn behind(saga: &LockedSaga, now: &LockedSaga) -> Option<String> {
    // What is new in a saga that calls itself is new in front of what its caller does next.
    if saga.body.iter().any(is_recursive) {
        return None;
    }
    behind_all(&saga.body, &now.body)
}

/// Returns true if there is the call of a saga whose body stands elsewhere: a saga that is around it.
fn is_recursive(part: &Part) -> bool {
    let is_call = part.label.starts_with("saga ") && part.parts.is_empty();
    is_call || part.parts.iter().any(is_recursive)
}

/// The number of nodes that are equal at the beginning.
fn common(old: &[Part], new: &[Part]) -> usize {
    old.iter()
        .zip(new)
        .take_while(|(old, new)| old == new)
        .count()
}

/// If every recorded call of the old body is the same in the new one: the first addition, in words.
fn behind_all(old: &[Part], new: &[Part]) -> Option<String> {
    let at = common(old, new);
    let (rest, later) = (&old[at..], &new[at..]);
    match (rest, later) {
        ([], [first, ..]) => Some(format!("{} is new", words(first))),
        // Nothing is recorded behind the last node, so it may have more in it.
        ([last], [now, ..]) if last.label == now.label => {
            let kind = last.label.split_whitespace().next().unwrap_or_default();
            match kind {
                "at" => is_part_of(&last.parts, &now.parts)
                    .then(|| "A member of a group is new,".to_owned()),
                "one" if last.parts.len() == now.parts.len() => {
                    let mut arms = last.parts.iter().zip(&now.parts);
                    let mut first = None;
                    let all = arms.all(|(old, new)| {
                        let behind = behind_all(&old.parts, &new.parts);
                        let fits = old == new || (old.label == new.label && behind.is_some());
                        first = first.take().or(behind);
                        fits
                    });
                    all.then_some(first).flatten()
                }
                "saga" => behind_all(&last.parts, &now.parts),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns true if the members of a group are all there, in their order, with others behind them.
fn is_part_of(old: &[Part], new: &[Part]) -> bool {
    common(old, new) == old.len()
}

/// The first difference of two bodies, in words.
struct Difference {
    what: String,
    /// The circumstances in which it is no change.
    accept: Option<String>,
}

impl Difference {
    fn new(what: String) -> Self {
        Self { what, accept: None }
    }
}

fn difference(old: &[Part], new: &[Part]) -> Difference {
    let at = common(old, new);
    let (rest, later) = (&old[at..], &new[at..]);
    let (Some(was), Some(is)) = (rest.first(), later.first()) else {
        return match (rest.first(), later.first()) {
            (Some(was), None) => Difference::new(format!("{} is removed", words(was))),
            (_, Some(is)) => Difference::new(format!("{} is new", words(is))),
            (None, None) => Difference::new("Its structure has changed".to_owned()),
        };
    };
    if was.label == is.label {
        return difference(&was.parts, &is.parts);
    }
    if let (Some((name, kind)), Some((now, now_kind))) = (was.step(), is.step())
        && name == now
    {
        return Difference::new(format!(
            "`{name}` was {kind}, and is {now_kind} now: it is undone in another way"
        ));
    }
    let head = |part: &Part| part.label.split_whitespace().next().map(str::to_owned);
    let is_same_kind = head(was) == head(is) && was.step().is_none();
    if is_same_kind && was.label.starts_with("event ") {
        return Difference {
            what: format!("`{}` is `{}` now", was.label, is.label),
            accept: Some(
                "if it is the same event, give it the durable name that it had".to_owned(),
            ),
        };
    }
    if is_same_kind && was.parts == is.parts {
        return Difference {
            what: format!("`{}` is `{}` now", was.label, is.label),
            accept: Some(
                "if both mean the same for every saga in flight, accept it as it is".to_owned(),
            ),
        };
    }
    let has = |parts: &[Part], part: &Part| parts.iter().any(|other| other.label == part.label);
    if holds(is, was) {
        return Difference::new(format!("{} is in `{}` now", words(was), is.label));
    }
    if holds(was, is) {
        return Difference::new(format!("{} is in `{}` no longer", words(is), was.label));
    }
    match (has(rest, is), has(later, was)) {
        (true, true) => Difference::new(format!("{} comes before {} now", words(is), said(was))),
        (false, true) => Difference::new(format!("{} is new before {}", words(is), said(was))),
        (true, false) => Difference::new(format!("{} is removed before {}", words(was), said(is))),
        (false, false) => {
            let accept = was.step().zip(is.step()).map(|((name, _), (now, _))| {
                format!("if `{now}` is `{name}` under another name, keep the recorded one with `name = \"{name}\"`")
            });
            let what = format!("{} is {} now", words(was), said(is));
            Difference { what, accept }
        }
    }
}

/// Returns true if the node is somewhere in the other one.
fn holds(outer: &Part, inner: &Part) -> bool {
    let mut parts = outer.parts.iter();
    parts.any(|part| part.label == inner.label || holds(part, inner))
}

/// The node in words, at the beginning of a sentence.
fn words(part: &Part) -> String {
    let said = said(part);
    match said.strip_prefix('a') {
        Some(rest) if rest.starts_with(' ') => format!("A{rest}"),
        _ if said.starts_with("the ") => format!("T{}", &said[1..]),
        _ => said,
    }
}

/// The node in words.
fn said(part: &Part) -> String {
    if let Some((name, _)) = part.step() {
        return format!("`{name}`");
    }
    match part.label.split_once(' ') {
        Some(("event", name)) => format!("the wait for `{name}`"),
        Some(("saga", name)) => format!("the saga `{name}`"),
        Some(("one", _)) => "a branch".to_owned(),
        Some(("at", _)) => "a group".to_owned(),
        None if part.label == "return" => "an early return".to_owned(),
        None if part.label == "sleep" => "a sleep".to_owned(),
        _ => format!("`{}`", part.label),
    }
}
