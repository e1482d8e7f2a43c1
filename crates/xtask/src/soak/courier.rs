//! Carries the bucket's notifications to the program, as badly as a queue may: late, in another
//! order, and more than once.

use anyhow::{Context, Result};
use xtask::chance::Chance;

use super::faults::{Fault, Tally};
use super::http;

/// How many bodies are remembered, to be sent again.
const MEMORY: usize = 400;

/// A queue of ministack.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    endpoint: String,
    url: String,
}

impl Queue {
    pub(crate) fn make(endpoint: &str, name: &str) -> Result<Self> {
        // Short: a watcher that dies with a message in its hands must not hold the soak up.
        let form = format!(
            "Action=CreateQueue&QueueName={name}&Attribute.1.Name=VisibilityTimeout\
             &Attribute.1.Value=5&Version=2012-11-05"
        );
        let answer = http::post(endpoint, "/", &form)?;
        let body = String::from_utf8(answer.body)?;
        let url = texts(&body, "QueueUrl")
            .next()
            .context("a new queue has a URL")?;
        Ok(Self {
            endpoint: endpoint.to_owned(),
            url,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn send(&self, body: &str) -> Result<()> {
        let form = format!("MessageBody={}", http::encode(body));
        self.ask("SendMessage", &form).map(|_| ())
    }

    /// Takes up to ten messages off.
    fn take(&self) -> Result<Vec<String>> {
        let answer = self.ask("ReceiveMessage", "MaxNumberOfMessages=10")?;
        for receipt in texts(&answer, "ReceiptHandle") {
            let form = format!("ReceiptHandle={}", http::encode(&receipt));
            self.ask("DeleteMessage", &form)?;
        }
        Ok(texts(&answer, "Body").collect())
    }

    /// How many messages nobody has acknowledged.
    pub(crate) fn length(&self) -> Result<u64> {
        let form = "AttributeName.1=ApproximateNumberOfMessages\
                    &AttributeName.2=ApproximateNumberOfMessagesNotVisible";
        let answer = self.ask("GetQueueAttributes", form)?;
        texts(&answer, "Value").try_fold(0, |sum, value| Ok(sum + value.parse::<u64>()?))
    }

    fn ask(&self, action: &str, form: &str) -> Result<String> {
        let path = self
            .url
            .strip_prefix(&self.endpoint)
            .context("the queue is elsewhere")?;
        let form = format!("Action={action}&{form}&Version=2012-11-05");
        Ok(String::from_utf8(
            http::post(&self.endpoint, path, &form)?.body,
        )?)
    }
}

/// What stands between `<name>` and `</name>`, wherever it does.
fn texts<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = String> + 'a {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&begin)?;
        let (text, after) = after.split_once(&end)?;
        rest = after;
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        let text = text.replace("&quot;", "\"").replace("&apos;", "'");
        Some(text.replace("&amp;", "&"))
    })
}

/// Holds what it has taken from the bell until it rings the doorbell.
pub(crate) struct Courier {
    bell: Queue,
    doorbell: Queue,
    held: Vec<String>,
    sent: Vec<String>,
    chance: Chance,
}

impl Courier {
    pub(crate) fn new(bell: &Queue, doorbell: &Queue, chance: Chance) -> Self {
        Self {
            bell: bell.clone(),
            doorbell: doorbell.clone(),
            held: Vec::new(),
            sent: Vec::new(),
            chance,
        }
    }

    /// Takes what there is; now and then delivers all of it, shuffled, and some of it again.
    pub(crate) fn go(&mut self, tally: &Tally) -> Result<()> {
        self.fetch()?;
        if self.chance.below(3) > 0 {
            return Ok(());
        }
        self.deliver(tally)?;
        for _ in 0..self.chance.below(4) {
            if self.sent.is_empty() {
                break;
            }
            let again = self.chance.index(self.sent.len());
            self.doorbell.send(&self.sent[again])?;
            tally.count(Fault::DuplicateNotification);
        }
        Ok(())
    }

    /// Delivers the rest.
    pub(crate) fn finish(&mut self, tally: &Tally) -> Result<()> {
        self.fetch()?;
        self.deliver(tally)
    }

    fn fetch(&mut self) -> Result<()> {
        loop {
            let taken = self.bell.take()?;
            if taken.is_empty() {
                return Ok(());
            }
            self.held.extend(taken);
        }
    }

    fn deliver(&mut self, tally: &Tally) -> Result<()> {
        if self.held.len() > 1 {
            for place in (1..self.held.len()).rev() {
                self.held.swap(place, self.chance.index(place + 1));
            }
            tally.count(Fault::ShuffledNotifications);
        }
        for body in self.held.drain(..) {
            self.doorbell.send(&body)?;
            if self.sent.len() == MEMORY {
                self.sent.swap_remove(self.chance.index(MEMORY));
            }
            self.sent.push(body);
        }
        Ok(())
    }
}
