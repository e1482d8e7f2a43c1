use arrivage_store::{AwsSettings, aws_config};
use arrivage_testkit::{Ministack, Place};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::*;
use crate::sqs::{SqsQueue, SqsSource};
use crate::testing::access_key;

/// A queue of SQS with a dead-letter queue.
pub(super) struct Sqs {
    place: Place,
    client: Client,
    ministack: Ministack,
}

impl Sqs {
    fn queue(&self, with: &With) -> SqsQueue {
        let source = SqsSource {
            name: SOURCE.to_owned(),
            queue_url: self.place.queue_url.clone(),
            endpoint: Some(self.ministack.endpoint().to_owned()),
            region: None,
            unreadable: with.unreadable,
        };
        SqsQueue::new(source, Some(access_key()))
    }

    async fn messages(&self, queue_url: &str) -> Result<usize> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Taken,
        };
        let asked = self.client.get_queue_attributes().queue_url(queue_url);
        let answer = asked
            .set_attribute_names(Some(vec![Visible, Taken]))
            .send()
            .await?;
        let numbers = answer.attributes.context("attributes")?.into_values();
        let numbers: Result<Vec<usize>, _> = numbers.map(|number| number.parse()).collect();
        Ok(numbers?.iter().sum())
    }
}

#[async_trait(?Send)]
impl Subject for Sqs {
    async fn new() -> Result<Self> {
        let ministack = Ministack::shared().await?;
        let settings = AwsSettings {
            endpoint: Some(ministack.endpoint().to_owned()),
            region: Some(Ministack::REGION.to_owned()),
            access_key: Some(access_key()),
            ..AwsSettings::default()
        };
        let client = Client::new(&aws_config(&settings).await);
        let place = ministack.place().await?;
        let set = client.set_queue_attributes().queue_url(&place.queue_url);
        set.attributes(QueueAttributeName::VisibilityTimeout, "1")
            .send()
            .await?;
        // S3's test event is in the way.
        let purge = client.purge_queue().queue_url(&place.queue_url);
        purge.send().await?;
        Ok(Self {
            place,
            client,
            ministack,
        })
    }

    async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
        self.say(&event(key)).await?;
        Ok(())
    }

    async fn say(&mut self, body: &str) -> Result<bool> {
        let message = self.client.send_message().queue_url(&self.place.queue_url);
        message.message_body(body).send().await?;
        Ok(true)
    }

    async fn kept(&mut self) -> Result<Option<usize>> {
        let waiting = self.messages(&self.place.queue_url).await?;
        let left = self.messages(&self.place.dead_letter_queue_url).await?;
        Ok(Some(waiting + left))
    }

    fn work(&self, with: With) -> BoxFuture<'static, ()> {
        let receiver = with.receiver(self.queue(&with));
        Box::pin(receiver.run(with.stop))
    }

    async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
        let receiver = with.receiver(self.queue(&with));
        Ok(receiver.die_before_acknowledging().await?)
    }
}
