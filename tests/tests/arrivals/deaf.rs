//! A queue that does not hear that a message is to be deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Stands before SQS, and answers 503 to every `DeleteMessageBatch` until it is healed.
pub(crate) struct DeafQueue {
    endpoint: String,
    deaf: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl DeafQueue {
    pub(crate) async fn start(upstream: &str) -> Result<Self> {
        let upstream = upstream
            .strip_prefix("http://")
            .context("a plain server")?
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let deaf = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn({
            let deaf = Arc::clone(&deaf);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (upstream, deaf) = (upstream.clone(), Arc::clone(&deaf));
                    // Who hangs up has had enough.
                    tokio::spawn(async move { pass_on(client, &upstream, &deaf).await.ok() });
                }
            }
        });
        Ok(Self {
            endpoint,
            deaf,
            task,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn heal(&self) {
        self.deaf.store(false, Ordering::SeqCst);
    }
}

impl Drop for DeafQueue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request and its answer; each has a connection of its own.
async fn pass_on(mut client: TcpStream, upstream: &str, deaf: &AtomicBool) -> Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request);
    let answer = if text.contains("DeleteMessageBatch") && deaf.load(Ordering::SeqCst) {
        b"HTTP/1.1 503 Deaf\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec()
    } else {
        let mut server = TcpStream::connect(upstream).await?;
        server
            .write_all(
                text.replacen("\r\n", "\r\nConnection: close\r\n", 1)
                    .as_bytes(),
            )
            .await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        answer
    };
    client.write_all(&answer).await?;
    Ok(client.shutdown().await?)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    body.len() >= length
}
