//! Keys in requests: which header has one, and what is wrong where it has none.

#[cfg(feature = "axum")]
use http::Extensions;
use http::HeaderMap;
use thiserror::Error;

use crate::key::{ACTION_KEY, ActionKey, IDEMPOTENCY_KEY, InvalidKey, Key};

/// The error for a request without the key that it should have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The request has no such header.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// The request has the header more than once.
    #[error("the header `{0}` stands there more than once")]
    Repeated(String),
    /// The header has a value that is no key.
    #[error("the header `{header}` is no key: {source}")]
    Invalid {
        /// The name of the header.
        header: String,
        /// What is wrong with its value.
        source: InvalidKey,
    },
}

impl Key {
    /// The key of a request, from its header [`IDEMPOTENCY_KEY`].
    ///
    /// ```
    /// use saga_participant::Key;
    ///
    /// let request = http::Request::post("/payments").header("idempotency-key", "order-17/charge/0").body(())?;
    /// let key = Key::from_headers(request.headers())?;
    /// assert_eq!(key.as_str(), "order-17/charge/0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] if the header is missing, stands there twice, or is no key.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, KeyError> {
        find(headers, IDEMPOTENCY_KEY)?.ok_or_else(|| KeyError::Missing(IDEMPOTENCY_KEY.to_owned()))
    }

    /// The key that a layer has found already, or the one of the header.
    #[cfg(feature = "axum")]
    pub(crate) fn of(headers: &HeaderMap, extensions: &Extensions) -> Result<Self, KeyError> {
        let found = extensions.get::<Self>().cloned();
        found.map_or_else(|| Self::from_headers(headers), Ok)
    }
}

impl ActionKey {
    /// The key of the request that is to be undone, from the header [`ACTION_KEY`] of its compensation.
    ///
    /// # Errors
    /// [`KeyError`] if the header is missing, stands there twice, or is no key.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, KeyError> {
        let key = find(headers, ACTION_KEY)?;
        key.map(Self)
            .ok_or_else(|| KeyError::Missing(ACTION_KEY.to_owned()))
    }

    /// The key that a layer has found already, or the one of the header.
    #[cfg(feature = "axum")]
    pub(crate) fn of(headers: &HeaderMap, extensions: &Extensions) -> Result<Self, KeyError> {
        let found = extensions.get::<Self>().cloned();
        found.map_or_else(|| Self::from_headers(headers), Ok)
    }
}

/// The key in a header, if the request has that header.
pub(crate) fn find(headers: &HeaderMap, header: &str) -> Result<Option<Key>, KeyError> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(KeyError::Repeated(header.to_owned()));
    }
    // What is no visible ASCII is no key either.
    let key = Key::new(value.to_str().unwrap_or_default());
    key.map(Some).map_err(|source| KeyError::Invalid {
        header: header.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|&(name, value)| {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a header");
            (http::HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn each_kind_of_key_has_a_header_of_its_own() {
        let headers = headers(&[
            ("idempotency-key", "order-17/charge/0/compensation"),
            ("action-key", "order-17/charge/0"),
        ]);
        let key = Key::from_headers(&headers).expect("a key");
        let action_key = ActionKey::from_headers(&headers).expect("a key");
        assert_eq!(key.as_str(), "order-17/charge/0/compensation");
        assert_eq!(action_key.as_str(), "order-17/charge/0");
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        let error = |pairs: &[_]| {
            let error = Key::from_headers(&headers(pairs)).expect_err("no key");
            error.to_string()
        };
        assert_eq!(error(&[]), "the header `idempotency-key` is missing");
        assert_eq!(
            error(&[("idempotency-key", "a"), ("idempotency-key", "a")]),
            "the header `idempotency-key` stands there more than once"
        );
        for value in ["", "a b", "ü"] {
            assert_eq!(
                error(&[("idempotency-key", value)]),
                "the header `idempotency-key` is no key: an idempotency key must be 1 to 2000 visible ASCII characters"
            );
        }
    }
}
