//! Connections: how many, and how long a client may take to say what it wants.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What clients may ask of the server.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at the same time; the next one waits until another ends.
    pub(crate) connections: usize,
    /// A client that has not said its whole head by then is let go, one that says
    /// nothing more too.
    pub(crate) head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(15),
        }
    }
}

/// Without a file descriptor left, there is no sense in asking again at once.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while !stop.is_cancelled() {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = stop.run_until_cancelled(next).await else {
            break;
        };
        match accepted {
            Ok((stream, _)) => {
                let work = answer(stream, router.clone(), limits.head, stop.clone());
                connections.spawn(async move {
                    work.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Answers what comes over one connection; after `stop`, only what is under way.
async fn answer(stream: TcpStream, router: Router, head: Duration, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
