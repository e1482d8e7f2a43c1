//! A throw-away PostgreSQL cluster.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::getuid;

use crate::place::{Scratch, find_program, free_port};
use crate::process::{Process, Signal};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);

/// PostgreSQL's programs.
#[derive(Clone, Debug)]
pub struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
}

impl Programs {
    /// Finds the newest that Debian installed, else those in `PATH`.
    pub fn find() -> Option<Self> {
        let in_debian = newest_in(Path::new(DEBIAN)).map(|bin| Self {
            initdb: bin.join("initdb"),
            postgres: bin.join("postgres"),
        });
        in_debian.or_else(|| {
            Some(Self {
                initdb: find_program("initdb")?,
                postgres: find_program("postgres")?,
            })
        })
    }
}

/// A running cluster, of this process alone; it ends, and its files go, when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    user: User,
    port: u16,
    server: Option<Process>,
    scratch: Scratch,
}

impl Cluster {
    /// Makes a cluster on a free port of 127.0.0.1 and starts it.
    pub fn start_new() -> Result<Self> {
        let programs = Programs::find().context(
            "this needs PostgreSQL: install it (Debian: apt-get install postgresql), \
             or put initdb and postgres into PATH",
        )?;
        let user = User::for_server()?;
        let scratch = Scratch::new("arrivage-postgres")?;
        user.give(scratch.path())?;
        let mut cluster = Self {
            programs,
            user,
            port: 0,
            server: None,
            scratch,
        };
        cluster.init()?;

        // Another process may take the free port first.
        for _ in 0..3 {
            cluster.port = free_port()?;
            if cluster.start().is_ok() {
                return Ok(cluster);
            }
        }
        cluster.start()?;
        Ok(cluster)
    }

    /// The URL of its `postgres` database, for the superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the stopped server again, on the same port, and waits until it takes connections.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "PostgreSQL is running already");
        let mut command = self
            .user
            .command(&self.programs.postgres, self.scratch.path());
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()]);
        // Ctrl-C is for us: we stop the server when the tests are done with it.
        command.process_group(0);
        let mut server = Process::spawn("PostgreSQL", command)?;
        let id = server.id();
        server.wait_ready(START, || self.is_ready(id))?;
        self.server = Some(server);
        Ok(())
    }

    /// Stops the server in an orderly way: sessions are ended, everything committed is kept.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Stops the server as a power cut does, and starts it again: what was not yet written to its
    /// log is forgotten.
    pub fn restart_immediate(&mut self) -> Result<()> {
        self.end(Signal::QUIT)?;
        self.start()
    }

    /// What the server has logged since it was last started.
    pub fn log(&self) -> String {
        self.server
            .as_ref()
            .map(Process::output)
            .unwrap_or_default()
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        let mut server = self.server.take().context("PostgreSQL is not running")?;
        server.stop(signal, STOP)?;
        Ok(())
    }

    fn init(&self) -> Result<()> {
        let first = self.initdb("C.UTF-8")?;
        if !first.status.success() {
            let second = self.initdb("C")?;
            let errors = String::from_utf8_lossy(&second.stderr);
            ensure!(second.status.success(), "initdb failed:\n{errors}");
        }
        let mut settings = OpenOptions::new()
            .append(true)
            .open(self.data().join("postgresql.conf"))?;
        settings.write_all(SETTINGS.as_bytes())?;
        Ok(())
    }

    fn initdb(&self, locale: &str) -> Result<std::process::Output> {
        self.user
            .command(&self.programs.initdb, self.scratch.path())
            .arg("-D")
            .arg(self.data())
            .args([
                "--no-sync",
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale",
                locale,
            ])
            .stdin(Stdio::null())
            .output()
            .context("cannot run initdb")
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// The server says so itself, in the eighth line of this file; pg_ctl looks there too. The
    /// first line is its id, which tells the file from one that a killed server left behind.
    fn is_ready(&self, id: u32) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = file.lines().map(str::trim).collect();
        lines.first().is_some_and(|&line| line == id.to_string())
            && lines.get(7).is_some_and(|&state| state == "ready")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Immediate: nobody reads the files again. The process is killed if that does not help.
        let _ = self.end(Signal::QUIT);
    }
}

/// Creates the database `name` in the cluster of `url` and returns its URL.
pub fn create_database(url: &str, name: &str) -> Result<String> {
    sql(url, &format!("CREATE DATABASE \"{name}\""))?;
    let (server, _) = url
        .rsplit_once('/')
        .context("a PostgreSQL URL ends with /DATABASE")?;
    Ok(format!("{server}/{name}"))
}

/// Drops the database `name`, ending the sessions in it.
pub fn drop_database(url: &str, name: &str) -> Result<()> {
    sql(
        url,
        &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
    )?;
    Ok(())
}

/// A program that comes with PostgreSQL and needs no server of this machine's: of the newest that
/// Debian installed, else from `PATH`.
pub fn program(name: &str) -> Result<PathBuf> {
    newest_in(Path::new(DEBIAN))
        .map(|bin| bin.join(name))
        .filter(|program| program.is_file())
        .or_else(|| find_program(name))
        .with_context(|| {
            format!("this needs {name}: install PostgreSQL (Debian: apt-get install postgresql)")
        })
}

/// Runs `statements` with psql. Returns the rows: a line each, columns parted by `|`.
pub fn sql(url: &str, statements: &str) -> Result<String> {
    let output = Command::new(program("psql")?)
        .args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            statements,
        ])
        .stdin(Stdio::null())
        .output()
        .context("cannot run psql")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

const DEBIAN: &str = "/usr/lib/postgresql";

/// `fsync` and `full_page_writes` guard against the machine's end, not the server's: a killed
/// server still recovers.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
full_page_writes = off
logging_collector = off
log_destination = stderr
log_line_prefix = '%m [%p] %d %a '
timezone = 'UTC'
";

fn newest_in(versions: &Path) -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    fs::read_dir(versions)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").is_file() && path.join("bin/postgres").is_file())
        .max_by_key(version)
        .map(|path| path.join("bin"))
}

/// Whom the server runs as. It refuses to run as root.
#[derive(Debug)]
enum User {
    Ourselves,
    Other { uid: u32, gid: u32 },
}

impl User {
    fn for_server() -> Result<Self> {
        if !getuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::listed(&users, name))
            .context(
                "PostgreSQL does not run as root, and there is neither a user postgres nor nobody",
            )
    }

    fn listed(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [found, _, uid, gid, ..] = fields[..] else {
                return None;
            };
            if found != name {
                return None;
            }
            Some(Self::Other {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            })
        })
    }

    fn give(&self, path: &Path) -> Result<()> {
        match *self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid } => Ok(chown(path, Some(uid), Some(gid))?),
        }
    }

    /// A command that runs as this user in `directory`, and gets PostgreSQL's "immediate shutdown"
    /// signal when our process ends, however that ends.
    fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = match (self, find_program("setpriv")) {
            (Self::Ourselves, None) => Command::new(program),
            (user, setpriv) => {
                // Debian's base system always has it; without it the start says what is missing.
                let mut command = Command::new(setpriv.unwrap_or_else(|| "setpriv".into()));
                if let Self::Other { uid, gid } = user {
                    command.arg("--clear-groups");
                    command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                }
                command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
                command
            }
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_postgres_setting(name)) {
            command.env_remove(name);
        }
        command.current_dir(directory);
        command
    }
}

/// Whether this environment variable (`PGDATA`, `PGPORT`…) would change what the programs do.
fn is_postgres_setting(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("PG"))
}
