use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Parsed, Skipped, record};

/// How deep envelopes may lie in one another. S3 → EventBridge → SNS → SQS →
/// Pipes → SQS has three.
const MAX_DEPTH: usize = 8;

/// How many records of one message are read. S3 sends one at a time.
const MAX_RECORDS: usize = 10_000;

/// The keys that tell one kind of message from another. They stay text, so that
/// one of a wrong type does not make the rest unreadable, and hostile nesting
/// takes no memory.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Message<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
    #[serde(rename = "Type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(rename = "Message", borrow)]
    message: Option<&'a RawValue>,
    #[serde(rename = "detail-type", borrow)]
    detail_type: Option<&'a RawValue>,
    #[serde(rename = "s3", borrow)]
    s3: Option<&'a RawValue>,
    #[serde(rename = "specversion", borrow)]
    cloud_event: Option<&'a RawValue>,
    #[serde(rename = "data", borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "Sns", borrow)]
    sns: Option<&'a RawValue>,
    #[serde(rename = "body", borrow)]
    body: Option<&'a RawValue>,
}

/// What an SNS topic wraps around a message, where raw delivery is off. Its
/// `SubscribeURL` is not even read.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Published {
    #[serde(rename = "Message")]
    message: String,
}

/// A message of a queue, as EventBridge Pipes and functions hand it on.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Queued {
    body: String,
}

/// Reads a message or what an envelope held. The error tells why all of it is
/// unreadable; what concerns one record goes to `parsed` instead.
pub(super) fn message(text: &str, depth: usize, parsed: &mut Parsed) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!(
            "more than {MAX_DEPTH} envelopes lie in one another"
        ));
    }
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => object(text, depth, parsed),
        Some(b'[') => elements("list", text, parsed, |element, parsed| {
            message(element, depth + 1, parsed)
        }),
        Some(b'"') => message(&json::<String>(text)?, depth + 1, parsed),
        Some(_) => {
            json::<&RawValue>(text)?;
            Err("it is JSON, but no object".to_owned())
        }
        None => Err("it is empty".to_owned()),
    }
}

fn object(text: &str, depth: usize, parsed: &mut Parsed) -> Result<(), String> {
    let found: Message<'_> = json(text)?;
    if let Some(records) = found.records {
        return elements("Records", records.get(), parsed, |element, parsed| {
            entry(element, depth, parsed)
        });
    }
    if found.cloud_event.is_some() {
        return match found.data {
            Some(data) => message(data.get(), depth + 1, parsed),
            None => Err("it is a CloudEvent without JSON in its data".to_owned()),
        };
    }
    if let Some(event) = found.event.and_then(string) {
        if event != "s3:TestEvent" {
            return Err(format!("{event:?} is no event that is known here"));
        }
        parsed.skipped.push(Skipped::new(&event));
        return Ok(());
    }
    if let (Some(kind), Some(_)) = (found.kind.and_then(string), found.message) {
        return published(&kind, text, depth, parsed);
    }
    if found.detail_type.is_some() {
        return record::of_event_bridge(text, parsed);
    }
    if found.s3.is_some() || found.sns.is_some() || found.body.is_some() {
        return entry(text, depth, parsed);
    }
    Err(
        "it has neither Records nor the envelope of SNS, and is no event of EventBridge or CloudEvent: \
         nothing in it names an object"
            .to_owned(),
    )
}

fn published(kind: &str, text: &str, depth: usize, parsed: &mut Parsed) -> Result<(), String> {
    match kind {
        "Notification" => message(&json::<Published>(text)?.message, depth + 1, parsed),
        "SubscriptionConfirmation" => Err(
            "an SNS topic asks to confirm its subscription, and nothing that a message names is \
             ever fetched; confirm it with `aws sns confirm-subscription`, or subscribe the queue \
             from the account that owns it, which needs no confirmation"
                .to_owned(),
        ),
        "UnsubscribeConfirmation" => Err(
            "an SNS topic says that its subscription ended; subscribe again unless that was meant"
                .to_owned(),
        ),
        other => Err(format!("its Type {other:?} is none of SNS's")),
    }
}

/// An element of `Records`: what happened to an object, or a message within.
fn entry(text: &str, depth: usize, parsed: &mut Parsed) -> Result<(), String> {
    let found: Message<'_> = json(text)?;
    if found.s3.is_none() {
        if let Some(sns) = found.sns {
            let published: Published = json(sns.get())?;
            return message(&published.message, depth + 1, parsed);
        }
        if found.body.is_some() {
            return message(&json::<Queued>(text)?.body, depth + 1, parsed);
        }
    }
    record::of_s3(text, parsed)
}

/// Reads each element of a list; one that cannot be read leaves the others.
fn elements(
    name: &str,
    list: &str,
    parsed: &mut Parsed,
    read: impl Fn(&str, &mut Parsed) -> Result<(), String>,
) -> Result<(), String> {
    let elements: Vec<&RawValue> = json(list).map_err(|error| format!("{name}: {error}"))?;
    if elements.is_empty() {
        return Err("it has no records".to_owned());
    }
    for (index, element) in elements.iter().enumerate() {
        if count(parsed) >= MAX_RECORDS {
            return Err(format!(
                "of its records, only the first {MAX_RECORDS} are read"
            ));
        }
        if let Err(reason) = read(element.get(), parsed) {
            parsed.unreadable.push(format!("{name}[{index}]: {reason}"));
        }
    }
    Ok(())
}

fn count(parsed: &Parsed) -> usize {
    parsed.notices.len() + parsed.skipped.len() + parsed.unreadable.len()
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

pub(super) fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            error.to_string()
        } else {
            format!("it is not JSON: {error}")
        }
    })
}
