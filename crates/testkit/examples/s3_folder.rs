//! Serves files as objects of the bucket `bench`, for `cargo xtask bench`: prints endpoint, access
//! key and secret key, and stays until its input ends.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::File;
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
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let length = file.metadata()?.len();
        let content = Content::generated(length, move |offset| {
            let mut block = vec![0; BLOCK];
            let read = file.read_at(&mut block, offset).expect("the file is read");
            block.truncate(read);
            block.into()
        });
        let key = path.file_name().context("a file has a name")?;
        server.put("bench", &key.to_string_lossy(), content);
    }
    let (endpoint, key) = (server.endpoint(), S3Server::ACCESS_KEY);
    println!("{endpoint} {key} {}", S3Server::SECRET_KEY);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
