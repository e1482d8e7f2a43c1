//! Runs a command in sight of the person who waits, and ends it when that person says so.

use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use xtask::process::PAUSE;

/// How long a command may take to leave when asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ctrl-C was pressed, or a signal asked for the end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs commands one after another.
#[derive(Debug)]
pub(crate) struct Runner {
    interrupted: Arc<AtomicBool>,
}

impl Runner {
    /// From here on the first Ctrl-C (or SIGTERM, SIGHUP) is noted and acted upon in order; a second
    /// one ends this program at once. The servers end with it either way.
    pub(crate) fn new() -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
            flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self { interrupted })
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Runs `command`, shows what it prints, hands every line to `look` as well, and returns how it
    /// ended. An error is [`Interrupted`], or says that the command could not be run.
    pub(crate) fn run(
        &self,
        command: &mut Command,
        look: impl Fn(&str) + Sync,
    ) -> Result<ExitStatus> {
        if self.is_interrupted() {
            return Err(Interrupted.into());
        }
        // A group of its own, so that the end reaches what the command started, and at our word.
        command.process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        println!("   {}", in_words(command));
        let program = command.get_program().display().to_string();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;

        let stdout = child.stdout.take().context("the command's stdout")?;
        let stderr = child.stderr.take().context("the command's stderr")?;
        let status = thread::scope(|scope| {
            scope.spawn(|| pass_on(stdout, io::stdout(), &look));
            scope.spawn(|| pass_on(stderr, io::stderr(), &look));
            self.wait(&mut child)
        })?;
        if self.is_interrupted() {
            return Err(Interrupted.into());
        }
        Ok(status)
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let group = Pid::from_child(child);
        let mut asked: Option<Instant> = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            match asked {
                None if self.is_interrupted() => {
                    kill_process_group(group, Signal::TERM)?;
                    asked = Some(Instant::now());
                }
                Some(since) if since.elapsed() > PATIENCE => {
                    kill_process_group(group, Signal::KILL)?;
                }
                _ => {}
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The command as a person would type it.
fn in_words(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = [program].into_iter().chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Copies line by line, so that stdout and stderr do not mix within a line.
fn pass_on(from: impl Read, mut to: impl Write, look: impl Fn(&str)) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
        // If nobody reads our output any more, the check itself still goes on.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        look(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
