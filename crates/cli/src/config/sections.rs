use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::Database;
use super::rules::at_least;
use crate::settings::{self, Key, Reader};

/// How S3 is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct S3 {
    /// Instead of AWS's own.
    pub(crate) endpoint: Option<String>,
    /// The bucket stands in the path, not in the host's name.
    pub(crate) path_style: bool,
    /// Its ETags are no MD5s.
    pub(crate) opaque_etags: bool,
    /// Nothing: as the credential chain says.
    pub(crate) region: Option<String>,
}

/// How HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    /// Where.
    pub(crate) listen: SocketAddr,
    /// What a client has to show; there is one wherever others can connect.
    pub(crate) token: Option<Token>,
}

/// A secret that never shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// The secret itself, to compare with.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// How arrivals are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Processor {
    /// Arrivals at the same time.
    pub(crate) workers: u32,
    /// For COPY, of one arrival.
    pub(crate) connections: u32,
    /// Of one arrival; otherwise as the machine has cores.
    pub(crate) decoders: Option<u32>,
    /// The ceiling of the process's resident size, in bytes.
    pub(crate) memory: u64,
    /// How long a claim stands without being renewed.
    pub(crate) lease: Duration,
    /// Without progress for this long, an arrival is let go.
    pub(crate) stall: Duration,
    /// Between two looks for work.
    pub(crate) poll: Duration,
    /// From SIGTERM to the end.
    pub(crate) drain: Duration,
    /// Consecutive claims without progress before an arrival fails.
    pub(crate) max_attempts: u32,
}

/// Code, SDK and connections alone take more.
const LEAST_MEMORY: u64 = 16 << 20;
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn s3(typed: &settings::S3) -> Option<S3> {
    Some(S3 {
        endpoint: typed.endpoint.get().map(|url| url.0),
        path_style: typed.path_style.get()?,
        opaque_etags: typed.opaque_etags.get()?,
        region: typed.region.get(),
    })
}

pub(super) fn http(typed: &settings::Http, reader: &mut Reader<'_>) -> Option<Http> {
    let listen = typed.listen.get()?;
    typed.token.typed()?;
    Some(Http {
        listen,
        token: token(&typed.token, Some(listen), reader),
    })
}

/// What clients of an address have to show. Where others can connect to it there
/// must be something.
pub(super) fn token(
    typed: &Key<settings::Secret>,
    listen: Option<SocketAddr>,
    reader: &mut Reader<'_>,
) -> Option<Token> {
    let token = typed.typed()?;
    if !token.0.is_empty() {
        return Some(Token(token.0.clone()));
    }
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
    {
        let message = format!("needed, because others can connect to listen = \"{listen}\"");
        reader.complain(&token.place, message);
    }
    None
}

pub(super) fn processor(
    typed: &settings::Processor,
    database: Option<&Database>,
    reader: &mut Reader<'_>,
) -> Option<Processor> {
    at_least(&typed.workers, 1, "1", reader);
    at_least(&typed.connections, 1, "1", reader);
    at_least(&typed.decoders, 1, "1", reader);
    at_least(&typed.max_attempts, 1, "1", reader);
    at_least(&typed.memory, settings::Size(LEAST_MEMORY), "16MiB", reader);
    at_least(&typed.stall, SECOND, "1s", reader);
    at_least(&typed.poll, Duration::from_millis(10), "10ms", reader);
    if database.is_some_and(Database::is_sqlite) {
        // Its one writer may have to wait for another's whole chunk.
        at_least(&typed.lease, 10 * SECOND, "10s with SQLite", reader);
    } else {
        at_least(&typed.lease, 3 * SECOND, "3s", reader);
    }
    Some(Processor {
        workers: typed.workers.get()?,
        connections: typed.connections.get()?,
        decoders: typed.decoders.get(),
        memory: typed.memory.get()?.0,
        lease: typed.lease.get()?,
        stall: typed.stall.get()?,
        poll: typed.poll.get()?,
        drain: typed.drain.get()?,
        max_attempts: typed.max_attempts.get()?,
    })
}
