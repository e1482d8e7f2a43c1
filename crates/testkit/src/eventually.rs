use std::panic::Location;
use std::time::Duration;

use tokio::time;

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something, and returns that. Panics at `timeout`, with
/// the caller's place and `what` it waited for.
///
/// ```
/// # use std::time::Duration;
/// # use arrivage_testkit::eventually;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut looks = 0;
/// let found = eventually(Duration::from_secs(5), "the third look", async || {
///     looks += 1;
///     (looks == 3).then_some(looks)
/// });
/// assert_eq!(found.await, 3);
/// # });
/// ```
#[track_caller]
pub fn eventually<T>(
    timeout: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                time::sleep(PAUSE).await;
            }
        };
        match time::timeout(timeout, looking).await {
            Ok(found) => found,
            Err(_) => panic!("{place}: waited {timeout:?} in vain for {what}"),
        }
    }
}
