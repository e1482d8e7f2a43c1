use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What a message says, a line for each thing: `+` announced, `-` skipped, `!`
/// unreadable.
fn told(parsed: &Parsed) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let notices = parsed.notices.iter().map(|notice| {
        format!(
            "+ {} etag {} version {} size {} at {} sequencer {}",
            notice.location,
            or_dash(notice.etag.as_ref().map(ToString::to_string)),
            or_dash(notice.version_id.as_ref().map(|id| id.as_str().to_owned())),
            or_dash(notice.size.map(|size| size.to_string())),
            or_dash(notice.last_modified.map(|time| time.to_rfc3339())),
            or_dash(notice.sequencer.clone()),
        )
    });
    let skipped = parsed.skipped.iter().map(|skipped| format!("- {skipped}"));
    let unreadable = parsed.unreadable.iter().map(|reason| format!("! {reason}"));
    notices.chain(skipped).chain(unreadable).collect()
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name))
    };
}

#[track_caller]
fn check(body: &[u8], expect: &[&str]) {
    assert_eq!(told(&parse(body)), expect);
}

/// One unreadable thing, whose reason has these words.
#[track_caller]
fn check_unreadable(body: &[u8], words: &str) {
    let parsed = parse(body);
    assert!(parsed.notices.is_empty(), "{parsed:?}");
    let [reason] = parsed.unreadable.as_slice() else {
        panic!("{parsed:?}")
    };
    assert!(reason.contains(words), "{reason}");
}

const AWS_PUT: &str = "+ s3://drop/orders/2026-11-22/café + crème 100%.csv \
    etag d41d8cd98f00b204e9800998ecf8427e version - size 48 at 2026-11-22T09:14:07.482+00:00 \
    sequencer 0055AED6DCD90281E5";

const EVENT_BRIDGE: &str = "+ s3://drop/orders/a+b%20c é.csv \
    etag b1946ac92492d2347c6235b4d2611184 version IYV3p45BT0ac8hjHg1houSdS1a.Mro8e size 5 \
    at 2026-11-22T09:14:07+00:00 sequencer 617f08299329d189";

#[test]
fn events_of_s3_name_their_objects() {
    check(fixture!("aws-put.json"), &[AWS_PUT]);
    check(
        fixture!("aws-versioned.json"),
        &[
            "+ s3://drop/big.csv.gz etag 4af981f98d22a0b9979da24b259e5e42-12 \
           version 096fKKXTRTtl3on89fVO.nfljtsv6qko size 5368709121 \
           at 2026-11-22T09:14:07.482+00:00 sequencer 0064D3901D00059242",
        ],
    );
    check(
        fixture!("moto-put.json"),
        &[
            "+ s3://drop/orders/a b.csv etag 9dd4e461268c8034f5c8564e155c67a6 version - size 14 \
           at 2026-11-22T09:14:07+00:00 sequencer -",
        ],
    );
}

#[test]
fn events_of_other_stores_name_their_objects() {
    check(
        fixture!("minio-put.json"),
        &[
            "+ s3://drop/orders/a b+c.csv etag 9dd4e461268c8034f5c8564e155c67a6 version - size 14 \
           at 2026-11-22T09:14:07.482+00:00 sequencer 17A1D5E5F21F9D98",
        ],
    );
    check(
        fixture!("minio-multipart-versioned.json"),
        &[
            "+ s3://drop/big.csv etag b67a5a49a8b8c5b7c9e0b9b3ff0a1a46-3 \
           version a8f3e8d8-5b0a-4c4b-8c1c-6d5b1d0d6a54 size - at 2026-11-22T09:14:07.482+00:00 \
           sequencer 17A1D5E5F21F9D99",
        ],
    );
    check(
        fixture!("ceph-put.json"),
        &[
            "+ s3://drop/orders/a+b 100%.csv etag 37b51d194a7513e45b56f6524f2d51f2 version - \
           size 1024 at 2026-11-22T09:14:07.482724+00:00 sequencer F7E6D75DC742D108",
        ],
    );
}

