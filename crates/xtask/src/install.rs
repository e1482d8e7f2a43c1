//! The rule for everything that a test needs: use it if it is here, install it if we are root on
//! Debian, else say that it is missing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::getuid;
use xtask::place::find_program;
use xtask::postgres;
use xtask::venv::python_can_make_venv;

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
