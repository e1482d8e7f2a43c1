use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use arrivage_testkit::{Background, eventually, rclone, tied};
use tempfile::TempDir;

/// What starting takes, and an upload; long for a machine that does a lot else.
const PATIENCE: Duration = Duration::from_secs(60);

const PASSWORD: &str = "secret";
/// The same, as rclone's client wants it: what `rclone obscure` makes of it.
const OBSCURED: &str = "GUi3_PSRIY2EglrbLSRxAT1nPypnAg";

/// How a client brings a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// Straight to its name.
    InPlace,
    /// To its name with eight digits and this ending, and a rename when it is whole.
    Rename(&'static str),
}

/// `rclone serve sftp`, and the files that clients bring to it.
#[derive(Debug)]
pub(crate) struct Gateway {
    rclone: PathBuf,
    port: String,
    /// Its home, its cache, and the clients' files.
    directory: TempDir,
    _server: Background,
}

impl Gateway {
    /// In front of a directory or of `:s3:bucket`; flags and environment are rclone's.
    pub(crate) async fn before(
        remote: &str,
        flags: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let rclone = rclone().await?;
        let directory = TempDir::new()?;
        let mut command = command(&rclone, directory.path());
        command.args([
            "serve",
            "sftp",
            "--addr",
            "127.0.0.1:0",
            "--user",
            "someone",
        ]);
        command.args(["--pass", PASSWORD]).args(flags).arg(remote);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut server = Background::spawn("rclone serve sftp", command)?;
        let port = eventually(PATIENCE, "the gateway to listen", async || {
            let output = server.output();
            let port = output.split("listening on 127.0.0.1:").nth(1);
            match port.and_then(|rest| rest.split_once('\n')) {
                Some((port, _)) => Some(Ok(port.trim().to_owned())),
                None if matches!(server.ended(), Ok(None)) => None,
                None => Some(Err(anyhow::anyhow!("the gateway ended:\n{output}"))),
            }
        });
        let port = port.await?;
        Ok(Self {
            rclone,
            port,
            directory,
            _server: server,
        })
    }

    /// Brings a whole file, at 256 KiB a second.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8], by: By) -> Result<()> {
        let mut client = self.begin_upload(name, bytes, by)?;
        let status = client.wait(PATIENCE).await?;
        ensure!(
            status.success(),
            "the upload of {name}: {status}\n{}",
            client.output()
        );
        Ok(())
    }

    /// How much of a file lies in the cache of a gateway that has one.
    pub(crate) fn cached(&self, bucket: &str, name: &str) -> u64 {
        let remotes = fs::read_dir(self.directory.path().join("cache/vfs"));
        let files = remotes
            .into_iter()
            .flatten()
            .flatten()
            .map(|remote| remote.path().join(bucket).join(name));
        let sizes = files.filter_map(|file| fs::metadata(file).ok());
        sizes.map(|file| file.len()).sum()
    }

    /// The client while it brings the file; killed, it leaves a cut one.
    pub(crate) fn begin_upload(&self, name: &str, bytes: &[u8], by: By) -> Result<Background> {
        let file = self.directory.path().join(name);
        fs::write(&file, bytes)?;
        let mut command = command(&self.rclone, self.directory.path());
        command.arg("copyto").arg(file).arg(format!(":sftp:{name}"));
        command.args(["--retries", "1", "--bwlimit", "256k"]);
        // Few clients ask for a checksum; and of a file that a gateway's cache has not yet written
        // over the old one, that gateway tells the old one's.
        command.arg("--ignore-checksum");
        match by {
            By::InPlace => command.arg("--inplace"),
            By::Rename(ending) => command.args(["--partial-suffix", ending]),
        };
        command.envs([
            ("RCLONE_SFTP_HOST", "127.0.0.1"),
            ("RCLONE_SFTP_PORT", self.port.as_str()),
            ("RCLONE_SFTP_USER", "someone"),
            ("RCLONE_SFTP_PASS", OBSCURED),
            ("RCLONE_SFTP_KNOWN_HOSTS_FILE", "none"),
        ]);
        Background::spawn("the upload", command)
    }
}

/// With no configuration, environment or cache but its own.
fn command(rclone: &Path, home: &Path) -> Command {
    let mut command = tied(rclone);
    command.env_clear().env("HOME", home);
    command.args(["--config", "/dev/null", "--cache-dir"]);
    command.arg(home.join("cache"));
    command
}
