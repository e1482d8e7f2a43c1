mod dates;
mod json;
mod numbers;

use arrivage_model::{ColumnType, Element, Enumeration, ReasonCode};

use super::Writer;
use ReasonCode::{
    NotABoolean, NotALabel, NotAUuid, NotAnAddress, NotAnArray, NotAnInterval, NotHex, OutOfRange,
    TooLong,
};

fn writer(kind: &str) -> Writer {
    let kind: ColumnType = kind.parse().expect(kind);
    Writer {
        kind,
        decimal: b'.',
        format: None,
        key: false,
    }
}

fn write(writer: &Writer, text: &str) -> Result<String, ReasonCode> {
    let mut out = Vec::new();
    match writer.write(text.as_bytes(), &mut out) {
        Ok(()) => Ok(String::from_utf8(out).expect("canonical text is UTF-8")),
        Err(fault) => {
            assert!(fault.reason.len() < 400, "{}", fault.reason);
            Err(fault.code)
        }
    }
}

/// Each text, and what it becomes or why it does not.
fn check(kind: &str, cases: &[(&str, Result<&str, ReasonCode>)]) {
    check_with(&writer(kind), cases);
}

fn check_with(writer: &Writer, cases: &[(&str, Result<&str, ReasonCode>)]) {
    for (text, expect) in cases {
        let expect = expect.map(str::to_owned);
        assert_eq!(write(writer, text), expect, "{} from {text:?}", writer.kind);
    }
}

#[test]
fn equal_keys_have_equal_texts() {
    let key = |kind: &str| Writer {
        key: true,
        ..writer(kind)
    };
    check_with(
        &key("numeric"),
        &[("1.50", Ok("1.5")), ("1.00", Ok("1")), ("100", Ok("100"))],
    );
    check_with(&key("char(5)"), &[("ab  ", Ok("ab")), ("     ", Ok(""))]);
    check_with(&key("text"), &[("ab ", Ok("ab "))]);
    check_with(
        &key("double precision"),
        &[("-0", Ok("0")), ("-0.5", Ok("-0.5"))],
    );
}

#[test]
fn booleans_are_ten_words_in_any_case() {
    check(
        "boolean",
        &[
            ("true", Ok("t")),
            ("TRUE", Ok("t")),
            ("t", Ok("t")),
            ("Yes", Ok("t")),
            ("y", Ok("t")),
            ("1", Ok("t")),
            ("false", Ok("f")),
            ("F", Ok("f")),
            ("no", Ok("f")),
            ("N", Ok("f")),
            ("0", Ok("f")),
            ("on", Err(NotABoolean)),
            ("of", Err(NotABoolean)),
            ("tr", Err(NotABoolean)),
            ("", Err(NotABoolean)),
            (" t", Err(NotABoolean)),
            ("2", Err(NotABoolean)),
        ],
    );
}

#[test]
fn texts_are_measured_in_characters() {
    check(
        "text",
        &[("", Ok("")), (" a\n\\.", Ok(" a\n\\.")), ("007", Ok("007"))],
    );
    check(
        "varchar(3)",
        &[
            ("abc", Ok("abc")),
            ("äöü", Ok("äöü")),
            ("abcd", Err(TooLong)),
            ("abc ", Err(TooLong)),
        ],
    );
    check("varchar", &[("any length", Ok("any length"))]);
    check(
        "char(2)",
        &[("a", Ok("a")), ("a ", Ok("a ")), ("a  ", Err(TooLong))],
    );
}

#[test]
fn uuids_are_32_digits() {
    let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check(
        "uuid",
        &[
            (canonical, Ok(canonical)),
            ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", Ok(canonical)),
            ("a0eebc999c0b4ef8bb6d6bb9bd380a11", Ok(canonical)),
            ("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", Err(NotAUuid)),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", Err(NotAUuid)),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111", Err(NotAUuid)),
            ("a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11", Err(NotAUuid)),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380ag1", Err(NotAUuid)),
            ("a0eebc99--c0b-4ef8-bb6d-6bb9bd380a11", Err(NotAUuid)),
            ("a0eebc999c0b4ef8bb6d6bb9bd380a1-", Err(NotAUuid)),
            ("", Err(NotAUuid)),
        ],
    );
}

