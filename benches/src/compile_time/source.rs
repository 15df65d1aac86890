//! The text of the two crates: the same functions, with and without the library.

use std::fmt::Write;
use std::path::Path;

const STEPS: usize = 50;

pub(super) const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["plain", "saga"]
"#;

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Plain,
    Saga,
}

impl Kind {
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Saga => "saga",
        }
    }

    pub(super) fn manifest(self, saga_runtime: &Path) -> String {
        let package = self.package();
        let path = saga_runtime.display();
        format!(
            r#"[package]
name = "{package}"
version = "0.0.0"
edition = "2024"

[dependencies]
saga-runtime = {{ path = "{path}", default-features = false }}
serde = {{ version = "1", features = ["derive"] }}
"#
        )
    }

    /// The only file of the crate. `change` is what an edit changes: the length of one line, inside of a step.
    pub(super) fn source(self, change: usize) -> String {
        let mut source = SERVICES.to_owned();
        source += match self {
            Self::Plain => "type Context<'a, T> = &'a T;\n",
            Self::Saga => "use saga_runtime::{Context, saga, step};\n",
        };
        for step in 1..=STEPS {
            let digits = if step == STEPS / 2 { change } else { 1 };
            self.push_step(&mut source, step, &"1".repeat(digits));
        }
        self.push_saga(&mut source);
        source
    }

    fn push_step(self, source: &mut String, step: usize, number: &str) {
        if let Self::Saga = self {
            _ = writeln!(source, "\n#[step(compensate = undo{step})]");
        }
        _ = write!(
            source,
            r"
async fn step{step}(cx: Context<'_, Shop>, input: &Token) -> Result<Token, Refusal> {{
    act(&cx, input, {step} + {number})
}}

async fn undo{step}(cx: Context<'_, Shop>, output: &Token) -> Result<(), Refusal> {{
    undo(&cx, output, {step})
}}
"
        );
    }

    fn push_saga(self, source: &mut String) {
        let (before, after, call) = match self {
            Self::Plain => ("", "", "fifty(&shop, Token(1))"),
            Self::Saga => ("saga!(", ");", "Fifty { start: Token(1) }.execute(&shop)"),
        };
        _ = write!(
            source,
            r"
{before}
async fn fifty(cx: Context<'_, Shop>, start: Token) -> Result<Token, Refusal> {{
    let token = start;
"
        );
        for step in 1..=STEPS {
            _ = writeln!(source, "    let token = step{step}(cx, &token).await?;");
        }
        _ = write!(
            source,
            r#"    Ok(token)
}}
{after}

fn main() {{
    let shop = Shop::default();
    let run = pin!({call});
    if let Poll::Ready(outcome) = run.poll(&mut task::Context::from_waker(Waker::noop())) {{
        println!("{{}}", outcome.is_ok());
    }}
}}
"#
        );
    }
}

const SERVICES: &str = r#"#![allow(dead_code)]

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{self, Poll, Waker};

#[derive(Default)]
struct Shop {
    done: AtomicU64,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Token(u64);

#[derive(Debug)]
struct Refusal;

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("refused")
    }
}

impl std::error::Error for Refusal {}

fn act(shop: &Shop, input: &Token, step: u64) -> Result<Token, Refusal> {
    if step == 0 {
        return Err(Refusal);
    }
    shop.done.fetch_add(step, Relaxed);
    Ok(Token(input.0 + step))
}

fn undo(shop: &Shop, output: &Token, step: u64) -> Result<(), Refusal> {
    if output.0 < step {
        return Err(Refusal);
    }
    shop.done.fetch_sub(step, Relaxed);
    Ok(())
}

"#;
