//! The rule for everything that a test needs: use it if it is here, install it if we are root on
//! Debian, else say that it is missing.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::getuid;
use xtask::place::find_program;
use xtask::venv::python_can_make_venv;
use xtask::{postgres, rabbitmq as amqp};

use crate::runner::Runner;

/// PostgreSQL's programs. False: they are missing and cannot be installed from here.
pub(crate) fn postgres(runner: &Runner) -> Result<bool> {
    let is_here = || postgres::Programs::find().is_some();
    if is_here() {
        return Ok(true);
    }
    let _no_cluster = NoCluster::set();
    ensure_installed(runner, is_here, &["postgresql"])
}

/// RabbitMQ's programs. False: they are missing and cannot be installed from here.
pub(crate) fn rabbitmq(runner: &Runner) -> Result<bool> {
    let is_here = || amqp::program().is_some();
    if is_here() {
        return Ok(true);
    }
    let _no_service = NoService::set();
    ensure_installed(runner, is_here, &["rabbitmq-server"])
}

/// A Python that can make environments. False: it is missing and cannot be installed from here.
pub(crate) fn python(runner: &Runner) -> Result<bool> {
    ensure_installed(runner, python_can_make_venv, &["python3", "python3-venv"])
}

fn ensure_installed(
    runner: &Runner,
    is_here: impl Fn() -> bool,
    packages: &[&str],
) -> Result<bool> {
    if is_here() {
        return Ok(true);
    }
    let Some(apt) = find_program("apt-get").filter(|_| getuid().is_root()) else {
        return Ok(false);
    };
    println!("installing {}", packages.join(" "));
    // The lists may be old or missing; whether that matters shows at the installation.
    runner.run(Command::new(&apt).args(["update", "-q"]), |_| ())?;
    let mut install = Command::new(&apt);
    install
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    let status = runner.run(&mut install, |_| ())?;
    ensure!(
        status.success(),
        "apt-get install {} failed",
        packages.join(" ")
    );
    Ok(is_here())
}

/// Keeps Debian's package of PostgreSQL from making and starting a server of its own, while this
/// lives.
struct NoCluster;

impl NoCluster {
    const FILE: &str = "/etc/postgresql-common/createcluster.d/arrivage-tests.conf";

    /// Where it cannot be set, the machine has one server more than it needs, and no harm is done.
    fn set() -> Self {
        let file = Path::new(Self::FILE);
        if let Some(directory) = file.parent() {
            let _ = fs::create_dir_all(directory);
            let _ = fs::write(file, "create_main_cluster = false\n");
        }
        Self
    }
}

impl Drop for NoCluster {
    fn drop(&mut self) {
        let _ = fs::remove_file(Self::FILE);
    }
}

/// Keeps Debian's packages from starting services of their own, while this lives: `policy-rc.d` is
/// how an administrator says so. One that is there already stays.
struct NoService {
    is_ours: bool,
}

impl NoService {
    const FILE: &str = "/usr/sbin/policy-rc.d";

    /// Where it cannot be set, the machine has one server more than it needs, and no harm is done.
    fn set() -> Self {
        use std::os::unix::fs::OpenOptionsExt as _;

        let mut create = fs::OpenOptions::new();
        create.write(true).create_new(true).mode(0o755);
        let is_ours = match create.open(Self::FILE) {
            Ok(mut file) => file.write_all(b"#!/bin/sh\nexit 101\n").is_ok(),
            Err(_) => false,
        };
        Self { is_ours }
    }
}

impl Drop for NoService {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = fs::remove_file(Self::FILE);
        }
    }
}
