//! The servers of the tests, started once for all of them.

use std::env;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use xtask::announced;
use xtask::ministack::Ministack;
use xtask::postgres::Cluster;
use xtask::process::PAUSE;
use xtask::rabbitmq::RabbitMq;
use xtask::venv::Venv;

use crate::install;
use crate::runner::Runner;

/// What runs; it stops when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    _postgres: Option<Cluster>,
    _ministack: Option<Ministack>,
    _rabbitmq: Option<RabbitMq>,
    environment: Vec<(&'static str, String)>,
    missing: Vec<Missing>,
}

/// A server that is not here and could not be installed.
#[derive(Debug)]
pub(crate) struct Missing {
    /// What a person has to install.
    pub(crate) needs: &'static str,
    /// The tests that need it have this word in their path.
    pub(crate) word: &'static str,
}

impl Servers {
    /// Starts those that are not announced already. An error: one is here but does not start.
    pub(crate) fn start(runner: &Runner) -> Result<Self> {
        let mut servers = Self::default();
        servers.start_postgres(runner)?;
        servers.start_ministack(runner)?;
        servers.start_rabbitmq(runner)?;
        servers.find(runner, "rclone", Venv::prepare_rclone)?;
        servers.find(runner, "nats", Venv::prepare_nats)?;
        Ok(servers)
    }

    /// What tells the tests where they are.
    pub(crate) fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// What the tests have to do without.
    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    fn start_postgres(&mut self, runner: &Runner) -> Result<()> {
        if let Ok(url) = env::var(announced::POSTGRES) {
            self.environment.push((announced::POSTGRES, url));
            return Ok(());
        }
        if !install::postgres(runner)? {
            self.missing.push(Missing {
                needs: "PostgreSQL",
                word: "postgres",
            });
            return Ok(());
        }
        let cluster = Cluster::start_new().context("PostgreSQL does not start")?;
        self.environment.push((announced::POSTGRES, cluster.url()));
        self._postgres = Some(cluster);
        Ok(())
    }

    fn start_ministack(&mut self, runner: &Runner) -> Result<()> {
        let announced = env::var(announced::MINISTACK)
            .ok()
            .zip(env::var(announced::AWS).ok());
        if let Some((endpoint, aws)) = announced {
            self.environment.push((announced::MINISTACK, endpoint));
            self.environment.push((announced::AWS, aws));
            return Ok(());
        }
        if !install::python(runner)? {
            let needs = "Python 3.10 with venv, for ministack";
            self.missing.push(Missing {
                needs,
                word: "ministack",
            });
            return Ok(());
        }
        let venv = Venv::prepare()?;
        let ministack = Ministack::start(&venv).context("ministack does not start")?;
        self.environment
            .push((announced::MINISTACK, ministack.endpoint()));
        self.environment
            .push((announced::AWS, venv.aws().display().to_string()));
        self._ministack = Some(ministack);
        Ok(())
    }

    fn start_rabbitmq(&mut self, runner: &Runner) -> Result<()> {
        if let Ok(url) = env::var(announced::RABBITMQ) {
            self.environment.push((announced::RABBITMQ, url));
            return Ok(());
        }
        if !install::rabbitmq(runner)? {
            self.missing.push(Missing {
                needs: "RabbitMQ",
                word: "rabbitmq",
            });
            return Ok(());
        }
        let server = RabbitMq::start().context("RabbitMQ does not start")?;
        self.environment.push((announced::RABBITMQ, server.url()));
        self._rabbitmq = Some(server);
        Ok(())
    }

    /// A program that each test starts for itself; here it is only fetched.
    fn find(
        &mut self,
        runner: &Runner,
        word: &'static str,
        prepare: fn() -> Result<Venv>,
    ) -> Result<()> {
        if !install::python(runner)? {
            let needs = "Python 3.10 with venv, for programs from PyPI";
            self.missing.push(Missing { needs, word });
            return Ok(());
        }
        prepare()?;
        Ok(())
    }
}

/// `cargo xtask servers`: says where they are and stays until it is told to go.
pub(crate) fn stay() -> Result<ExitCode> {
    let runner = Runner::new()?;
    let servers = Servers::start(&runner)?;
    for missing in servers.missing() {
        eprintln!("not run: needs {}", missing.needs);
    }
    for (name, value) in servers.environment() {
        println!("export {name}={value}");
    }
    eprintln!("Ctrl-C stops them.");
    while !runner.is_interrupted() {
        thread::sleep(PAUSE);
    }
    Ok(ExitCode::SUCCESS)
}
