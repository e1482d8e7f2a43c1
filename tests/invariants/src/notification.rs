//! Messages about objects.

use arrivage_watcher::notification::{Parsed, parse};
use serde_json::json;

/// Whatever a message says, the ledger can hold it; and an envelope around it changes nothing.
pub fn notification(data: &[u8]) {
    let parsed = parse(data);
    assert_eq!(parse(data), parsed);
    for notice in &parsed.notices {
        assert_eq!(notice.location.check(), Ok(()), "{notice:?}");
        if let Some(etag) = &notice.etag {
            let etag = etag.to_string();
            let in_header = etag
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"');
            assert!(in_header && !etag.is_empty(), "{etag:?}");
        }
    }
    let said = parsed.notices.len() + parsed.skipped.len() + parsed.unreadable.len();
    assert!(said > 0, "nothing is said of it");
    assert!(said <= 10_001, "{said} things are said of it");
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let is_deep = |parsed: &Parsed| {
        let mut reasons = parsed.unreadable.iter();
        reasons.any(|reason| reason.contains("envelopes lie in one another"))
    };
    let envelopes = [
        json!({"Type": "Notification", "Message": text}),
        json!({"Records": [{"body": text}]}),
        json!({"Records": [{"Sns": {"Message": text}}]}),
        json!(text),
    ];
    for envelope in envelopes.map(|envelope| envelope.to_string()) {
        let within = parse(envelope.as_bytes());
        if !is_deep(&within) && envelope.len() < 1 << 20 {
            assert_eq!(within.notices, parsed.notices, "in {envelope}");
            assert_eq!(within.skipped, parsed.skipped, "in {envelope}");
            assert_eq!(
                within.unreadable.len(),
                parsed.unreadable.len(),
                "in {envelope}"
            );
        }
    }
}
