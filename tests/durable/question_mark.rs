//! `?` converts the errors of sagas, in process and on a coordinator, into the errors that functions usually return.

use std::error::Error;
use std::fmt;
use std::io;

use saga_runtime::coordinator::Registrable;
use saga_runtime::journal::Memory;
use saga_runtime::{Context, Coordinator, ExecuteError, InProcess, Saga, SagaError, saga, step};

/// No services.
struct Nothing;

/// An error that is only a text.
struct Text(&'static str);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

type Boxed = Box<dyn Error + Send + Sync>;

#[step(compensate = ())]
async fn refuse(_cx: Context<'_, Nothing>) -> Result<(), String> {
    Err("a string".to_owned())
}

#[step(compensate = ())]
async fn refuse_plainly(_cx: Context<'_, Nothing>) -> Result<(), Text> {
    Err(Text("only a text"))
}

#[step(compensate = ())]
async fn refuse_boxed(_cx: Context<'_, Nothing>) -> Result<(), Boxed> {
    Err(Box::new(io::Error::other("in a box")))
}

#[step(compensate = ())]
async fn refuse_anyhow(_cx: Context<'_, Nothing>) -> anyhow::Result<()> {
    Err(io::Error::other("in anyhow's box").into())
}

#[step(compensate = ())]
async fn refuse_as_error(_cx: Context<'_, Nothing>) -> Result<(), fmt::Error> {
    Err(fmt::Error)
}

saga!(
    #[derive(Clone)]
    async fn of_string(cx: Context<'_, Nothing>) -> Result<(), String> {
        refuse(cx).await
    }
);

saga!(
    #[derive(Clone)]
    async fn of_text(cx: Context<'_, Nothing>) -> Result<(), Text> {
        refuse_plainly(cx).await
    }
);

saga!(
    #[derive(Clone)]
    async fn of_box(cx: Context<'_, Nothing>) -> Result<(), Boxed> {
        refuse_boxed(cx).await
    }
);

saga!(
    #[derive(Clone)]
    async fn of_anyhow(cx: Context<'_, Nothing>) -> anyhow::Result<()> {
        refuse_anyhow(cx).await
    }
);

saga!(
    #[derive(Clone)]
    async fn of_error(cx: Context<'_, Nothing>) -> Result<(), fmt::Error> {
        refuse_as_error(cx).await
    }
);

/// Runs the saga in process.
async fn in_process<G, R>(saga: G) -> Result<(), R>
where
    G: Saga<Services = Nothing>,
    R: From<SagaError<G::Error>>,
{
    InProcess::new(&Nothing).execute(saga).await?;
    Ok(())
}

/// Runs the saga on a coordinator.
async fn coordinated<G, R>(saga: G) -> Result<(), R>
where
    G: Registrable<Nothing>,
    R: From<ExecuteError<G::Error>>,
{
    let coordinator = Coordinator::builder(Nothing)
        .journal(Memory::new())
        .register::<G>()
        .start()
        .await
        .expect("the journal works");
    coordinator.execute("an-id", saga).await?;
    Ok(())
}

/// The text of the error of each way to run the saga, and the text of its source.
async fn errors<G>(saga: G) -> Vec<(String, Option<String>)>
where
    G: Registrable<Nothing> + Clone,
    G::Error: Sync,
{
    fn texts(error: &(dyn Error + 'static)) -> (String, Option<String>) {
        (error.to_string(), error.source().map(ToString::to_string))
    }

    let mut all = Vec::new();
    let one: Result<(), Box<dyn Error>> = in_process(saga.clone()).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    let one: Result<(), Boxed> = in_process(saga.clone()).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    let one: anyhow::Result<()> = in_process(saga.clone()).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    let one: Result<(), Box<dyn Error>> = coordinated(saga.clone()).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    let one: Result<(), Boxed> = coordinated(saga.clone()).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    let one: anyhow::Result<()> = coordinated(saga).await;
    all.push(texts(&*one.expect_err("its step refuses")));
    all
}

#[track_caller]
fn are_all(errors: &[(String, Option<String>)], text: &str, source: Option<&str>) {
    assert_eq!(errors.len(), 6);
    for (found, found_source) in errors {
        assert!(found.ends_with(text), "{found}");
        assert_eq!(found_source.as_deref(), source, "{found}");
    }
}

#[tokio::test]
async fn an_error_that_is_only_a_text_has_no_source() {
    are_all(
        &errors(OfString {}).await,
        "at step `refuse`: a string",
        None,
    );
    are_all(&errors(OfText {}).await, ": only a text", None);
}

#[tokio::test]
async fn an_error_that_holds_one_has_that_as_its_source() {
    are_all(&errors(OfBox {}).await, ": in a box", Some("in a box"));
    let source = Some("in anyhow's box");
    are_all(&errors(OfAnyhow {}).await, ": in anyhow's box", source);
}

#[tokio::test]
async fn an_error_that_is_one_is_the_source() {
    let text = fmt::Error.to_string();
    are_all(&errors(OfError {}).await, &format!(": {text}"), Some(&text));
}
