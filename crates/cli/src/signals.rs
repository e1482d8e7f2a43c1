use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrivage_processor::Signals;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// Loads are let go after this part of the drain, so that there is time to free
/// their leases; after that part, the process ends whatever is left.
const LET_GO: f64 = 0.7;
const LEAVE: f64 = 0.95;

/// What was caught before anybody listened.
static CAUGHT: Mutex<Option<Caught>> = Mutex::new(None);

struct Caught {
    terminate: Signal,
    interrupt: Signal,
}

impl Caught {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// From now on neither SIGTERM nor SIGINT ends the process: they wait for
/// [`listen`]. For commands that will listen, and the earlier the better.
pub(crate) fn catch() -> io::Result<()> {
    *CAUGHT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Caught::new()?);
    Ok(())
}

/// The first SIGTERM or SIGINT asks to stop; a second one, or most of `drain`,
/// lets go at once. What has not ended by then is ended, with `late` as exit code.
pub(crate) fn listen(drain: Duration, late: u8) -> io::Result<Signals> {
    let signals = Signals::default();
    let caught = CAUGHT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Caught {
        mut terminate,
        mut interrupt,
    } = match caught {
        Some(caught) => caught,
        None => Caught::new()?,
    };
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
