use std::error::Error;
use std::time::Duration;

use arrivage_store::{AccessKey, AwsSettings, aws_config};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use url::Url;

use super::SqsSource;
use crate::health::chain;
use crate::notification;
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// SQS hands out and takes back no more at a time.
const BATCH: i32 = 10;

/// One queue of SQS. Nothing outside this file knows the SDK.
#[derive(Debug)]
pub(crate) struct SqsQueue {
    source: SqsSource,
    /// Without one, the usual chain is asked.
    access_key: Option<AccessKey>,
    client: Option<Client>,
}

impl Queue for SqsQueue {
    type Receipt = String;

    const LEFT: &'static str = "in the queue, which moves it to its dead-letter queue in time";

    /// Ten messages at most.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<String>>, QueueError> {
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let question = self.client().await?.receive_message();
        let answer = question
            .queue_url(&self.source.queue_url)
            .max_number_of_messages(BATCH)
            .wait_time_seconds(seconds)
            .send()
            .await
            .map_err(|error| self.explain("ReceiveMessage", &error))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(delivery)
            .collect())
    }

    /// What is not recorded stays: it is visible again after its visibility timeout,
    /// and goes to the dead-letter queue when that has happened often enough.
    async fn settle(&mut self, settled: Vec<(String, Verdict)>) -> Result<Vec<String>, QueueError> {
        let recorded = settled
            .into_iter()
            .filter_map(|(receipt, verdict)| (verdict == Verdict::Recorded).then_some(receipt));
        self.delete(recorded.collect()).await
    }
}

impl SqsQueue {
    /// Asks nobody yet.
    pub(crate) fn new(source: SqsSource, access_key: Option<AccessKey>) -> Self {
        Self {
            source,
            access_key,
            client: None,
        }
    }

    /// Asks for what the queue is, and takes nothing from it.
    pub(super) async fn look(&mut self) -> Result<(), QueueError> {
        let question = self.client().await?.get_queue_attributes();
        let answer = question.queue_url(&self.source.queue_url).send().await;
        answer.map_err(|error| self.explain("GetQueueAttributes", &error))?;
        Ok(())
    }

    async fn client(&mut self) -> Result<Client, QueueError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let source = &self.source;
        let url = Url::parse(&source.queue_url).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| QueueError::Misconfigured {
            what: format!("the queue_url {:?} is no URL", source.queue_url),
            source: None,
        })?;
        let region = source.region.clone().or_else(|| region_of(url.host_str()?));
        let endpoint = endpoint(source, &url);
        let settings = AwsSettings {
            endpoint: Some(endpoint.clone()),
            region,
            access_key: self.access_key.clone(),
            ..AwsSettings::default()
        };
        // Said again, or the environment would outdo what the source names.
        let config = Box::pin(aws_config(&settings)).await;
        let config = aws_sdk_sqs::config::Builder::from(&config)
            .endpoint_url(endpoint)
            .build();
        Ok(self.client.insert(Client::from_conf(config)).clone())
    }

    /// Takes deliveries off the queue, ten at most. Returns why some stayed: they
    /// come again.
    async fn delete(&mut self, receipts: Vec<String>) -> Result<Vec<String>, QueueError> {
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(index, receipt): (usize, String)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .build()
                .expect("id and receipt are set")
        };
        let question = self.client().await?.delete_message_batch();
        let answer = question
            .queue_url(&self.source.queue_url)
            .set_entries(Some(receipts.into_iter().enumerate().map(entry).collect()))
            .send()
            .await
            .map_err(|error| self.explain("DeleteMessageBatch", &error))?;
        let stayed = answer.failed.iter().map(|failed| {
            format!(
                "{}: {}",
                failed.code,
                failed.message.as_deref().unwrap_or("no reason given")
            )
        });
        Ok(stayed.collect())
    }

    fn explain<E, R>(&self, operation: &str, error: &SdkError<E, R>) -> QueueError
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let url = &self.source.queue_url;
        if has_no_credentials(error) {
            return QueueError::Misconfigured {
                what: format!("there are no credentials for the queue {url}"),
                source: Some(format!("{operation}: {}", chain(error)).into()),
            };
        }
        let code = error.code().unwrap_or_default();
        let what = match code.rsplit(['.', '#']).next().unwrap_or_default() {
            "QueueDoesNotExist" | "NonExistentQueue" => format!(
                "there is no queue {url}; create it, or correct queue_url (its account and region)"
            ),
            "AccessDenied" | "AccessDeniedException" => format!(
                "we may not use the queue {url}; allow sqs:ReceiveMessage and sqs:DeleteMessage on \
                 it, and kms:Decrypt on its key if it has one"
            ),
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "MissingAuthenticationToken"
            | "InvalidSecurity" => {
                format!("the queue {url} does not accept the credentials")
            }
            "InvalidAddress" => format!("{url} is no queue's address; correct queue_url"),
            _ => {
                return QueueError::Unavailable(format!("{operation}: {}", chain(error)).into());
            }
        };
        let said = error.message().unwrap_or("no reason given");
        QueueError::Misconfigured {
            what,
            source: Some(format!("{operation}: {code}: {said}").into()),
        }
    }
}

