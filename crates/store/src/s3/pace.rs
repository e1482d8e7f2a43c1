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

#[cfg(test)]
mod tests {
    use arrivage_testkit::eventually;

    use super::*;

    const STALL: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(Patience {
            stall: STALL,
            floor: 100,
            ..Patience::default()
        })
    }

    /// Comes a moment after it was asked for.
    async fn soon() -> Option<Result<Bytes, StoreError>> {
        let moment = Duration::from_millis(5);
        let _ = timeout(moment, std::future::pending::<()>()).await;
        Some(Ok(Bytes::from_static(b"bytes")))
    }

    #[tokio::test]
    async fn time_in_which_nobody_asks_does_not_count() {
        let mut pace = pace();
        assert!(pace.keep(soon()).await.expect("a block").is_ok());
        for _ in 0..2 {
            let begun = Instant::now();
            eventually(STALL * 50, "a long rest", async || {
                (begun.elapsed() > STALL).then_some(())
            })
            .await;
            assert!(pace.keep(soon()).await.expect("a block").is_ok());
        }
    }

    #[tokio::test]
    async fn a_block_that_does_not_come_is_not_waited_for_long() {
        let mut pace = pace();
        let begun = Instant::now();
        let block = pace.keep(std::future::pending()).await;
        assert!(matches!(block, Some(Err(StoreError::Unavailable(_)))));
        assert!(begun.elapsed() >= STALL);
    }

    #[tokio::test]
    async fn the_end_and_an_error_are_handed_on() {
        assert!(pace().keep(std::future::ready(None)).await.is_none());
        let error = Some(Err(StoreError::cut("reset")));
        let block = pace().keep(std::future::ready(error)).await;
        assert!(matches!(block, Some(Err(_))));
    }
}
