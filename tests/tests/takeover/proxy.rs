//! Between the program and PostgreSQL: what is said to the server can get lost here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What gets lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loses {
    /// Nothing that renews a lease comes through: that connection falls silent.
    Renewals,
    /// Of every two chunks the first one's COMMIT does not come through: that connection ends.
    Commits,
    /// Every chunk's COMMIT comes through, and its answer does not: that connection ends.
    AnswersToCommits,
}

/// A proxy to a PostgreSQL, as long as the test runs.
pub(crate) struct Proxy {
    url: String,
    lost: Arc<AtomicUsize>,
}

impl Proxy {
    /// Before the database of `url`, `postgres://USER@HOST:PORT/NAME`.
    pub(crate) async fn start(url: &str, loses: Loses) -> Result<Self> {
        let (user, address) = url.split_once('@').context("no user")?;
        let (server, name) = address.split_once('/').context("no database")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("{user}@{}/{name}", listener.local_addr()?);
        let server = server.to_owned();
        let commits = Arc::new(AtomicUsize::new(0));
        let lost = Arc::new(AtomicUsize::new(0));
        let proxy = Self {
            url,
            lost: Arc::clone(&lost),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                let (commits, lost) = (Arc::clone(&commits), Arc::clone(&lost));
                let connection = Connection {
                    client,
                    server,
                    loses,
                    commits,
                    lost,
                };
                // An error is an end of the connection too.
                tokio::spawn(connection.forward());
            }
        });
        Ok(proxy)
    }

    /// What the program is to connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often something got lost until now.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    loses: Loses,
    /// Of chunks, on all connections.
    commits: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

impl Connection {
    async fn forward(mut self) -> std::io::Result<()> {
        let (mut question, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut in_chunk = false;
        loop {
            let (asked, length) = tokio::select! {
                length = self.client.read(&mut question) => (true, length?),
                length = self.server.read(&mut answer) => (false, length?),
            };
            if length == 0 {
                return Ok(());
            }
            if !asked {
                self.client.write_all(&answer[..length]).await?;
                continue;
            }
            let question = &question[..length];
            if has(question, b"BEGIN ISOLATION") {
                in_chunk = has(question, b"application_name = 'arrivage ");
            }
            let is_commit = in_chunk && has(question, b"COMMIT\0");
            match self.loses {
                Loses::Renewals if has(question, b"ledger::renew") => {
                    self.lost.fetch_add(1, Ordering::SeqCst);
                    return std::future::pending().await;
                }
                Loses::Commits if is_commit && self.is_first_of_two() => {
                    self.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                Loses::AnswersToCommits if is_commit => {
                    self.server.write_all(question).await?;
                    let _committed = self.server.read(&mut answer).await?;
                    self.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                _ => self.server.write_all(question).await?,
            }
        }
    }

    fn is_first_of_two(&self) -> bool {
        self.commits
            .fetch_add(1, Ordering::SeqCst)
            .is_multiple_of(2)
    }
}

fn has(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}
