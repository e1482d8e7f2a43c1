use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail};
use xtask::announced;
use xtask::ministack as server;
use xtask::place::workspace;
use xtask::venv::Venv;

use crate::{blocking, unique_name};

/// S3, SQS, SNS and EventBridge for the tests: the ministack that `ARRIVAGE_TEST_MINISTACK` names,
/// else one of this process, which ends with the last handle. Tests share it: each uses buckets and
/// queues with a [`unique_name`].
#[derive(Clone, Debug)]
pub struct Ministack {
    endpoint: String,
    aws: PathBuf,
    /// Keeps a server of our own alive.
    _server: Option<Arc<server::Ministack>>,
}

/// A bucket that announces its new objects to a queue: what `localstack/init.sh` makes.
#[derive(Clone, Debug)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// Where the notifications go.
    pub queue_url: String,
    /// Where a message goes that was received five times and not deleted.
    pub dead_letter_queue_url: String,
}

impl Ministack {
    /// The region of everything in it.
    pub const REGION: &str = "us-east-1";
    /// An access key id; it takes any.
    pub const ACCESS_KEY: &str = "test";
    /// A secret access key; it takes any.
    pub const SECRET_KEY: &str = "test";

    /// The one that the tests share.
    pub async fn shared() -> Result<Self> {
        blocking(|| {
            if let Ok(endpoint) = env::var(announced::MINISTACK) {
                return Ok(Self {
                    endpoint,
                    aws: aws_cli()?,
                    _server: None,
                });
            }
            let server = own_ministack()?;
            Ok(Self {
                endpoint: server.endpoint(),
                aws: aws_cli()?,
                _server: Some(server),
            })
        })
        .await
    }

    /// Where its services answer: `http://127.0.0.1:PORT`. Buckets are addressed in path style.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a program that uses the usual AWS credential chain needs in its environment.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET_KEY.to_owned()),
            ("AWS_REGION", Self::REGION.to_owned()),
            ("AWS_DEFAULT_REGION", Self::REGION.to_owned()),
        ]
    }

    /// Runs the AWS CLI against it and returns what it prints (JSON). Half a second of Python each
    /// time: for many calls take the SDK.
    pub async fn aws(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.aws);
        // Version 1 of the CLI overrides the environment's endpoint for SQS.
        command.args(["--endpoint-url", &self.endpoint, "--output", "json"]);
        command.args(arguments).envs(self.environment());
        blocking(move || run(&mut command)).await
    }

    /// Makes a bucket, a queue and a dead-letter queue with names of their own, and has the bucket
    /// announce its new objects, all by `localstack/init.sh`.
    pub async fn place(&self) -> Result<Place> {
        self.place_named(&unique_name("drop")).await
    }

    /// The same with a given name; may be repeated.
    pub async fn place_named(&self, name: &str) -> Result<Place> {
        let mut command = Command::new("bash");
        command
            .arg(workspace().join("localstack/init.sh"))
            .envs(self.environment());
        command.envs([("ARRIVAGE_BUCKET", name), ("ARRIVAGE_QUEUE", name)]);
        command.env("PATH", self.path_with_aws()?);
        let output = blocking(move || run(&mut command)).await?;

        let said = |what: &str| {
            let line = output.lines().find_map(|line| line.strip_prefix(what));
            let value = line.with_context(|| format!("init.sh does not say {what}:\n{output}"))?;
            anyhow::Ok(value.trim().to_owned())
        };
        Ok(Place {
            bucket: said("bucket:")?,
            queue_url: said("queue:")?,
            dead_letter_queue_url: said("dead-letter queue:")?,
        })
    }

    fn path_with_aws(&self) -> Result<std::ffi::OsString> {
        let directory = self
            .aws
            .parent()
            .context("the AWS CLI is in no directory")?
            .to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        Ok(env::join_paths(
            [directory].into_iter().chain(env::split_paths(&path)),
        )?)
    }
}

fn aws_cli() -> Result<PathBuf> {
    match env::var_os(announced::AWS) {
        Some(path) => Ok(path.into()),
        None => Ok(Venv::prepare()?.aws()),
    }
}

/// The ministack that the tests of this process share while any of them has a handle on it.
fn own_ministack() -> Result<Arc<server::Ministack>> {
    static OWN: Mutex<Weak<server::Ministack>> = Mutex::new(Weak::new());

    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = own.upgrade() {
        return Ok(running);
    }
    let started = Arc::new(server::Ministack::start(&Venv::prepare()?)?);
    *own = Arc::downgrade(&started);
    Ok(started)
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| name.clone())?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
