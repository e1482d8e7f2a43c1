use std::env;
use std::sync::Arc;

use anyhow::Result;
use xtask::announced;
use xtask::rabbitmq as server;

use crate::blocking;

/// The RabbitMQ that the tests run against: the one that `ARRIVAGE_TEST_RABBITMQ` names, else one
/// of this test. Tests share it: each uses queues with a [`unique_name`](crate::unique_name).
#[derive(Clone, Debug)]
pub struct RabbitMq {
    url: String,
    /// Keeps a server of our own alive.
    _server: Option<Arc<server::RabbitMq>>,
}

impl RabbitMq {
    /// The one that the tests share.
    pub async fn shared() -> Result<Self> {
        match env::var(announced::RABBITMQ) {
            Ok(url) => Ok(Self { url, _server: None }),
            Err(_) => Self::start_new().await,
        }
    }

    /// One for this test alone; it ends with the last handle.
    pub async fn start_new() -> Result<Self> {
        blocking(|| {
            let server = server::RabbitMq::start()?;
            Ok(Self {
                url: server.url(),
                _server: Some(Arc::new(server)),
            })
        })
        .await
    }

    /// `amqp://guest:guest@127.0.0.1:PORT`, of the virtual host `/`.
    pub fn url(&self) -> &str {
        &self.url
    }
}
