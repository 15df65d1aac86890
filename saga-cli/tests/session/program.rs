//! The program, run as a shell runs it.

use std::process::Stdio;

use tokio::process::Command;

/// The end of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What it has printed, if it has worked.
    pub(crate) fn works(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The error, if the program has ended with this code.
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// Runs `saga` with these words.
pub(crate) async fn saga(words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saga"));
    let command = command
        .args(words)
        .env("USER", "ann")
        .env_remove("SAGA_JOURNAL");
    let command = command.env_remove("SAGA_TOKEN").stdin(Stdio::null());
    let ended = command.output().await.expect("the program is there");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Ended {
        code: ended.status.code().unwrap_or(-1),
        out: text(ended.stdout),
        err: text(ended.stderr),
    }
}
