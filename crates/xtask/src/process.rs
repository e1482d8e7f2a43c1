//! A child process that ends when its handle is dropped, and also when this process is killed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::place::{Scratch, find_program};

/// How often a state is looked at that nothing tells about.
pub const PAUSE: Duration = Duration::from_millis(10);

/// A command whose process is killed when this one ends, however that ends. (`setpriv` asks the
/// kernel for it; where that is missing, only the drop of the handle ends the process.)
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let Some(setpriv) = find_program("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A running child whose output goes to a file. Dropping it kills this one process, by its id.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    scratch: Scratch,
}

impl Process {
    /// Starts `command`, best one made by [`tied`]. It reads nothing; what it prints is in
    /// [`output`](Self::output). `name` stands in error messages.
    pub fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let scratch = Scratch::new("arrivage-process")?;
        let output = File::create(scratch.path().join(OUTPUT))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = spawn_for_life(command).with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            scratch,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed until now, stdout and stderr as they came.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(self.scratch.path().join(OUTPUT)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends `signal` to this process and to no other; an error when it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!(
                "{} has ended already ({status}):\n{}",
                self.name,
                self.output()
            );
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal {}", self.name))
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Waits until it has ended by itself; an error with its output when it does not in time.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} has not ended within {timeout:?}:\n{}",
                    self.name,
                    self.output()
                );
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits until `ready` answers true; an error with its output when the process ends before, or
    /// does not get there in time.
    pub fn wait_ready(&mut self, timeout: Duration, ready: impl Fn() -> bool) -> Result<()> {
        self.wait_until(timeout, |_| ready())
    }

    /// Waits in the same way until it has printed `words`.
    pub fn wait_said(&mut self, timeout: Duration, words: &str) -> Result<()> {
        self.wait_until(timeout, |process| process.output().contains(words))
    }

    fn wait_until(&mut self, timeout: Duration, ready: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !ready(self) {
            if let Some(status) = self.ended()? {
                bail!(
                    "{} ended while starting ({status}):\n{}",
                    self.name,
                    self.output()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {timeout:?}:\n{}",
                    self.name,
                    self.output()
                );
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Asks it to end with `signal`, and kills it when it has not within `patience`.
    pub fn stop(&mut self, signal: Signal, patience: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(signal)?;
        self.wait(patience).or_else(|_| self.kill())
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; nothing more can be done here about another failure.
        let _ = self.kill();
    }
}

const OUTPUT: &str = "output";

/// Starts the command from a thread that lives as long as this process. The kernel sends the
/// "parent died" signal when the *thread* that started the child ends, and a test's thread, or one
/// of tokio's, ends before the process does.
fn spawn_for_life(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Who no longer waits has dropped the receiver: then the child is of no use.
                if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        orders
    });
    let (answer, outcome) = mpsc::channel();
    spawner.send((command, answer)).map_err(io::Error::other)?;
    outcome.recv().map_err(io::Error::other)?
}
