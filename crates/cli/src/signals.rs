use std::time::Duration;

use arrivage_processor::Signals;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// Loads are let go after this part of the drain, so that there is time to free
/// their leases; after that part, the process ends whatever is left.
const LET_GO: f64 = 0.7;
const LEAVE: f64 = 0.95;

/// The first SIGTERM or SIGINT asks to stop; a second one, or most of `drain`,
/// lets go at once. What has not ended by then is ended, with `late` as exit code.
pub(crate) fn listen(drain: Duration, late: u8) -> std::io::Result<Signals> {
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
            () = tokio::time::sleep(drain.mul_f64(LET_GO)) => {}
            () = next() => {}
        }
        told.abort.cancel();
        tokio::select! {
            () = tokio::time::sleep(drain.mul_f64(LEAVE - LET_GO)) => {}
            () = next() => {}
        }
        output::say("it did not end in time; leases that are left end by themselves");
        std::process::exit(i32::from(late));
    });
    Ok(signals)
}