#[test]
fn bytes_are_hexadecimal() {
    check(
        "bytea",
        &[
            ("DEADbeef", Ok("\\xdeadbeef")),
            ("\\xDEAD", Ok("\\xdead")),
            ("", Ok("\\x")),
            ("\\x", Ok("\\x")),
            ("abc", Err(NotHex)),
            ("0xab", Err(NotHex)),
            ("\\xzz", Err(NotHex)),
            ("ab cd", Err(NotHex)),
        ],
    );
}

#[test]
fn intervals_keep_months_days_and_time_apart() {
    check(
        "interval",
        &[
            ("P1Y2M3DT4H5M6.70S", Ok("P1Y2M3DT4H5M6.7S")),
            ("P14M", Ok("P1Y2M")),
            ("P2W1D", Ok("P15D")),
            ("PT90M", Ok("PT1H30M")),
            ("PT-0.5S", Ok("PT-0.5S")),
            ("P-1Y2M", Ok("P-10M")),
            ("PT0S", Ok("PT0S")),
            ("P0D", Ok("PT0S")),
            ("PT0.000001S", Ok("PT0.000001S")),
            ("1 year 2 mons 3 days 04:05:06.7", Ok("P1Y2M3DT4H5M6.7S")),
            ("-1 days +26:00:00", Ok("P-1DT26H")),
            ("3 months", Ok("P3M")),
            ("26:30", Ok("PT26H30M")),
            ("-00:00:00.5", Ok("PT-0.5S")),
            ("PT0.0000001S", Err(NotAnInterval)),
            ("P", Err(NotAnInterval)),
            ("PT", Err(NotAnInterval)),
            ("P1DT", Err(NotAnInterval)),
            ("P1S", Err(NotAnInterval)),
            ("PT1S1H", Err(NotAnInterval)),
            ("P1.5D", Err(NotAnInterval)),
            ("P1", Err(NotAnInterval)),
            ("P é1D", Err(NotAnInterval)),
            ("p1d", Err(NotAnInterval)),
            ("1", Err(NotAnInterval)),
            ("1 day 1 year", Err(NotAnInterval)),
            ("1 fortnight", Err(NotAnInterval)),
            ("1 day ago", Err(NotAnInterval)),
            ("1  day", Err(NotAnInterval)),
            ("00:60:00", Err(NotAnInterval)),
            ("00:00:+5", Err(NotAnInterval)),
            ("00:00:055", Err(NotAnInterval)),
            ("1:00:00", Err(NotAnInterval)),
            ("", Err(NotAnInterval)),
            ("P200000000Y", Err(OutOfRange)),
            ("P9999999999D", Err(OutOfRange)),
            ("PT9999999999H", Err(OutOfRange)),
            ("P99999999999999999999D", Err(OutOfRange)),
        ],
    );
}

