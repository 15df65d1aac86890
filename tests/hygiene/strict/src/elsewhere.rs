//! Sagas in other modules than their steps, in a function, in braces, under `cfg`.

use saga_runtime::{Context, saga};

use crate::steps::{self, Refused, Shop};

saga!(
    /// Calls its steps by their paths.
    #[derive(Debug, Clone)]
    #[saga(version = 2, deadline = "30s", on_compensation_failure = halt, compensations = parallel)]
    #[non_exhaustive]
    pub async fn by_path(
        cx: Context<'_, Shop>,
        name: String,
        count: u64,
    ) -> Result<usize, Refused> {
        let reserved = steps::reserve(cx, &name, count).await?;
        let size = steps::ship(cx, &reserved).await?;
        steps::tell(cx, size).await?;
        Ok(size)
    }
);

saga! {
    /// Stands in braces.
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub async fn in_braces(cx: Context<'_, Shop>, name: String) -> Result<usize, Refused> {
        let reserved = steps::reserve(cx, &name, 1).await?;
        steps::ship(cx, &reserved).await
    }
}

saga!(
    /// Is never compiled.
    #[cfg(any())]
    pub async fn left_out(cx: Context<'_, Shop>, name: DoesNotExist) -> Result<usize, Refused> {
        steps::does_not_exist(cx, name).await
    }
);

saga!(
    /// Is always compiled.
    #[cfg(not(any()))]
    #[derive(Debug, Clone)]
    pub(crate) async fn kept(cx: Context<'_, Shop>) -> Result<String, Refused> {
        steps::reserve(cx, "chairs", 1).await
    }
);

saga!(
    /// Says which lints do not hold in its body.
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is left out does not matter"
    )]
    pub async fn cut(cx: Context<'_, Shop>, count: u64) -> Result<String, Refused> {
        let few = count as u8;
        steps::reserve(cx, "chairs", few.into()).await
    }
);

saga!(
    /// Has a `Serialize` of its own.
    #[derive(Debug)]
    #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
    #[non_exhaustive]
    pub async fn renamed(
        cx: Context<'_, Shop>,
        first_name: String,
        #[serde(default, rename = "n")] count: u64,
        note: Option<String>,
    ) -> Result<String, Refused> {
        drop(note);
        steps::reserve(cx, &first_name, count).await
    }
);

saga!(
    /// Has a `Serialize` of its own, under a condition.
    #[derive(Debug)]
    #[cfg_attr(all(), serde(rename_all = "camelCase"))]
    #[non_exhaustive]
    pub async fn renamed_if(cx: Context<'_, Shop>, first_name: String) -> Result<String, Refused> {
        steps::reserve(cx, &first_name, 1).await
    }
);

saga!(
    /// Has an input with another name, under a condition.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn input_renamed_if(
        cx: Context<'_, Shop>,
        #[cfg_attr(all(), serde(rename = "n"))] count: u64,
        #[cfg_attr(any(), serde(rename = "x"))] name: String,
    ) -> Result<String, Refused> {
        steps::reserve(cx, &name, count).await
    }
);

saga!(
    /// Says in its body which lints do not hold there.
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub async fn cut_again(cx: Context<'_, Shop>, count: u64) -> Result<String, Refused> {
        #![expect(
            clippy::cast_possible_truncation,
            reason = "what is left out does not matter"
        )]
        let few = count as u8;
        steps::reserve(cx, "chairs", few.into()).await
    }
);

saga!(
    /// Derives what it has anyway.
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
    #[non_exhaustive]
    pub async fn derived(cx: Context<'_, Shop>, name: String) -> Result<String, Refused> {
        steps::reserve(cx, &name, 1).await
    }
);

saga!(
    /// Has a derived `Serialize`.
    #[derive(Debug)]
    #[deprecated = "this is only to see that it is"]
    #[non_exhaustive]
    pub async fn plain(
        cx: Context<'_, Shop>,
        r#type: String,
        note: Option<u64>,
    ) -> Result<String, Refused> {
        steps::reserve(cx, &r#type, note.unwrap_or_default()).await
    }
);

/// Has a saga of its own.
///
/// # Errors
/// If nothing can be reserved.
pub async fn in_a_function(shop: &Shop, count: u64) -> Option<usize> {
    saga!(
        /// Is known to this function only.
        async fn local(cx: Context<'_, Shop>, count: u64) -> Result<usize, Refused> {
            let reserved = steps::reserve(cx, "tables", count).await?;
            Ok(reserved.len())
        }
    );
    Local { count }.execute(shop).await.ok()
}

#[cfg(test)]
mod tests {
    use super::{ByPath, InBraces, Kept, Renamed, in_a_function};
    use crate::steps::Shop;

    #[test]
    #[expect(deprecated, reason = "this is to see that it is")]
    fn inputs_are_read_as_they_are_written() -> serde_json::Result<()> {
        let renamed = r#"{"FIRST-NAME":"chairs","n":2,"NOTE":null}"#;
        let read: Renamed = serde_json::from_str(renamed)?;
        assert_eq!(serde_json::to_string(&read)?, renamed);
        let renamed_if = r#"{"firstName":"chairs"}"#;
        let read_if: super::RenamedIf = serde_json::from_str(renamed_if)?;
        assert_eq!(serde_json::to_string(&read_if)?, renamed_if);
        let input_renamed_if = r#"{"n":2,"name":"chairs"}"#;
        let read_input_if: super::InputRenamedIf = serde_json::from_str(input_renamed_if)?;
        assert_eq!(serde_json::to_string(&read_input_if)?, input_renamed_if);
        let plain = r#"{"type":"chairs","note":3}"#;
        let read_plain: super::Plain = serde_json::from_str(plain)?;
        assert_eq!(serde_json::to_string(&read_plain)?, plain);
        let without_note: super::Plain = serde_json::from_str(r#"{"type":"chairs"}"#)?;
        assert_eq!(without_note.note, None);
        Ok(())
    }

    #[tokio::test]
    async fn they_run() {
        let name = "chairs".to_owned();
        let by_path = ByPath {
            name: name.clone(),
            count: 4,
        };
        assert_eq!(by_path.execute(&Shop).await.ok(), Some(8));
        assert_eq!(InBraces { name }.execute(&Shop).await.ok(), Some(8));
        assert_eq!(
            Kept {}.execute(&Shop).await.ok().as_deref(),
            Some("1 chairs")
        );
        assert_eq!(in_a_function(&Shop, 0).await, None);
    }
}
