//! Names, directories and ports that nobody else uses.

use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the repository that cargo runs this in; where it was built, if cargo
/// does not run it.
pub fn workspace() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let package: PathBuf = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, Into::into);
    package
        .ancestors()
        .find(|directory| directory.join("Cargo.lock").is_file())
        .unwrap_or(&package)
        .to_owned()
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => workspace().join(target),
        None => workspace().join("target"),
    }
}

/// Cargo, as a person would run it from the root. What the cargo that runs us tells about *this*
/// package stays out: build scripts would take it for a change, and minutes of building begin anew.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let is_ours =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_ours(name)) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(workspace());
    command
}

/// The program of this name in `PATH`.
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name.as_ref()))
        .find(|candidate| candidate.is_file())
}

/// A name that no other test and no other process uses, made of `prefix` and of lower-case letters,
/// digits and `-`: fit for a bucket, a queue or a directory.
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{:x}-{:x}", std::process::id(), random())
}

/// A directory of its own under the system's temporary directory, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it, for this user only.
    pub fn new(prefix: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(unique_name(prefix));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary directory, where the system sees to it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port of 127.0.0.1 that is free now. It lies below the range that the kernel gives to outgoing
/// connections, so that a server can be stopped and started again on the same port.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;

    for _ in 0..1000 {
        let within = u16::try_from(random() % u64::from(COUNT)).expect("less than COUNT");
        let port = FIRST + within;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}

/// Random enough for names; the standard library has no other source of it.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
