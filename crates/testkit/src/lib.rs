//! What the tests of every crate stand on: real servers, processes to kill, and states to wait for.
//!
//! Errors are `anyhow`, for a test ends with `?` and shows the whole chain.

use std::path::PathBuf;

use xtask::venv::Venv;

pub mod archive;
mod background;
mod eventually;
mod ministack;
mod nats;
mod postgres;
mod rabbitmq;
mod s3_server;

pub use background::Background;
pub use eventually::eventually;
pub use ministack::{Ministack, Place};
pub use nats::Nats;
pub use postgres::{Cluster, Database, Postgres};
pub use rabbitmq::RabbitMq;
pub use s3_server::{Content, Fault, Request, S3Server, Stored};
pub use xtask::chance::Chance;
pub use xtask::place::unique_name;
pub use xtask::process::tied;
pub use xtask::proxy::{Proxy, Question, Verdict};

/// The Python interpreter of an environment that has DuckDB.
pub fn duckdb_python() -> anyhow::Result<PathBuf> {
    Ok(Venv::prepare_duckdb()?.python())
}

/// rclone, the SFTP gateway of the tests and its client.
pub async fn rclone() -> anyhow::Result<PathBuf> {
    blocking(|| Ok(Venv::prepare_rclone()?.program("rclone"))).await
}

/// Runs what waits for a server or a program where it holds up no other task.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
