mod dates;
mod json;
mod numbers;

use arrivage_model::{ColumnType, ReasonCode};

use super::Writer;
use ReasonCode::{NotABoolean, NotAUuid, NotHex, TooLong};

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
    check("text", &[("", Ok("")), (" a\n\\.", Ok(" a\n\\."))]);
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
