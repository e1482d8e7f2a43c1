use std::env;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result};
use xtask::announced;
use xtask::postgres as server;

use crate::{blocking, unique_name};

/// The PostgreSQL that the tests run against: the one that `ARRIVAGE_TEST_POSTGRES` names, else a
/// throw-away cluster of this process, which ends with the last handle on a database of it.
#[derive(Debug)]
pub struct Postgres;

impl Postgres {
    /// A new, empty database of the shared server, for this test alone.
    pub async fn database() -> Result<Database> {
        blocking(|| {
            if let Ok(url) = env::var(announced::POSTGRES) {
                return Database::create(url, None);
            }
            let own = own_cluster()?;
            Database::create(own.url(), Some(own))
        })
        .await
    }

    /// A new cluster for this test alone, to be stopped, started and crashed.
    pub async fn cluster() -> Result<Cluster> {
        blocking(|| {
            let server = server::Cluster::start_new()?;
            Ok(Cluster {
                url: server.url(),
                server: Arc::new(Mutex::new(server)),
            })
        })
        .await
    }
}

/// A database, dropped with everything in it when this is dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    server_url: String,
    /// Keeps a cluster of our own alive.
    _server: Option<Arc<server::Cluster>>,
}

impl Database {
    /// `postgres://postgres@127.0.0.1:PORT/NAME`, for the superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL with psql, in a session of its own. Returns the rows, a line each, columns parted
    /// by `|`, a NULL empty.
    pub async fn sql(&self, statements: &str) -> Result<String> {
        let (url, statements) = (self.url.clone(), statements.to_owned());
        blocking(move || server::sql(&url, &statements)).await
    }

    fn create(server_url: String, server: Option<Arc<server::Cluster>>) -> Result<Self> {
        let name = unique_name("test").replace('-', "_");
        let url = server::create_database(&server_url, &name)
            .with_context(|| format!("cannot make a database on {server_url}"))?;
        Ok(Self {
            name,
            url,
            server_url,
            _server: server,
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be stopped, or going; whatever stays there goes with the cluster.
        let _ = server::drop_database(&self.server_url, &self.name);
    }
}

/// A cluster of one test; it ends when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    server: Arc<Mutex<server::Cluster>>,
}

impl Cluster {
    /// The URL of its `postgres` database, for the superuser. It stays the same over restarts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new, empty database of it.
    pub async fn database(&self) -> Result<Database> {
        let url = self.url.clone();
        blocking(|| Database::create(url, None)).await
    }

    /// Stops the server in an orderly way; nobody can connect until [`start`](Self::start).
    pub async fn stop(&self) -> Result<()> {
        self.with_server(server::Cluster::stop).await
    }

    /// Starts the stopped server again.
    pub async fn start(&self) -> Result<()> {
        self.with_server(server::Cluster::start).await
    }

    /// What a crash does (`pg_ctl restart -m immediate`): sessions are cut, commits that had not
    /// reached the log (`synchronous_commit = off`) may be forgotten. Returns when the server
    /// takes connections again.
    pub async fn restart_immediate(&self) -> Result<()> {
        self.with_server(server::Cluster::restart_immediate).await
    }

    /// What the server wrote into its log.
    pub fn log(&self) -> String {
        self.server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .log()
    }

    async fn with_server(
        &self,
        action: impl FnOnce(&mut server::Cluster) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let server = Arc::clone(&self.server);
        blocking(move || action(&mut server.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

/// The cluster that the tests of this process share while any of them has a database in it.
fn own_cluster() -> Result<Arc<server::Cluster>> {
    static OWN: Mutex<Weak<server::Cluster>> = Mutex::new(Weak::new());

    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = own.upgrade() {
        return Ok(running);
    }
    let started = Arc::new(server::Cluster::start_new()?);
    *own = Arc::downgrade(&started);
    Ok(started)
}
