//! The text of the crates: the same functions, with and without the library.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::Path;

/// The sagas of a crate.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The number of sagas.
    pub sagas: usize,
    /// The number of steps of each.
    pub steps: usize,
}

/// One long saga, as many steps in short ones, and a small crate.
pub const SIZES: [Size; 3] = [
    Size {
        sagas: 1,
        steps: 50,
    },
    Size {
        sagas: 10,
        steps: 5,
    },
    Size { sagas: 1, steps: 3 },
];

impl Size {
    /// The name of the crate.
    fn name(self) -> String {
        format!("{}-of-{}", self.sagas, self.steps)
    }
}

pub(super) fn workspace() -> String {
    let members = SIZES
        .into_iter()
        .flat_map(|size| [Kind::Plain, Kind::Saga].map(|kind| kind.package(size)));
    let members: Vec<_> = members.map(|member| format!("{member:?}")).collect();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n",
        members.join(", ")
    )
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Plain,
    Saga,
}

impl Kind {
    pub(super) fn package(self, size: Size) -> String {
        let kind = match self {
            Self::Plain => "plain",
            Self::Saga => "sagas",
        };
        format!("{kind}-{}", size.name())
    }

    pub(super) fn manifest(self, size: Size, saga_runtime: &Path) -> String {
        let package = self.package(size);
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
    pub(super) fn source(self, size: Size, change: usize) -> String {
        let mut source = SERVICES.to_owned();
        source += match self {
            Self::Plain => "type Context<'a, T> = &'a T;\n",
            Self::Saga => "use saga_runtime::{Context, saga, step};\n",
        };
        let changed = (size.sagas * size.steps).div_ceil(2);
        for saga in 1..=size.sagas {
            let steps = (saga - 1) * size.steps + 1..=saga * size.steps;
            for step in steps.clone() {
                let digits = if step == changed { change } else { 1 };
                self.push_step(&mut source, step, &"1".repeat(digits));
            }
            self.push_saga(&mut source, saga, steps);
        }
        self.push_main(&mut source, size.sagas);
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

    fn push_saga(self, source: &mut String, saga: usize, steps: RangeInclusive<usize>) {
        let (before, after) = match self {
            Self::Plain => ("", ""),
            Self::Saga => ("saga!(", ");"),
        };
        _ = write!(
            source,
            r"
{before}
async fn saga{saga}(cx: Context<'_, Shop>, start: Token) -> Result<Token, Refusal> {{
    let token = start;
"
        );
        for step in steps {
            _ = writeln!(source, "    let token = step{step}(cx, &token).await?;");
        }
        _ = write!(source, "    Ok(token)\n}}\n{after}\n");
    }

    fn push_main(self, source: &mut String, sagas: usize) {
        *source += "\nfn main() {\n    let shop = Shop::default();\n";
        for saga in 1..=sagas {
            let call = match self {
                Self::Plain => format!("saga{saga}(&shop, Token(1))"),
                Self::Saga => format!("Saga{saga} {{ start: Token(1) }}.execute(&shop)"),
            };
            _ = write!(
                source,
                r#"    let run = pin!({call});
    if let Poll::Ready(outcome) = run.poll(&mut task::Context::from_waker(Waker::noop())) {{
        println!("{{}}", outcome.is_ok());
    }}
"#
            );
        }
        *source += "}\n";
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
