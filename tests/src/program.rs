use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};
use arrivage_testkit::{Background, eventually, tied};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time;

use crate::ask;

/// A command that runs to its end is killed after so long.
const PATIENCE: Duration = Duration::from_secs(90);

/// One configuration, and the program run with it, as often as wanted and several at once. The
/// environment holds nothing but what [`env`](Self::env) adds.
#[derive(Debug)]
pub struct Arrivage {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Arrivage {
    /// A directory with an `arrivage.toml` of `[database] url`, `[http] listen` on a free port, and
    /// what `configuration` adds: `[processor]`, sources, pipelines.
    pub fn new(database_url: &str, configuration: &str) -> Result<Self> {
        let arrivage = Self {
            directory: TempDir::new()?,
            environment: Vec::new(),
        };
        arrivage.configure(database_url, configuration)?;
        Ok(arrivage)
    }

    /// A directory with just this `arrivage.toml`.
    pub fn verbatim(configuration: &str) -> Result<Self> {
        let arrivage = Self {
            directory: TempDir::new()?,
            environment: Vec::new(),
        };
        arrivage.file("arrivage.toml", configuration)?;
        Ok(arrivage)
    }

    /// Writes another configuration; processes that run keep the one they have read.
    pub fn configure(&self, database_url: &str, configuration: &str) -> Result<()> {
        let head =
            format!("[database]\nurl = \"{database_url}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n");
        self.file("arrivage.toml", head + configuration)?;
        Ok(())
    }

    /// Adds to the environment of what is started from now on.
    #[must_use]
    pub fn env<'a, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.environment
            .extend(variables.map(|(name, value)| (name.to_owned(), value.into())));
        self
    }

    /// The directory of the configuration, which relative paths in it start from.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file or folder in that directory, which need not be there.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory().join(name)
    }

    /// Writes a file into that directory, making the folders that its name has.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        let folder = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder)?;
        // Whole at once: a folder that is watched must not show the half of it.
        let unfinished = self.path(format!(".{}", name.replace('/', ".")));
        fs::write(&unfinished, content)?;
        fs::rename(&unfinished, &path)?;
        Ok(path)
    }

    /// Runs the program to its end, from the directory of the configuration.
    pub async fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = tokio::process::Command::from(self.command(arguments));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let words = format!("arrivage {}", arguments.join(" "));
        let output = time::timeout(PATIENCE, command.output()).await;
        let output =
            output.with_context(|| format!("{words} has not ended within {PATIENCE:?}"))??;
        Ok(Ended {
            // None where a signal ended it.
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
            words,
        })
    }

    /// Starts the program beside the test: `run`, `watch`, `process`, or what is to be killed.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        let words = format!("arrivage {}", arguments.join(" "));
        Ok(Running {
            process: Background::spawn(&words, self.command(arguments))?,
        })
    }

    /// The command itself, not started.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = tied(program());
        command
            .args(arguments)
            .current_dir(self.directory())
            .env_clear();
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The program beside the test's executable, `target/PROFILE/deps/NAME-HASH`.
fn program() -> PathBuf {
    let test = env::current_exe().expect("the test's own path is known");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test lies in target/PROFILE/deps");
    let program = profile.join("arrivage");
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build -p arrivage-cli` first, or the tests of the whole workspace",
        program.display()
    );
    program
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; None where a signal ended it.
    pub code: Option<i32>,
    /// The data.
    pub stdout: String,
    /// Log lines, summaries and errors.
    pub stderr: String,
    words: String,
}

impl Ended {
    /// Panics, with all it said, unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Panics, with all it said, unless stdout or stderr has these words.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(said, "{words:?} is not in what it said\n{self}");
        self
    }

    /// What `--json` printed: a value a line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let value =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{self}"));
        self.stdout.lines().map(value).collect()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            words,
        } = self;
        write!(
            f,
            "{words}\ncode: {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        )
    }
}

/// A program that runs beside the test, until it is dropped.
#[derive(Debug)]
pub struct Running {
    /// To be killed, stopped, waited for, and read.
    pub process: Background,
}

impl Running {
    /// Asks its HTTP server, waiting until it listens; returns status and body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, String)> {
        let address = self.address().await?;
        ask(&address, &format!("GET {path} HTTP/1.1"), "").await
    }

    /// Where it listens, which it logs; waits for that.
    pub async fn address(&mut self) -> Result<String> {
        let logged = |output: &str| {
            let line = output.lines().find(|line| line.contains("HTTP: "))?;
            let begin = line.find("127.0.0.1:")?;
            let end = line[begin..].find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
            Some(
                end.map_or(&line[begin..], |end| &line[begin..begin + end])
                    .to_owned(),
            )
        };
        let process = &mut self.process;
        eventually(
            Duration::from_secs(20),
            "the log line with the HTTP address",
            async || match process.ended() {
                Ok(None) => logged(&process.output()).map(Ok),
                Ok(Some(status)) => Some(Err(anyhow::anyhow!(
                    "it ended ({status}):\n{}",
                    process.output()
                ))),
                Err(error) => Some(Err(error)),
            },
        )
        .await
    }
}
