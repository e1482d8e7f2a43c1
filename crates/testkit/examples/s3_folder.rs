//! Serves files as objects of the bucket `bench`, and those of a folder below its name, for `cargo xtask bench`: prints endpoint, access
//! key and secret key, and stays until its input ends.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use arrivage_testkit::{Content, S3Server};

const BLOCK: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let server = S3Server::start().await?;
    server.create_bucket("bench");
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        let key = path.file_name().context("a file has a name")?;
        let key = key.to_string_lossy();
        if path.is_dir() {
            for file in fs::read_dir(&path)? {
                let file = file?;
                let key = format!("{key}/{}", file.file_name().to_string_lossy());
                server.put("bench", &key, fs::read(file.path())?);
            }
            continue;
        }
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let length = file.metadata()?.len();
        let content = Content::generated(length, move |offset| {
            let mut block = vec![0; BLOCK];
            let read = file.read_at(&mut block, offset).expect("the file is read");
            block.truncate(read);
            block.into()
        });
        server.put("bench", &key, content);
    }
    let (endpoint, key) = (server.endpoint(), S3Server::ACCESS_KEY);
    println!("{endpoint} {key} {}", S3Server::SECRET_KEY);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
