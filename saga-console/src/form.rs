//! Forms and the parameters of addresses.

use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use saga_runtime::operator::{QueryError, SagaQuery};

/// The fields of a form, or the parameters of an address.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(crate) fn of(uri: &Uri) -> Self {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// A field, empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut fields = self.0.iter();
        let found = fields.find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value)
    }

    /// The sagas that `q`, `after` and `limit` mean.
    pub(crate) fn query(&self) -> Result<SagaQuery, QueryError> {
        let query: SagaQuery = self.get("q").parse()?;
        let limit = self.get("limit").parse().unwrap_or(query.limit);
        Ok(query.limit(limit).after(self.get("after").parse().ok()))
    }
}

/// A text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