#[test]
fn addresses_are_those_of_the_internet_protocol() {
    check(
        "inet",
        &[
            ("192.0.2.1", Ok("192.0.2.1")),
            ("192.0.2.1/24", Ok("192.0.2.1/24")),
            ("192.0.2.1/32", Ok("192.0.2.1")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:DB8:0:0::1", Ok("2001:db8::1")),
            ("::ffff:192.0.2.1/96", Ok("::ffff:192.0.2.1/96")),
            ("::1/128", Ok("::1")),
            ("192.0.2", Err(NotAnAddress)),
            ("192.0.2.256", Err(NotAnAddress)),
            ("192.0.2.01", Err(NotAnAddress)),
            ("192.0.2.1/33", Err(NotAnAddress)),
            ("192.0.2.1/08", Err(NotAnAddress)),
            ("192.0.2.1/+8", Err(NotAnAddress)),
            ("192.0.2.1/", Err(NotAnAddress)),
            (" 192.0.2.1", Err(NotAnAddress)),
            ("fe80::1%eth0", Err(NotAnAddress)),
            ("localhost", Err(NotAnAddress)),
            ("", Err(NotAnAddress)),
        ],
    );
}

#[test]
fn an_array_is_taken_as_postgresql_writes_it() {
    check(
        "integer[]",
        &[
            ("{}", Ok("{}")),
            ("{1,+02,NULL,null}", Ok("{1,2,NULL,NULL}")),
            ("{\"3\"}", Ok("{3}")),
            ("{{1,2},{3,4}}", Ok("{{1,2},{3,4}}")),
            ("{{{{{{1}}}}}}", Ok("{{{{{{1}}}}}}")),
            ("{{{{{{{1}}}}}}}", Err(NotAnArray)),
            ("{{1,2},{3}}", Err(NotAnArray)),
            ("{{1},2}", Err(NotAnArray)),
            ("{1,{2}}", Err(NotAnArray)),
            ("{{NULL},{{1}}}", Err(NotAnArray)),
            ("{{},{}}", Err(NotAnArray)),
            ("{1, 2}", Err(NotAnArray)),
            ("{ 1}", Err(NotAnArray)),
            (" {1}", Err(NotAnArray)),
            ("{1} ", Err(NotAnArray)),
            ("{1,}", Err(NotAnArray)),
            ("{,1}", Err(NotAnArray)),
            ("{1", Err(NotAnArray)),
            ("{", Err(NotAnArray)),
            ("", Err(NotAnArray)),
            ("1", Err(NotAnArray)),
            ("[0:0]={1}", Err(NotAnArray)),
            ("{\"1\"2}", Err(NotAnArray)),
            ("{\"1", Err(NotAnArray)),
            ("{\"1\\", Err(NotAnArray)),
            ("{1}{2}", Err(NotAnArray)),
            ("{1,x}", Err(ReasonCode::NotANumber)),
            ("{99999999999}", Err(OutOfRange)),
        ],
    );
    check(
        "text[]",
        &[
            (r#"{a,"b c","NULL",""}"#, Ok(r#"{a,"b c","NULL",""}"#)),
            (r#"{"a\"b","c\\d"}"#, Ok(r#"{"a\"b","c\\d"}"#)),
            ("{\"{x}\",\"y,z\"}", Ok("{\"{x}\",\"y,z\"}")),
            (r"{a\b}", Err(NotAnArray)),
            ("{a b}", Err(NotAnArray)),
            ("{a\"b\"}", Err(NotAnArray)),
        ],
    );
    check(
        "varchar(2)[]",
        &[("{ab}", Ok("{ab}")), ("{abc}", Err(TooLong))],
    );
    check("numeric(5,2)[]", &[("{1.5,2}", Ok("{1.50,2.00}"))]);
    check(
        "timestamp[]",
        &[("{2026-01-02T03:04:05}", Ok("{\"2026-01-02 03:04:05\"}"))],
    );
    let comma = Writer {
        decimal: b',',
        ..writer("numeric[]")
    };
    check_with(&comma, &[("{\"1,5\",2}", Ok("{1.5,2}"))]);
}

#[test]
fn a_bad_element_is_named_by_its_number() {
    let mut out = Vec::new();
    let written = writer("integer[]").write(b"{1,NULL,x}", &mut out);
    let reason = written.expect_err("no number").into_reason();
    assert!(reason.starts_with("element 3: \"x\""), "{reason}");
}

#[test]
fn a_label_is_one_of_the_enum() {
    let labels = ["sad", "so so", "Happy"].map(str::to_owned).to_vec();
    let mood = Enumeration::new("mood".to_owned(), labels);
    let mut writer = writer("text");
    writer.kind = ColumnType::Enum(mood);
    check_with(
        &writer,
        &[
            ("sad", Ok("sad")),
            ("so so", Ok("so so")),
            ("happy", Err(NotALabel)),
            ("sad ", Err(NotALabel)),
            ("", Err(NotALabel)),
        ],
    );
    let mut out = Vec::new();
    let reason = writer
        .write(b"x", &mut out)
        .expect_err("none")
        .into_reason();
    assert_eq!(
        reason,
        "\"x\" is no label of mood, which has \"sad\", \"so so\", \"Happy\""
    );
    writer.kind = Element::new(writer.kind)
        .map(ColumnType::Array)
        .expect("a type");
    check_with(
        &writer,
        &[
            ("{sad,\"so so\",NULL}", Ok("{sad,\"so so\",NULL}")),
            ("{glad}", Err(NotALabel)),
        ],
    );
}