#[test]
fn events_of_event_bridge_have_their_keys_verbatim() {
    check(fixture!("eventbridge-created.json"), &[EVENT_BRIDGE]);
    check(fixture!("eventbridge-deleted.json"), &["- Object Deleted"]);
}

#[test]
fn envelopes_are_taken_off_however_they_are_nested() {
    check(
        fixture!("sns-notification.json"),
        &[
            "+ s3://drop/orders/é 1.csv etag 1b2cf535f27731c974343645a3985328 version - size 7 \
           at 2026-11-22T09:14:07.482+00:00 sequencer 0A1B2C3D4E5F678901",
        ],
    );
    check(fixture!("sns-eventbridge.json"), &[EVENT_BRIDGE]);
    check(fixture!("pipes-sqs-sns-eventbridge.json"), &[EVENT_BRIDGE]);
    check(fixture!("function-sns.json"), &[AWS_PUT]);

    let text = std::str::from_utf8(fixture!("aws-put.json")).expect("UTF-8");
    check(json!(text).to_string().as_bytes(), &[AWS_PUT]);
    let bare: serde_json::Value = serde_json::from_str(text).expect("JSON");
    check(bare["Records"][0].to_string().as_bytes(), &[AWS_PUT]);
}

#[test]
fn cloud_events_carry_what_they_are_about_as_their_data() {
    let told = "+ s3://drop/orders/a b+c.csv etag 9dd4e461268c8034f5c8564e155c67a6 version - \
        size 14 at 2026-11-22T09:14:07.482+00:00 sequencer 0055AED6DCD90281E5";
    let event = fixture!("cloudevent-s3.json");
    check(event, &[told]);
    let batch = [b"[".as_slice(), event, b",", event, b"]"].concat();
    check(&batch, &[told, told]);
    let around = |data: serde_json::Value| {
        json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": data})
            .to_string()
    };
    let whole: serde_json::Value = serde_json::from_slice(fixture!("aws-put.json")).expect("JSON");
    check(around(whole.clone()).as_bytes(), &[AWS_PUT]);
    check(around(json!(whole.to_string())).as_bytes(), &[AWS_PUT]);
    check_unreadable(
        br#"{"specversion": "1.0", "data_base64": "e30="}"#,
        "without JSON in its data",
    );
    check_unreadable(around(json!(17)).as_bytes(), "no object");
}

#[test]
fn a_half_readable_message_gives_what_can_be_read() {
    check(
        fixture!("aws-mixed.json"),
        &[
            "+ s3://drop/good-1.csv etag aaaa version - size 1 at 2026-11-22T09:14:07+00:00 \
             sequencer -",
            "+ s3://drop/good-2.csv etag cccc version - size 2 at 2026-11-22T09:14:10+00:00 \
             sequencer -",
            "- ObjectRemoved:Delete",
            "- ObjectRemoved:DeleteMarkerCreated",
            "- LifecycleExpiration:Delete",
            "! Records[3]: its key has a % without two hexadecimal digits",
            "! Records[4]: it has no s3.object.key that is a text",
            "! Records[5]: invalid type: string \"a text\", expected an object at line 1 \
             column 8",
            "! Records[8]: its eventVersion \"3.0\" is not 2.x",
        ],
    );
}

#[test]
fn a_test_event_announces_nothing_and_is_readable() {
    check(fixture!("aws-test-event.json"), &["- s3:TestEvent"]);
}

#[test]
fn every_record_of_a_message_is_read() {
    let record = |number: usize| {
        json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "drop"},
            "object": {"key": format!("{number}.csv")}}})
    };
    let records: Vec<_> = (0..100).map(record).collect();
    let parsed = parse(json!({ "Records": records }).to_string().as_bytes());
    assert_eq!(parsed.unreadable, Vec::<String>::new());
    assert_eq!(parsed.notices.len(), 100);
    assert_eq!(parsed.notices[99].location.key, "99.csv");
}

