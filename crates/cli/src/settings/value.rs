use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use arrivage_model::{
    ColumnType, Delimiter, Encoding, Location, SidecarName, StoreKind, TableName,
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};
use toml::de::DeValue;
use url::Url;

use super::quantity;
use super::reader::{Place, Reader, Shape, expected};

/// A text that is never quoted in a message.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

/// `http://…` or `https://…`, without credentials.
#[derive(Clone)]
pub(crate) struct HttpUrl(pub(crate) String);

/// `s3://bucket/prefix`; the prefix may be empty.
#[derive(Clone)]
pub(crate) struct S3Url(pub(crate) Location);

/// One ASCII character, or none.
#[derive(Clone, Copy)]
pub(crate) struct Byte(pub(crate) Option<u8>);

/// A text, a number or a truth, as a text.
#[derive(Clone)]
pub(crate) struct Scalar(pub(crate) String);

/// A day, which begins in UTC, or a moment.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

/// Where a column comes from, as typed: what a text means depends on the format.
#[derive(Clone)]
pub(crate) enum Origin {
    Text(String),
    Position(usize),
}

/// How records meet the rows that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Append,
    Upsert,
    Replace,
}

/// Whether an older content may load after a newer one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Any,
    Newest,
}

/// Reads one of a few words.
pub(super) fn word(
    what: &str,
    words: &[&'static str],
    value: &DeValue<'_>,
    place: &Place,
    reader: &mut Reader<'_>,
) -> Option<&'static str> {
    let text = text(value, place, reader)?;
    let known = words.iter().find(|word| **word == text).copied();
    reader.take(place, known.ok_or_else(|| unknown_word(what, text, words)))
}

pub(super) fn unknown_word(what: &str, text: &str, words: &[&str]) -> String {
    let words = words.join(", ");
    format!("unknown {what} {text:?}; the {what}s are {words}")
}

/// Words, or a variable that stands for one.
pub(super) fn words_schema(words: &[&str]) -> Value {
    json!({"type": "string", "anyOf": [{"enum": words}, {"pattern": r"\$\{"}]})
}

fn text<'a>(value: &'a DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<&'a str> {
    match value {
        DeValue::String(text) => Some(text),
        other => expected("a string", other, place, reader),
    }
}

/// Types that are read from a string.
macro_rules! from_text {
    ($($Type:ty: $parse:expr;)*) => {$(
        impl Shape for $Type {
            fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
                let text = text(value, place, reader)?;
                reader.take(place, $parse(text))
            }

            fn schema() -> Value {
                json!({"type": "string"})
            }
        }
    )*};
}

from_text! {
    String: |text: &str| Ok::<_, String>(text.to_owned());
    Secret: |text: &str| Ok::<_, String>(Secret(text.to_owned()));
    Duration: quantity::duration;
    quantity::Retention: quantity::retention;
    ColumnType: ColumnType::from_str;
    TableName: TableName::from_str;
    SidecarName: SidecarName::from_str;
    HttpUrl: http_url;
    S3Url: s3_url;
    Byte: byte;
    Delimiter: delimiter;
    Encoding: Encoding::from_str;
    SocketAddr: address;
}

fn http_url(text: &str) -> Result<HttpUrl, &'static str> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
            Err("expected http://… or https://…")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("credentials do not belong here; give them as $AWS_ACCESS_KEY_ID and so on")
        }
        Ok(_) => Ok(HttpUrl(text.to_owned())),
        Err(_) => Err("expected http://… or https://…"),
    }
}

fn s3_url(text: &str) -> Result<S3Url, String> {
    match Location::from_str(text) {
        Ok(location) if location.store == StoreKind::S3 => Ok(S3Url(location)),
        _ => Err(format!(
            "{text:?} is no place to list; write s3://bucket/ or s3://bucket/prefix"
        )),
    }
}

fn byte(text: &str) -> Result<Byte, String> {
    match text.as_bytes() {
        [] => Ok(Byte(None)),
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Ok(Byte(Some(*byte))),
        _ => Err(format!(
            "expected one ASCII character, such as \",\" or \"\\t\", found {text:?}"
        )),
    }
}

fn delimiter(text: &str) -> Result<Delimiter, &'static str> {
    match text {
        "" => Err("it is empty; fields need something between them"),
        "auto" => Ok(Delimiter::Auto),
        _ if text.contains(['\r', '\n', '\0']) => {
            Err("a line end, or U+0000, cannot be a delimiter")
        }
        _ => Ok(Delimiter::Text(text.to_owned())),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let problem = |_| {
        format!(
            "{text:?} is no address and port; write 127.0.0.1:8080, or 0.0.0.0:8080 for every network"
        )
    };
    text.parse().map_err(problem)
}

impl Shape for bool {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            DeValue::Boolean(value) => Some(*value),
            other => expected("true or false", other, place, reader),
        }
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

macro_rules! whole_numbers {
    ($($Type:ty)*) => {$(
        impl Shape for $Type {
            fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
                match value {
                    DeValue::Integer(number) => {
                        let parsed = <$Type>::from_str_radix(number.as_str(), number.radix());
                        let problem = |_| format!("expected a whole number from 0 to {}, found {number}", <$Type>::MAX);
                        reader.take(place, parsed.map_err(problem))
                    }
                    other => expected("a whole number", other, place, reader),
                }
            }

            fn schema() -> Value {
                json!({"type": "integer", "minimum": 0})
            }
        }
    )*};
}

whole_numbers!(u32 u64 usize);

impl Shape for f64 {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        let parsed = match value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        match parsed {
            Some(number) => Some(number),
            None => expected("a number", value, place, reader),
        }
    }

    fn schema() -> Value {
        json!({"type": "number"})
    }
}

impl Shape for quantity::Size {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            DeValue::Integer(_) => u64::read(value, place, reader).map(Self),
            DeValue::String(text) => reader.take(place, quantity::size(text)),
            other => expected("a size such as \"64MiB\"", other, place, reader),
        }
    }

    fn schema() -> Value {
        json!({"type": ["string", "integer"]})
    }
}

impl Shape for Scalar {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            DeValue::String(text) => Some(Self(text.to_string())),
            DeValue::Integer(number) => Some(Self(number.to_string())),
            DeValue::Float(number) => Some(Self(number.to_string())),
            DeValue::Boolean(value) => Some(Self(value.to_string())),
            other => expected("a string", other, place, reader),
        }
    }

    fn schema() -> Value {
        json!({"type": ["string", "number", "boolean"]})
    }
}

impl Shape for Origin {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            DeValue::String(text) => Some(Self::Text(text.to_string())),
            DeValue::Integer(_) => usize::read(value, place, reader).map(Self::Position),
            other => expected("a string or a position", other, place, reader),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]})
    }
}

impl Shape for Moment {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            other => return expected("a date", other, place, reader),
        };
        let day = text
            .parse()
            .map(|day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc());
        let moment = day.or_else(|_| text.parse::<DateTime<Utc>>());
        let problem = |_| {
            format!(
                "{text:?} is no date such as \"2026-01-31\" and no time such as \"2026-01-31T08:00:00Z\""
            )
        };
        reader.take(place, moment.map(Self).map_err(problem))
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}
