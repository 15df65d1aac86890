//! Idempotency keys: a participant that remembers them lets a request that arrives twice take effect once.

use std::fmt::{self, Write as _};

use uuid::Uuid;

use crate::id::SagaId;

/// The name of one effect of one saga: the same text at every attempt, in every process, forever.
///
/// The key depends only on the saga's id, the step's name and the step's occurrence. On Restate, where sagas of two names
/// may have the same id, it depends on the saga's name as well. Its text is visible ASCII without spaces, so it fits
/// unchanged in an HTTP header or in gRPC metadata. For a participant that limits the length of keys, use
/// [`to_uuid`](Self::to_uuid).
///
/// ```text
/// order-17/charge/0               the first call of `charge` in the saga `order-17`
/// order-17/charge/1               the second call
/// order-17/charge/0/compensation  the compensation of the first call
/// order-17/deliver#1/pack/0       the first call of `pack` in the second call of the sub-saga `deliver`
/// /place_order/order-17/charge/0  the first call of `charge` in the saga `place_order` with that id on Restate
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// One effect of a saga, the subject of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyedEffect<'a> {
    Saga,
    Inner { path: &'a str },
    Action { step: &'a str, occurrence: usize },
    Compensation { step: &'a str, occurrence: usize },
}

/// The namespace of [`IdempotencyKey::to_uuid`]. It never changes: keys are remembered by participants.
const NAMESPACE: Uuid = Uuid::from_u128(0x0a4d_2a5f_6d2e_5b57_9c52_7f1d_3e68_41c9);

impl IdempotencyKey {
    /// The key of an effect of the saga `id`. `name`: the name of the saga, if only both together are unique. No other
    /// key begins with a `/`, because an id is not empty.
    pub(crate) fn new(name: Option<&str>, id: &SagaId, effect: KeyedEffect<'_>) -> Self {
        let length = id.as_str().len() + name.map_or(0, str::len);
        let mut text = String::with_capacity(length + 32);
        if let Some(name) = name {
            text.push('/');
            push_visible(&mut text, name);
            text.push('/');
        }
        push_visible(&mut text, id.as_str());
        if let KeyedEffect::Action { step, occurrence }
        | KeyedEffect::Compensation { step, occurrence } = effect
        {
            push_path(&mut text, step);
            write!(text, "/{occurrence}").expect("writing to a `String` never fails");
        }
        if let KeyedEffect::Inner { path } = effect {
            push_path(&mut text, path);
        }
        if let KeyedEffect::Compensation { .. } = effect {
            text.push_str("/compensation");
        }
        Self(text)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as a UUID of 16 bytes: version 5 of its text, in a namespace of this library.
    #[must_use]
    pub fn to_uuid(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes())
    }
}

/// Appends the names of a path, each behind a `/`.
fn push_path(key: &mut String, path: &str) {
    for name in path.split('/') {
        key.push('/');
        push_visible(key, name);
    }
}

/// Appends `text`. Each byte that is not visible ASCII, each `%` and each `/` becomes `%XX`, so keys are unambiguous.
fn push_visible(key: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'%' | b'/' => write!(key, "%{byte:02X}").expect("writing to a `String` never fails"),
            0x21..=0x7e => key.push(byte.into()),
            _ => write!(key, "%{byte:02X}").expect("writing to a `String` never fails"),
        }
    }
}

impl AsRef<str> for IdempotencyKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(saga: &str, effect: KeyedEffect<'_>) -> IdempotencyKey {
        named(None, saga, effect)
    }

    fn named(name: Option<&str>, saga: &str, effect: KeyedEffect<'_>) -> IdempotencyKey {
        IdempotencyKey::new(name, &SagaId::new(saga).expect("a valid id"), effect)
    }

    /// Participants remember keys: if one of these changes, an effect can happen twice.
    #[test]
    fn keys_never_change() {
        let charge = KeyedEffect::Action {
            step: "charge",
            occurrence: 0,
        };
        let refund = KeyedEffect::Compensation {
            step: "charge",
            occurrence: 12,
        };
        assert_eq!(key("order-17", KeyedEffect::Saga).as_str(), "order-17");
        assert_eq!(key("order-17", charge).as_str(), "order-17/charge/0");
        assert_eq!(
            key("order-17", refund).as_str(),
            "order-17/charge/12/compensation"
        );
        assert_eq!(
            key("a/b c%ü", charge).as_str(),
            "a%2Fb%20c%25%C3%BC/charge/0"
        );
        assert_eq!(
            key("order-17", charge).to_uuid().to_string(),
            "5c33bfd4-e6dd-58e3-a43f-2855739a0d7a"
        );
        assert_eq!(
            named(Some("trip"), "order-17", refund).as_str(),
            "/trip/order-17/charge/12/compensation"
        );
        assert_eq!(
            named(Some("größe"), "a/b", KeyedEffect::Saga).as_str(),
            "/gr%C3%B6%C3%9Fe/a%2Fb"
        );
    }

    #[test]
    fn different_effects_have_different_keys() {
        let ids = [
            "a",
            "a/charge",
            "a/charge/0",
            "a/charge/0/compensation",
            "a%2Fcharge",
        ];
        let mut keys = Vec::new();
        for name in [None, Some("a"), Some("charge")] {
            for id in ids {
                keys.push(named(name, id, KeyedEffect::Saga));
                for step in ["charge", "charge/0"] {
                    for occurrence in [0, 1] {
                        keys.push(named(name, id, KeyedEffect::Action { step, occurrence }));
                        keys.push(named(
                            name,
                            id,
                            KeyedEffect::Compensation { step, occurrence },
                        ));
                    }
                }
            }
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
