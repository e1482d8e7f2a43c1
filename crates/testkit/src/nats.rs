use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use xtask::place::{Scratch, free_port};
use xtask::process::{Process, Signal, tied};
use xtask::venv::Venv;

use crate::blocking;

const START: Duration = Duration::from_secs(30);

/// A NATS server with JetStream, of one test; it ends when this is dropped.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    port: u16,
    /// What it keeps on disk, over restarts, and its configuration.
    scratch: Scratch,
    server: Option<Process>,
}

const CONFIGURATION: &str = "nats.conf";

impl Nats {
    /// Starts it on a free port of 127.0.0.1.
    pub async fn start_new() -> Result<Self> {
        Self::configured("").await
    }

    /// The same, with further lines in its configuration: a login, a limit.
    pub async fn configured(configuration: &str) -> Result<Self> {
        let configuration = configuration.to_owned();
        blocking(move || {
            let mut nats = Self {
                program: Venv::prepare_nats()?.program("nats-server"),
                port: free_port()?,
                scratch: Scratch::new("arrivage-nats")?,
                server: None,
            };
            fs::write(nats.scratch.path().join(CONFIGURATION), configuration)?;
            // Another process may take the free port first.
            if nats.launch().is_err() {
                nats.port = free_port()?;
                nats.launch()?;
            }
            Ok(nats)
        })
        .await
    }

    /// `nats://127.0.0.1:PORT`; the same over restarts.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Stops it; nobody can connect until [`start`](Self::start).
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.stop(Signal::TERM, START)?;
        }
        Ok(())
    }

    /// Starts the stopped server again, with the streams that it had.
    pub fn start(&mut self) -> Result<()> {
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = tied(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string()]);
        command.arg("--jetstream").arg("--store_dir");
        command.arg(self.scratch.path());
        command
            .arg("--config")
            .arg(self.scratch.path().join(CONFIGURATION));
        let server = self.server.insert(Process::spawn("nats-server", command)?);
        server.wait_said(START, "Server is ready")
    }
}
