use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::Patience;
use crate::StoreError;

/// Watches how fast a body comes, over the time that we spend waiting for it.
pub(super) struct Pace {
    patience: Patience,
    waited: Duration,
    received: u64,
}

impl Pace {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// The next block, unless it takes too long, alone or with those before.
    pub(super) async fn keep(
        &mut self,
        block: impl Future<Output = Option<Result<Bytes, StoreError>>>,
    ) -> Option<Result<Bytes, StoreError>> {
        let asked = Instant::now();
        let left = self.patience.stall.saturating_sub(self.waited);
        let Ok(answer) = timeout(left, block).await else {
            return Some(Err(self.too_slow()));
        };
        let Some(Ok(block)) = answer else {
            return answer;
        };
        self.waited += asked.elapsed();
        self.received += block.len() as u64;
        if self.received >= self.patience.floor {
            self.waited = Duration::ZERO;
            self.received = 0;
        }
        Some(Ok(block))
    }

    fn too_slow(&self) -> StoreError {
        let Self {
            patience, received, ..
        } = self;
        StoreError::cut(format!(
            "only {received} bytes of the body came in {:?} of waiting",
            patience.stall
        ))
    }
}
