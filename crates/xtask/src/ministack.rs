//! ministack: S3, SQS, SNS and EventBridge in one process, in the shape of AWS, kept in memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use anyhow::Result;

use crate::place::{Scratch, free_port};
use crate::process::{Process, Signal, tied};
use crate::venv::Venv;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(5);

/// A running ministack, of this process alone; it ends when this is dropped.
#[derive(Debug)]
pub struct Ministack {
    port: u16,
    server: Process,
    _scratch: Scratch,
}

impl Ministack {
    /// Starts it on a free port of 127.0.0.1.
    pub fn start(venv: &Venv) -> Result<Self> {
        // Another process may take the free port first.
        for _ in 0..2 {
            if let Ok(ministack) = Self::start_on(free_port()?, venv) {
                return Ok(ministack);
            }
        }
        Self::start_on(free_port()?, venv)
    }

    /// Where its services answer.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start_on(port: u16, venv: &Venv) -> Result<Self> {
        let scratch = Scratch::new("arrivage-ministack")?;
        let mut command = tied(venv.python());
        command
            .args(["-m", "ministack"])
            .env("GATEWAY_PORT", port.to_string())
            .env_remove("EDGE_PORT")
            .env("BIND_HOST", "127.0.0.1")
            .env("SFTP_HOST", "127.0.0.1")
            .env("IOT_MTLS_ENABLED", "0")
            .env("TMPDIR", scratch.path())
            .current_dir(scratch.path())
            .process_group(0);
        let mut server = Process::spawn("ministack", command)?;
        server.wait_ready(START, || is_healthy(port))?;
        Ok(Self {
            port,
            server,
            _scratch: scratch,
        })
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.server.stop(Signal::TERM, STOP);
    }
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(Duration::from_secs(2)))?;
        connection.write_all(
            b"GET /_localstack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        )?;
        let mut status_line = [0; 12];
        connection.read_exact(&mut status_line)?;
        Ok(&status_line == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
