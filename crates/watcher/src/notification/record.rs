use arrivage_model::{ETag, Location, VersionId};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::unwrap::json;
use super::{Notice, Parsed, Skipped, key};

/// A record of an S3 event, as AWS, MinIO, Ceph, RustFS and others write it.
///
/// What names the object must be right. All else may be missing or odd, for a
/// HEAD completes it and nothing depends on it.
pub(super) fn of_s3(text: &str, parsed: &mut Parsed) -> Result<(), String> {
    let record: Value = json(text)?;
    let name = required(&record, "/eventName")?;
    // Ceph leaves the prefix out, and so does AWS within its records.
    let event = name.strip_prefix("s3:").unwrap_or(name);
    if event.split(':').next() != Some("ObjectCreated") {
        parsed.skipped.push(Skipped::new(name));
        return Ok(());
    }
    known_version(&record)?;

    let written = required(&record, "/s3/object/key")?;
    let key = match optional(&record, "/eventSource") {
        // Ceph's gateway writes the key as it is.
        Some("ceph:s3") => written.to_owned(),
        _ => key::decode(written)?,
    };
    let object = record.pointer("/s3/object").unwrap_or(&Value::Null);
    parsed.notices.push(Notice {
        location: location(required(&record, "/s3/bucket/name")?, key)?,
        // Ceph once wrote it in lower case.
        etag: optional(object, "/eTag")
            .or(optional(object, "/etag"))
            .and_then(ETag::parse),
        version_id: optional(object, "/versionId").and_then(VersionId::parse),
        size: size(object),
        last_modified: optional(&record, "/eventTime").and_then(time),
        sequencer: sequencer(object),
    });
    Ok(())
}

/// An event of S3 as EventBridge words it. Its key is not encoded.
pub(super) fn of_event_bridge(text: &str, parsed: &mut Parsed) -> Result<(), String> {
    let event: Value = json(text)?;
    let kind = required(&event, "/detail-type")?;
    let source = required(&event, "/source")?;
    if source != "aws.s3" {
        return Err(format!(
            "it is an event of {source:?}; let the EventBridge rule choose source \"aws.s3\" and \
             detail-type \"Object Created\""
        ));
    }
    if kind != "Object Created" {
        parsed.skipped.push(Skipped::new(kind));
        return Ok(());
    }

    let bucket = required(&event, "/detail/bucket/name")?;
    let key = required(&event, "/detail/object/key")?;
    let object = event.pointer("/detail/object").unwrap_or(&Value::Null);
    parsed.notices.push(Notice {
        location: location(bucket, key.to_owned())?,
        etag: optional(object, "/etag").and_then(ETag::parse),
        version_id: optional(object, "/version-id").and_then(VersionId::parse),
        size: size(object),
        last_modified: optional(&event, "/time").and_then(time),
        sequencer: sequencer(object),
    });
    Ok(())
}

/// A later minor version only adds to the record; a later major one may mean
/// anything.
fn known_version(record: &Value) -> Result<(), String> {
    let version = match record.get("eventVersion") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(version)) => version.clone(),
        Some(other) => other.to_string(),
    };
    if version.split('.').next() == Some("2") {
        return Ok(());
    }
    Err(format!("its eventVersion {version:?} is not 2.x"))
}

fn location(bucket: &str, key: String) -> Result<Location, String> {
    // Else the bucket "a/b" with the key "c" would be routed as "a" with "b/c".
    if bucket.contains('/') {
        return Err("its bucket's name contains a slash".to_owned());
    }
    let location = Location::s3(bucket, key);
    location.check().map_err(|error| error.to_string())?;
    Ok(location)
}

fn required<'a>(value: &'a Value, path: &str) -> Result<&'a str, String> {
    optional(value, path).ok_or_else(|| {
        let name = path.trim_start_matches('/').replace('/', ".");
        format!("it has no {name} that is a text")
    })
}

fn optional<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}

/// A number, or digits in quotes.
fn size(object: &Value) -> Option<u64> {
    let size = match object.get("size")? {
        Value::Number(number) => number.as_u64()?,
        Value::String(digits) => digits.parse().ok()?,
        _ => return None,
    };
    // No database holds a larger one.
    i64::try_from(size).is_ok().then_some(size)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.to_utc())
}

/// Only what can be compared as S3 says: hexadecimal digits.
fn sequencer(object: &Value) -> Option<String> {
    let text = optional(object, "/sequencer")?;
    let sound = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| text.to_owned())
}
