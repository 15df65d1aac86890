//! Spans and events have ids, names and outcomes, and never a secret.

use saga_runtime::{Context, saga, step};

use super::recording::Recording;

/// Everything that passes through a saga here contains this.
const SECRET: &str = "hunter2";

struct Vault {
    secret: &'static str,
}

#[step(
    compensate = take_back,
    timeout = "1s",
    retry(attempts = 2),
    compensation(retry(attempts = 2))
)]
async fn hand_over(cx: Context<'_, Vault>, input: &str) -> Result<String, String> {
    if cx.attempt() == 1 {
        return Err(format!("{input} is not {}", cx.secret));
    }
    Ok(format!("{input} is {}", cx.secret))
}

async fn take_back(_cx: Context<'_, Vault>, output: &String) -> Result<(), String> {
    Err(format!("can't take back {output}"))
}

#[step(compensate = ())]
async fn give_away(_cx: Context<'_, Vault>, input: String, panics: bool) -> Result<(), String> {
    assert!(!panics, "{input}");
    Err(format!("{input} is known"))
}

saga!(
    async fn handing_over(
        cx: Context<'_, Vault>,
        input: String,
        panics: bool,
    ) -> Result<String, String> {
        let output = hand_over(cx, &input).await?;
        give_away(cx, output.clone(), panics).await?;
        Ok(output)
    }
);

#[tokio::test(start_paused = true)]
async fn no_input_no_output_no_service_and_no_error_is_ever_recorded() {
    for panics in [false, true] {
        let recording = Recording::new();
        let guard = recording.start();
        let vault = Vault { secret: SECRET };
        let saga = HandingOver {
            input: format!("password {SECRET}"),
            panics,
        };
        let error = saga.execute(&vault).await.expect_err("it is given away");
        drop(guard);
        assert!(error.to_string().contains(SECRET), "the caller may know");

        let spans = recording.spans();
        // The saga, two attempts, one attempt, two attempts of the compensation.
        assert_eq!(spans.len(), 6);
        let everything = recording.everything();
        assert!(everything.contains("hand_over"), "{everything}");
        assert!(!everything.contains(SECRET), "{everything}");
    }
}
