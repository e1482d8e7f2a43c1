use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

/// No server, however upset, makes us wait longer than this.
const LONGEST: Duration = Duration::from_secs(300);

/// How long to wait between tries: twice as long each time, up to a cap, and
/// never exactly as long as the neighbours do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// At most this long before the second try.
    pub first: Duration,
    /// At most this long before any try.
    pub cap: Duration,
    /// How often to try again; without end if none.
    pub tries: Option<usize>,
}

impl Default for Policy {
    /// From 200 ms up to 30 s, without end.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            cap: Duration::from_secs(30),
            tries: None,
        }
    }
}

impl Policy {
    /// The same waits, and no more than this many.
    #[must_use]
    pub fn tries(self, tries: usize) -> Self {
        Self {
            tries: Some(tries),
            ..self
        }
    }
}

/// The waits of one thing that keeps failing.
#[derive(Debug)]
pub struct Backoff {
    policy: Policy,
    delays: ExponentialBackoff,
}

impl Backoff {
    /// Begins with the shortest wait.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            delays: delays(policy),
        }
    }

    /// How long to wait now; none when the tries are used up. Half of it is
    /// chance, so that those who failed together do not come back together.
    /// `at_least` is what the server asked for, if it asked.
    pub fn next_delay(&mut self, at_least: Option<Duration>) -> Option<Duration> {
        let delay = self.delays.next()?;
        Some(match at_least {
            Some(asked) => asked.min(LONGEST) + delay,
            None => delay,
        })
    }

    /// After a success: the next failure waits as shortly as the first.
    pub fn reset(&mut self) {
        self.delays = delays(self.policy);
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

/// What a failure means for whoever tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait, then try again.
    Again,
    /// The same, and not before this time has passed.
    AgainAfter(Duration),
    /// Trying again would change nothing.
    Final,
}

/// Calls until it succeeds, until the verdict is final, until the tries are
/// used up, or until `stop`; then the last error is returned. It calls at
/// least once, and `stop` only ends the waiting, never a call.
pub async fn retry<T, E>(
    policy: Policy,
    stop: &CancellationToken,
    mut call: impl AsyncFnMut() -> Result<T, E>,
    mut verdict: impl FnMut(&E) -> Verdict,
) -> Result<T, E> {
    let mut backoff = Backoff::new(policy);
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let at_least = match verdict(&error) {
            Verdict::Again => None,
            Verdict::AgainAfter(time) => Some(time),
            Verdict::Final => return Err(error),
        };
        let Some(delay) = backoff.next_delay(at_least) else {
            return Err(error);
        };
        tokio::select! {
            () = stop.cancelled() => return Err(error),
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// backon adds between nothing and the whole wait to each; of half the wait
/// that makes between a half and all of it, and so the cap holds.
fn delays(policy: Policy) -> ExponentialBackoff {
    let builder = ExponentialBuilder::new()
        .with_min_delay(policy.first / 2)
        .with_max_delay(policy.cap / 2)
        .with_jitter();
    match policy.tries {
        Some(tries) => builder.with_max_times(tries).build(),
        None => builder.without_max_times().build(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_the_cap_and_half_of_each_is_chance() {
        let policy = Policy {
            first: 100 * MS,
            cap: 1000 * MS,
            tries: Some(6),
        };
        for _ in 0..100 {
            let mut backoff = Backoff::new(policy);
            for longest in [100, 200, 400, 800, 1000, 1000] {
                let delay = backoff.next_delay(None).unwrap();
                assert!(
                    delay >= longest * MS / 2 && delay <= longest * MS,
                    "{delay:?}"
                );
            }
            assert_eq!(backoff.next_delay(None), None);
            backoff.reset();
            assert!(backoff.next_delay(None).unwrap() <= 100 * MS);
        }
    }

    #[test]
    fn two_that_failed_together_do_not_come_back_together() {
        let mut delays: Vec<_> = (0..20)
            .map(|_| Backoff::default().next_delay(None).unwrap())
            .collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 10, "{delays:?}");
    }

    #[test]
    fn what_the_server_asked_for_is_kept_within_reason() {
        let mut backoff = Backoff::default();
        let delay = backoff.next_delay(Some(2000 * MS)).unwrap();
        assert!(delay > 2000 * MS && delay <= 2200 * MS, "{delay:?}");
        let delay = backoff.next_delay(Some(Duration::MAX)).unwrap();
        assert!(delay <= LONGEST + 400 * MS, "{delay:?}");
    }

    fn quick(tries: Option<usize>) -> Policy {
        Policy {
            first: MS,
            cap: MS,
            tries,
        }
    }

    /// Fails so many times; says how often it was called.
    async fn check(
        failures: u32,
        policy: Policy,
        verdict: Verdict,
        stop: &CancellationToken,
    ) -> u32 {
        let calls = Cell::new(0);
        let call = async || {
            calls.set(calls.get() + 1);
            if calls.get() > failures {
                Ok(())
            } else {
                Err(())
            }
        };
        let outcome = retry(policy, stop, call, |()| verdict).await;
        assert_eq!(outcome.is_ok(), calls.get() > failures);
        calls.get()
    }

    #[tokio::test]
    async fn it_tries_again_until_it_succeeds_or_should_not() {
        let stop = CancellationToken::new();
        assert_eq!(check(0, quick(None), Verdict::Again, &stop).await, 1);
        assert_eq!(check(9, quick(None), Verdict::Again, &stop).await, 10);
        assert_eq!(check(9, quick(Some(2)), Verdict::Again, &stop).await, 3);
        assert_eq!(check(9, quick(None), Verdict::Final, &stop).await, 1);
        assert_eq!(
            check(1, quick(None), Verdict::AgainAfter(MS), &stop).await,
            2
        );
    }

    #[tokio::test]
    async fn stop_ends_the_waiting() {
        let stop = CancellationToken::new();
        stop.cancel();
        let for_ever = Verdict::AgainAfter(Duration::MAX);
        assert_eq!(check(9, Policy::default(), for_ever, &stop).await, 1);
    }
}
