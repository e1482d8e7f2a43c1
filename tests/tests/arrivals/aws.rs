//! What a person or another tool does with S3 and SQS.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use arrivage_testkit::{Ministack, unique_name};
use arrivage_tests::ask;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, EventBridgeConfiguration, NotificationConfiguration,
    QueueConfiguration, TopicConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

/// Who owns everything in ministack.
const ACCOUNT: &str = "000000000000";

/// The shared ministack, through the SDK.
pub(crate) struct Aws {
    pub(crate) ministack: Ministack,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Aws {
    pub(crate) async fn new() -> Result<Self> {
        let ministack = Ministack::shared().await?;
        let keys = (Ministack::ACCESS_KEY, Ministack::SECRET_KEY);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(ministack.endpoint())
            .region(Region::from_static(Ministack::REGION))
            .credentials_provider(Credentials::new(keys.0, keys.1, None, None, "test"))
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(true)
            .build();
        Ok(Self {
            ministack,
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(&config),
        })
    }

    pub(crate) async fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Result<()> {
        let body = ByteStream::from(content.to_vec());
        self.s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(body)
            .send()
            .await?;
        Ok(())
    }

    /// In parts of 5 MiB, the least that S3 takes.
    pub(crate) async fn put_in_parts(&self, bucket: &str, key: &str, content: &[u8]) -> Result<()> {
        let begun = self
            .s3
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .send()
            .await?;
        let upload = begun.upload_id.context("an upload has an id")?;
        let mut parts = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(content.chunks(5 << 20)) {
            let sent = self
                .s3
                .upload_part()
                .bucket(bucket)
                .key(key)
                .upload_id(&upload);
            let sent = sent
                .part_number(number)
                .body(ByteStream::from(part.to_vec()))
                .send()
                .await?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .build();
            parts = parts.parts(part);
        }
        let end = self
            .s3
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload);
        end.multipart_upload(parts.build()).send().await?;
        Ok(())
    }

    /// `from` has no characters that a URL would encode.
    pub(crate) async fn copy(&self, bucket: &str, from: &str, to: &str) -> Result<()> {
        let copy = self
            .s3
            .copy_object()
            .copy_source(format!("{bucket}/{from}"));
        copy.bucket(bucket).key(to).send().await?;
        Ok(())
    }

    /// Key, ETag, size and date of all objects.
    pub(crate) async fn list(&self, bucket: &str) -> Result<BTreeMap<String, String>> {
        let listed = self.s3.list_objects_v2().bucket(bucket).send().await?;
        let object = |object: aws_sdk_s3::types::Object| {
            let (key, etag, size) = (object.key, object.e_tag, object.size);
            (
                key.unwrap_or_default(),
                format!("{etag:?} {size:?} {:?}", object.last_modified),
            )
        };
        Ok(listed
            .contents
            .unwrap_or_default()
            .into_iter()
            .map(object)
            .collect())
    }

    /// Returns the message's id.
    pub(crate) async fn send(&self, queue_url: &str, body: &str) -> Result<String> {
        let sent = self
            .sqs
            .send_message()
            .queue_url(queue_url)
            .message_body(body)
            .send()
            .await?;
        sent.message_id.context("a message has an id")
    }

