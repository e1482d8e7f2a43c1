use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{LedgerError, SharedLedger};
use arrivage_model::Lease;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::board::Loading;
use crate::fate::LoadError;

/// So long after the end of its patience a load that does not move is let go.
const MOMENT: Duration = Duration::from_millis(10);

/// Keeps a lease for as long as the load moves. Its task is its own, so that a
/// busy load never starves it; it ends when this is dropped.
pub(crate) struct Keeper {
    lost: oneshot::Receiver<LoadError>,
    _task: AbortOnDropHandle<()>,
}

impl Keeper {
    pub(crate) fn start(
        ledger: SharedLedger,
        lease: Lease,
        length: Duration,
        stall: Duration,
        loading: Arc<Loading>,
    ) -> Self {
        let (say, lost) = oneshot::channel();
        let task = async move {
            let error = keep(&ledger, &lease, length, stall, &loading).await;
            // The load may have ended by itself meanwhile.
            let _ = say.send(error);
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.in_current_span()));
        Self { lost, _task: task }
    }

    /// Waits until the lease is lost, or let go for want of progress.
    pub(crate) async fn lost(&mut self) -> LoadError {
        match (&mut self.lost).await {
            Ok(error) => error,
            Err(_) => LoadError::Broken("the keeper of its lease ended".to_owned()),
        }
    }
}

/// Renews three times a lease. A renewal that fails is tried again soon: until
/// another claims the arrival, its fence protects it.
async fn keep(
    ledger: &SharedLedger,
    lease: &Lease,
    length: Duration,
    stall: Duration,
    loading: &Loading,
) -> LoadError {
    loop {
        if loading.idle() > stall {
            return LoadError::Stalled(stall);
        }
        let wait = match ledger.renew(lease, length).await {
            Ok(()) => length / 3,
            Err(LedgerError::Fenced) => return LedgerError::Fenced.into(),
            Err(error) => {
                tracing::warn!(
                    error = crate::fate::chain(&error),
                    "the lease was not renewed; trying again"
                );
                length / 20
            }
        };
        let patience = stall.saturating_sub(loading.idle()) + MOMENT;
        tokio::time::sleep(wait.min(patience)).await;
    }
}
