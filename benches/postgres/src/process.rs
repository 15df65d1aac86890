//! The processes that are measured: each says when it is ready, and does the next thing at the next line.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

/// A process that has been started. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program again, to do one thing.
    pub(crate) fn this(arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).args(arguments))
    }

    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("it is piped")?;
        let output = child.stdout.take().context("it is piped")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Waits for a line that begins with this word, and returns the rest of it.
    pub(crate) fn hear(&mut self, word: &str) -> anyhow::Result<String> {
        let line = self.line()?;
        let rest = line.strip_prefix(word).map(|rest| rest.trim().to_owned());
        rest.with_context(|| format!("`{word}` comes next, not `{line}`"))
    }

    /// Waits for the next line.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the process has ended: see above");
        }
        Ok(line.trim_end().to_owned())
    }

    /// Lets the process do the next thing.
    pub(crate) fn go(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n")?;
        Ok(self.input.flush()?)
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the process ended with {status}");
        Ok(())
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill()?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