/// Whether nobody gave us credentials, rather than that somebody did not answer.
fn has_no_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            );
        }
        next = error.source();
    }
    false
}

fn delivery(message: Message) -> Option<Delivery<String>> {
    Some(Delivery {
        message_id: message.message_id?,
        receipt: message.receipt_handle?,
        body: notification::head(message.body.unwrap_or_default()),
    })
}

/// Where SQS answers: as the source says, else as AWS's own variable says, else
/// where the queue's URL points.
fn endpoint(source: &SqsSource, queue_url: &Url) -> String {
    let named = source.endpoint.clone();
    let from_environment = || std::env::var("AWS_ENDPOINT_URL_SQS").ok();
    named
        .or_else(from_environment)
        .filter(|endpoint| !endpoint.is_empty())
        .unwrap_or_else(|| queue_url.origin().ascii_serialization())
}

/// The region that AWS, or LocalStack after its manner, puts into the host.
fn region_of(host: &str) -> Option<String> {
    const SUFFIXES: [&str; 4] = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".api.aws",
        ".localhost.localstack.cloud",
    ];

    let name = SUFFIXES
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let labels: Vec<&str> = name.split('.').collect();
    let region = match labels.as_slice() {
        ["sqs" | "sqs-fips", region] => region,
        // An interface endpoint of a VPC.
        [_, "sqs" | "sqs-fips", region, "vpce"] => region,
        // As queues were addressed once.
        [region, "queue"] => region,
        _ => return None,
    };
    Some((*region).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_host() {
        let check = |host: &str, expect: Option<&str>| {
            assert_eq!(region_of(host).as_deref(), expect, "{host}");
        };
        check("sqs.eu-west-3.amazonaws.com", Some("eu-west-3"));
        check("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1"));
        check(
            "sqs-fips.us-gov-west-1.amazonaws.com",
            Some("us-gov-west-1"),
        );
        check("sqs.eu-west-3.api.aws", Some("eu-west-3"));
        check(
            "vpce-0a1-b2.sqs.eu-west-3.vpce.amazonaws.com",
            Some("eu-west-3"),
        );
        check("eu-west-3.queue.amazonaws.com", Some("eu-west-3"));
        check(
            "sqs.eu-west-3.localhost.localstack.cloud",
            Some("eu-west-3"),
        );
        check("queue.amazonaws.com", None);
        check("localhost", None);
        check("127.0.0.1", None);
        check("sqs.internal.example.com", None);
    }

    #[test]
    fn the_endpoint_is_the_origin_of_the_queue_unless_another_is_named() {
        let check = |queue_url: &str, named: Option<&str>, expect: &str| {
            let source = SqsSource {
                name: "sqs".to_owned(),
                queue_url: queue_url.to_owned(),
                endpoint: named.map(str::to_owned),
                region: None,
                unreadable: Default::default(),
            };
            let url = Url::parse(queue_url).expect(queue_url);
            assert_eq!(endpoint(&source, &url), expect);
        };
        let aws = "https://sqs.eu-west-3.amazonaws.com/123456789012/drop";
        check(aws, None, "https://sqs.eu-west-3.amazonaws.com");
        check(aws, Some("http://sqs:9324"), "http://sqs:9324");
        check(
            "http://127.0.0.1:4566/000000000000/drop",
            None,
            "http://127.0.0.1:4566",
        );
    }
}
