//! RabbitMQ: the AMQP server, as Debian packages it. Neither its service nor any file of the
//! system is touched: node, port mapper and data are of their own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::place::{Scratch, free_port, unique_name};
use crate::process::{Process, Signal, tied};

const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(20);

/// Its programs. Debian's wrapper in the path asks for another user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// A running RabbitMQ, of this process alone; it ends when this is dropped.
#[derive(Debug)]
pub struct RabbitMq {
    port: u16,
    server: Process,
    _mapper: Process,
    _scratch: Scratch,
}

/// Where the server's program is, if it is installed.
pub fn program() -> Option<PathBuf> {
    let program = PathBuf::from(PROGRAMS).join("rabbitmq-server");
    program.is_file().then_some(program)
}

impl RabbitMq {
    /// Starts it on free ports of 127.0.0.1.
    pub fn start() -> Result<Self> {
        // Another process may take a free port first.
        Self::launch().or_else(|_| Self::launch())
    }

    /// Where it answers, with the user that it is made with.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    fn launch() -> Result<Self> {
        let program = program().context("RabbitMQ is missing: apt-get install rabbitmq-server")?;
        let scratch = Scratch::new("arrivage-rabbitmq")?;
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("plugins"), "[].")?;
        let [port, nodes, mapping] = [free_port()?, free_port()?, free_port()?];

        let mapping = mapping.to_string();
        let mut mapper = tied("epmd");
        mapper.args(["-port", &mapping, "-address", "127.0.0.1"]);
        let mapper = Process::spawn("epmd", mapper)?;

        let mut command = tied(program);
        command
            .env("HOME", scratch.path())
            .env("ERL_EPMD_PORT", mapping)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_NODENAME",
                format!("{}@localhost", unique_name("test")),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", nodes.to_string())
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", at("none"))
            .env("RABBITMQ_CONFIG_FILE", at("none"))
            // The script becomes the server, and so a signal meets it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
            );
        let mut server = Process::spawn("rabbitmq-server", command)?;
        // It takes connections before it answers them.
        server.wait_said(START, "Server startup complete")?;
        Ok(Self {
            port,
            server,
            _mapper: mapper,
            _scratch: scratch,
        })
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let _ = self.server.stop(Signal::TERM, STOP);
    }
}
