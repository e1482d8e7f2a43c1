use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::time;
use xtask::process::{PAUSE, Process, Signal};

/// A process that runs beside the test. What it prints is kept to be read; it is killed, by its id,
/// when this is dropped.
#[derive(Debug)]
pub struct Background {
    name: String,
    process: Process,
}

impl Background {
    /// Starts `command`; made by [`tied`](crate::tied) it does not outlive a killed test either.
    /// `name` is what error messages call it.
    pub fn spawn(name: &str, command: Command) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            process: Process::spawn(name, command)?,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed until now, stdout and stderr as they came.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Kills it: it gets no chance to tidy up. It is gone when this returns.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Asks it to leave, as Kubernetes does.
    pub fn sigterm(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Freezes it.
    pub fn sigstop(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets a frozen one go on.
    pub fn sigcont(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Waits until it has ended by itself; an error with its output when it does not in time.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.process.ended()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} has not ended within {timeout:?}:\n{}",
                    self.name,
                    self.output()
                );
            }
            time::sleep(PAUSE).await;
        }
    }
}
