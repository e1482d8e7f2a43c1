use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::time::sleep;

use super::*;
use crate::webhook::{Answer, Webhook, WebhookSource};

/// A sender that says everything until it is taken, as MinIO does with a `queue_dir`;
/// but it goes on to the next when one is refused.
pub(super) struct Hook {
    pending: Arc<Mutex<VecDeque<String>>>,
}

#[async_trait(?Send)]
impl Subject for Hook {
    async fn new() -> Result<Self> {
        let pending = Arc::default();
        Ok(Self { pending })
    }

    async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
        self.say(&event(key)).await?;
        Ok(())
    }

    async fn say(&mut self, body: &str) -> Result<bool> {
        let mut pending = self.pending.lock().expect("unharmed");
        pending.push_back(body.to_owned());
        Ok(true)
    }

    async fn kept(&mut self) -> Result<Option<usize>> {
        Ok(Some(self.pending.lock().expect("unharmed").len()))
    }

    fn work(&self, with: With) -> BoxFuture<'static, ()> {
        let pending = Arc::clone(&self.pending);
        let (stop, webhook) = (with.stop.clone(), door(with));
        Box::pin(async move {
            let sending = async {
                loop {
                    let Some(body) = pending.lock().expect("unharmed").pop_front() else {
                        sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    let mut said = Said(Some(body), Arc::clone(&pending));
                    let body = said.0.clone().expect("just said");
                    if let Ok(Answer::Recorded(_)) = webhook.take(body.as_bytes()).await {
                        said.0 = None;
                    }
                    drop(said);
                    tokio::task::yield_now().await;
                }
            };
            let source = webhook.clone().run(stop.clone());
            tokio::join!(source, stop.run_until_cancelled(sending));
        })
    }

    async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
        let body = self.pending.lock().expect("unharmed").front().cloned();
        let body = body.context("something was announced")?;
        door(with).take(body.as_bytes()).await?;
        Ok(())
    }
}

fn door(with: With) -> Webhook {
    let source = WebhookSource {
        name: SOURCE.to_owned(),
        unreadable: with.unreadable,
    };
    Webhook::new(source, with.intake, with.monitor)
}

/// What is being said; it is pending again unless it is taken.
struct Said(Option<String>, Arc<Mutex<VecDeque<String>>>);

impl Drop for Said {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            self.1.lock().expect("unharmed").push_back(body);
        }
    }
}
