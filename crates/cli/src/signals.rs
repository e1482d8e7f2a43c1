use std::time::Duration;

use arrivage_processor::Signals;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// Part of the drain that is left for freeing leases once loads are let go.
const LEAVE: u32 = 5;

/// The first SIGTERM or SIGINT asks to stop; a second one, or most of `drain`,
/// lets go at once.
pub(crate) fn listen(drain: Duration) -> std::io::Result<Signals> {
    let signals = Signals::default();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = signals.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        tracing::info!("stopping: nothing new is taken");
        told.stop.cancel();
        tokio::select! {
            () = tokio::time::sleep(drain - drain / LEAVE) => {}
            () = next() => {}
        }
        told.abort.cancel();
        tokio::select! {
            () = tokio::time::sleep(drain / LEAVE) => {}
            () = next() => {}
        }
        output::say("error: it did not end in time; leases end by themselves");
        std::process::exit(i32::from(crate::exit::TERMINATED));
    });
    Ok(signals)
}