#[test]
fn what_is_no_notification_says_why() {
    check_unreadable(b"", "it is empty");
    check_unreadable(b"hello", "it is not JSON");
    check_unreadable(b"{\"Records\": [", "it is not JSON");
    check_unreadable(b"\xff\xfe", "not UTF-8");
    check_unreadable(b"17", "no object");
    check_unreadable(b"{}", "nothing in it names an object");
    check_unreadable(b"{\"Records\": 1}", "Records: invalid type");
    check_unreadable(b"{\"Records\": []}", "no records");
    check_unreadable(b"{\"Records\": [], \"Records\": []}", "duplicate field");
    check_unreadable(b"{\"Records\": [null]}", "Records[0]");
    check_unreadable(b"{\"Event\": \"s3:Other\"}", "no event that is known");
    check_unreadable(
        b"{\"Type\": \"Notification\", \"Message\": 1}",
        "expected a string",
    );
    check_unreadable(
        b"{\"Type\": \"Other\", \"Message\": \"{}\"}",
        "none of SNS's",
    );
    check_unreadable(
        b"{\"detail-type\": \"x\", \"source\": \"aws.ec2\"}",
        "aws.ec2",
    );
    check_unreadable(
        fixture!("sns-subscription.json"),
        "aws sns confirm-subscription",
    );
    check_unreadable(&vec![b' '; MAX_BODY + 1], "longer than 1048576 bytes");
}

#[test]
fn what_no_ledger_can_hold_is_unreadable() {
    let check = |bucket: &str, key: &str, words: &str| {
        let record = json!({"eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key}}});
        check_unreadable(json!({ "Records": [record] }).to_string().as_bytes(), words);
    };
    check("drop", &"k".repeat(1025), "at most 1024");
    check("drop", "a%00b", "U+0000");
    check("drop", "", "needs a bucket and a key");
    check("", "a.csv", "needs a bucket and a key");
    check("drop/a", "b.csv", "slash");
}

#[test]
fn odd_details_do_not_lose_an_object() {
    let record = json!({"eventName": "ObjectCreated:Put", "eventTime": "yesterday", "eventVersion": 2.1,
        "s3": {"bucket": {"name": "drop"}, "object": {"key": "a.csv", "size": -1, "eTag": 5,
            "versionId": ["x"], "sequencer": "not hexadecimal"}}});
    check(
        json!({ "Records": [record] }).to_string().as_bytes(),
        &["+ s3://drop/a.csv etag - version - size - at - sequencer -"],
    );
}

#[test]
fn hostile_nesting_ends_soon() {
    let brackets = [vec![b'['; MAX_BODY / 2], vec![b']'; MAX_BODY / 2]].concat();
    check_unreadable(&brackets, "lie in one another");

    let mut wrapped = "{}".to_owned();
    for _ in 0..12 {
        wrapped = json!({"Type": "Notification", "Message": wrapped}).to_string();
    }
    check_unreadable(wrapped.as_bytes(), "lie in one another");

    let deep = format!(
        "{{\"Records\": [{{\"s3\": {}{}}}]}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    check_unreadable(deep.as_bytes(), "recursion limit");

    let many = format!("{{\"Records\": [{}0]}}", "0,".repeat(100_000));
    let parsed = parse(many.as_bytes());
    assert_eq!(parsed.unreadable.len(), 10_001);
    assert!(parsed.unreadable[10_000].contains("only the first"));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&body);
    }

    /// Bytes of a sound message changed at will.
    #[test]
    fn any_damage_is_survived(
        fixture in prop::sample::select(vec![
            fixture!("aws-mixed.json").as_slice(),
            fixture!("sns-notification.json"),
            fixture!("pipes-sqs-sns-eventbridge.json"),
            fixture!("minio-put.json"),
        ]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut body = fixture.to_vec();
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let parsed = parse(&body);
        let told = parsed.notices.len() + parsed.skipped.len() + parsed.unreadable.len();
        prop_assert!(told > 0, "every message says something");
        for notice in &parsed.notices {
            prop_assert_eq!(notice.location.check(), Ok(()));
        }
    }

    #[test]
    fn any_key_is_read_back_as_it_was(key in "\\PC{1,40}") {
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(super::key::decode(&encoded), Ok(key));
    }
}