    /// Takes all messages off a queue that nobody else reads; their bodies.
    pub(crate) async fn drain(&self, queue_url: &str) -> Result<Vec<String>> {
        let mut bodies = Vec::new();
        loop {
            let some = self
                .sqs
                .receive_message()
                .queue_url(queue_url)
                .max_number_of_messages(10);
            let messages = some.send().await?.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(bodies);
            }
            for message in messages {
                let delete = self.sqs.delete_message().queue_url(queue_url);
                delete
                    .set_receipt_handle(message.receipt_handle)
                    .send()
                    .await?;
                bodies.extend(message.body);
            }
        }
    }

    /// How many messages a queue holds, those included that somebody has received.
    pub(crate) async fn messages(&self, queue_url: &str) -> Result<u64> {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let taken = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let answer = self.sqs.get_queue_attributes().queue_url(queue_url);
        let answer = answer
            .attribute_names(visible)
            .attribute_names(taken)
            .send()
            .await?;
        let counts = answer.attributes.unwrap_or_default();
        Ok(counts
            .values()
            .map(|count| count.parse::<u64>())
            .sum::<Result<u64, _>>()?)
    }

    /// A queue that delivers again, after a second, what was received and not deleted.
    pub(crate) async fn queue(&self) -> Result<String> {
        let made = self
            .sqs
            .create_queue()
            .queue_name(unique_name("queue"))
            .attributes(QueueAttributeName::VisibilityTimeout, "1")
            .send()
            .await?;
        made.queue_url.context("a queue has a URL")
    }

    /// A bucket that announces to an SNS topic, to which these queues are subscribed.
    pub(crate) async fn bucket_with_topic(&self, queues: &[(&str, Delivery)]) -> Result<String> {
        let name = unique_name("topic");
        let topic = format!("arn:aws:sns:{}:{ACCOUNT}:{name}", Ministack::REGION);
        self.sns(&format!("Action=CreateTopic&Name={name}")).await?;
        for (queue_url, delivery) in queues {
            let raw = match delivery {
                Delivery::Wrapped => "false",
                Delivery::Raw => "true",
            };
            self.sns(&format!(
                "Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint={}\
                 &Attributes.entry.1.key=RawMessageDelivery&Attributes.entry.1.value={raw}",
                arn(queue_url)
            ))
            .await?;
        }
        let announce = TopicConfiguration::builder()
            .topic_arn(topic)
            .events("s3:ObjectCreated:*".into())
            .build()?;
        let announce = NotificationConfiguration::builder().topic_configurations(announce);
        self.announcing_bucket(&name, announce.build()).await
    }

    /// A bucket that announces to EventBridge, which has a rule that sends it on to the queue.
    pub(crate) async fn bucket_with_event_bridge(&self, queue_url: &str) -> Result<String> {
        let name = unique_name("bridge");
        let pattern = json!({
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [&name]}},
        });
        let rule = json!({"Name": name, "EventPattern": pattern.to_string()});
        self.event_bridge("PutRule", &rule).await?;
        let target = json!({"Id": "queue", "Arn": arn(queue_url)});
        self.event_bridge("PutTargets", &json!({"Rule": name, "Targets": [target]}))
            .await?;
        let announce = EventBridgeConfiguration::builder().build();
        let announce = NotificationConfiguration::builder().event_bridge_configuration(announce);
        self.announcing_bucket(&name, announce.build()).await
    }

    /// A bucket that announces to the queue itself.
    pub(crate) async fn bucket_with_queue(&self, queue_url: &str) -> Result<String> {
        let announce = QueueConfiguration::builder()
            .queue_arn(arn(queue_url))
            .events("s3:ObjectCreated:*".into())
            .build()?;
        let announce = NotificationConfiguration::builder().queue_configurations(announce);
        self.announcing_bucket(&unique_name("direct"), announce.build())
            .await
    }

    /// Two calls do not make it worth to compile an SDK for each of these services.
    async fn sns(&self, form: &str) -> Result<()> {
        let head = "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        self.ask(head, form).await
    }

    async fn event_bridge(&self, action: &str, body: &Value) -> Result<()> {
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: AWSEvents.{action}"
        );
        self.ask(&head, &body.to_string()).await
    }

    async fn ask(&self, head: &str, body: &str) -> Result<()> {
        let endpoint = self.ministack.endpoint();
        let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let (status, answer) = ask(address, head, body).await?;
        ensure!(status == 200, "{body}: {status} {answer}");
        Ok(())
    }

    async fn announcing_bucket(
        &self,
        name: &str,
        announce: NotificationConfiguration,
    ) -> Result<String> {
        self.s3.create_bucket().bucket(name).send().await?;
        let put = self.s3.put_bucket_notification_configuration().bucket(name);
        put.notification_configuration(announce).send().await?;
        Ok(name.to_owned())
    }
}

/// How an SNS topic hands a message on.
#[derive(Clone, Copy)]
pub(crate) enum Delivery {
    Wrapped,
    Raw,
}

fn arn(queue_url: &str) -> String {
    let name = queue_url.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", Ministack::REGION)
}
