use arrivage_model::{ColumnType, ReasonCode};

use super::{DateFormat, Writer};
use ReasonCode::{
    NotABoolean, NotADate, NotANumber, NotATime, NotAUuid, NotHex, NotJson, Nul, OutOfRange,
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
fn whole_numbers_are_a_sign_and_digits() {
    check(
        "smallint",
        &[
            ("0", Ok("0")),
            ("-0", Ok("0")),
            ("+5", Ok("5")),
            ("007", Ok("7")),
            ("32767", Ok("32767")),
            ("32768", Err(OutOfRange)),
            ("-32768", Ok("-32768")),
            ("-32769", Err(OutOfRange)),
            ("-00032768", Ok("-32768")),
            ("", Err(NotANumber)),
            ("+", Err(NotANumber)),
            ("--1", Err(NotANumber)),
            ("1.5", Err(NotANumber)),
            ("1.0", Err(NotANumber)),
            ("1e3", Err(NotANumber)),
            (" 7", Err(NotANumber)),
            ("7 ", Err(NotANumber)),
            ("0x10", Err(NotANumber)),
            ("1_000", Err(NotANumber)),
            ("1,000", Err(NotANumber)),
            ("٣", Err(NotANumber)),
        ],
    );
    check(
        "integer",
        &[("2147483647", Ok("2147483647")), ("2147483648", Err(OutOfRange))],
    );
    check(
        "bigint",
        &[
            ("9223372036854775807", Ok("9223372036854775807")),
            ("9223372036854775808", Err(OutOfRange)),
            ("-9223372036854775808", Ok("-9223372036854775808")),
            ("-9223372036854775809", Err(OutOfRange)),
            ("9999999999999999999", Err(OutOfRange)),
            ("99999999999999999999999999", Err(OutOfRange)),
            ("00000000000000000000000000000001", Ok("1")),
        ],
    );
}

#[test]
fn decimals_are_exact_or_refused() {
    check(
        "numeric(5,2)",
        &[
            ("999.99", Ok("999.99")),
            ("999.994", Err(OutOfRange)),
            ("999.9900", Ok("999.99")),
            ("1000", Err(OutOfRange)),
            ("0999", Ok("999.00")),
            ("5", Ok("5.00")),
            ("5.", Ok("5.00")),
            (".5", Ok("0.50")),
            ("-.5", Ok("-0.50")),
            ("-0.00", Ok("0.00")),
            ("+1.1", Ok("1.10")),
            (".", Err(NotANumber)),
            ("", Err(NotANumber)),
            ("-", Err(NotANumber)),
            ("1.2.3", Err(NotANumber)),
            ("1,2", Err(NotANumber)),
            ("1e2", Err(NotANumber)),
            ("NaN", Err(NotANumber)),
            ("Infinity", Err(NotANumber)),
            ("12 ", Err(NotANumber)),
        ],
    );
    check("numeric(3,3)", &[("0.123", Ok("0.123")), ("1", Err(OutOfRange))]);
    check("numeric(3)", &[("123", Ok("123")), ("123.0", Ok("123")), ("1.5", Err(OutOfRange))]);
    let most = format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383));
    check(
        "numeric",
        &[
            ("1.50", Ok("1.50")),
            ("-0", Ok("0")),
            ("12345678901234567890.123456789", Ok("12345678901234567890.123456789")),
            (&most, Ok(&most)),
            (&format!("1{}", "0".repeat(131_072)), Err(OutOfRange)),
            (&format!("0.{}", "1".repeat(16_384)), Err(OutOfRange)),
        ],
    );
}

#[test]
fn the_decimal_mark_is_the_declared_one() {
    let comma = |kind: &str| Writer {
        decimal: b',',
        ..writer(kind)
    };
    check_with(
        &comma("numeric(12,2)"),
        &[("12,5", Ok("12.50")), ("12.5", Err(NotANumber)), ("1.000,00", Err(NotANumber))],
    );
    check_with(
        &comma("double precision"),
        &[("12,5", Ok("12.5")), ("12.5", Err(NotANumber)), ("1,2,3", Err(NotANumber))],
    );
}

#[test]
fn equal_keys_have_equal_texts() {
    let key = |kind: &str| Writer {
        key: true,
        ..writer(kind)
    };
    check_with(&key("numeric"), &[("1.50", Ok("1.5")), ("1.00", Ok("1")), ("100", Ok("100"))]);
    check_with(&key("char(5)"), &[("ab  ", Ok("ab")), ("     ", Ok(""))]);
    check_with(&key("text"), &[("ab ", Ok("ab "))]);
    check_with(&key("double precision"), &[("-0", Ok("0")), ("-0.5", Ok("-0.5"))]);
}

#[test]
fn floating_point_numbers_alone_are_rounded() {
    check(
        "double precision",
        &[
            ("0.1", Ok("0.1")),
            ("1.10", Ok("1.1")),
            ("-0", Ok("-0")),
            ("1e3", Ok("1000")),
            ("1E-7", Ok("1e-7")),
            ("+.5e+1", Ok("5")),
            ("5.", Ok("5")),
            ("9007199254740993", Ok("9007199254740992")),
            ("1e22", Ok("1e22")),
            ("1.7976931348623157e308", Ok("1.7976931348623157e308")),
            ("1e309", Err(OutOfRange)),
            ("-1e309", Err(OutOfRange)),
            ("5e-324", Ok("5e-324")),
            ("1e-400", Err(OutOfRange)),
            ("0e-400", Ok("0")),
            ("0.000e99999", Ok("0")),
            ("", Err(NotANumber)),
            ("e5", Err(NotANumber)),
            ("1e", Err(NotANumber)),
            ("1e+", Err(NotANumber)),
            ("1e5.5", Err(NotANumber)),
            ("nan", Err(NotANumber)),
            ("inf", Err(NotANumber)),
            ("infinity", Err(NotANumber)),
            ("0x1p3", Err(NotANumber)),
            (" 1", Err(NotANumber)),
            ("1_0", Err(NotANumber)),
        ],
    );
    check(
        "real",
        &[
            ("0.1", Ok("0.1")),
            ("16777217", Ok("16777216")),
            ("3.4028235e38", Ok("3.4028235e38")),
            ("3.5e38", Err(OutOfRange)),
            ("1e-46", Err(OutOfRange)),
        ],
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
        &[("abc", Ok("abc")), ("äöü", Ok("äöü")), ("abcd", Err(TooLong)), ("abc ", Err(TooLong))],
    );
    check("varchar", &[("any length", Ok("any length"))]);
    check("char(2)", &[("a", Ok("a")), ("a ", Ok("a ")), ("a  ", Err(TooLong))]);
}

#[test]
fn dates_are_days_of_the_calendar() {
    check(
        "date",
        &[
            ("2024-02-29", Ok("2024-02-29")),
            ("2023-02-29", Err(NotADate)),
            ("1900-02-29", Err(NotADate)),
            ("2000-02-29", Ok("2000-02-29")),
            ("2024-02-30", Err(NotADate)),
            ("2024-04-31", Err(NotADate)),
            ("2024-13-01", Err(NotADate)),
            ("2024-00-01", Err(NotADate)),
            ("2024-01-00", Err(NotADate)),
            ("0001-01-01", Ok("0001-01-01")),
            ("0000-01-01", Err(NotADate)),
            ("9999-12-31", Ok("9999-12-31")),
            ("10000-01-01", Err(NotADate)),
            ("-2024-01-01", Err(NotADate)),
            ("+2024-01-01", Err(NotADate)),
            ("2024-1-1", Err(NotADate)),
            ("24-01-01", Err(NotADate)),
            ("2024/01/01", Err(NotADate)),
            ("01/02/2024", Err(NotADate)),
            ("20240101", Err(NotADate)),
            ("2024-01-01 ", Err(NotADate)),
            ("2024-01-01T00:00:00", Err(NotADate)),
            ("2024-01-01T", Err(NotADate)),
            ("now", Err(NotADate)),
            ("today", Err(NotADate)),
            ("epoch", Err(NotADate)),
            ("infinity", Err(NotADate)),
            ("-infinity", Err(NotADate)),
            ("J2451187", Err(NotADate)),
            ("", Err(NotADate)),
            ("２０２４-01-01", Err(NotADate)),
        ],
    );
}

#[test]
fn times_end_before_midnight() {
    check(
        "time",
        &[
            ("00:00", Ok("00:00:00")),
            ("23:59:59", Ok("23:59:59")),
            ("12:34:56.5", Ok("12:34:56.5")),
            ("12:34:56,5", Ok("12:34:56.5")),
            ("12:34:56.123456", Ok("12:34:56.123456")),
            ("12:34:56.120000", Ok("12:34:56.12")),
            ("12:34:56.1234560", Ok("12:34:56.123456")),
            ("12:34:56.1234567", Err(NotATime)),
            ("12:34:56.", Err(NotATime)),
            ("24:00:00", Err(NotATime)),
            ("23:60:00", Err(NotATime)),
            ("23:59:60", Err(NotATime)),
            ("1:00", Err(NotATime)),
            ("12", Err(NotATime)),
            ("12:00:0", Err(NotATime)),
            ("12:00 PM", Err(NotATime)),
            ("12:00:00Z", Err(NotATime)),
            ("allballs", Err(NotATime)),
            ("", Err(NotATime)),
        ],
    );
}

#[test]
fn timestamps_have_no_offset() {
    check(
        "timestamp",
        &[
            ("2024-01-02 03:04:05", Ok("2024-01-02 03:04:05")),
            ("2024-01-02T03:04:05.678", Ok("2024-01-02 03:04:05.678")),
            ("2024-01-02t03:04", Ok("2024-01-02 03:04:00")),
            ("2024-01-02", Ok("2024-01-02 00:00:00")),
            ("2024-01-02T03:04:05Z", Err(NotADate)),
            ("2024-01-02T03:04:05+01:00", Err(NotADate)),
            ("2024-01-02T24:00:00", Err(NotADate)),
            ("2024-02-30T00:00:00", Err(NotADate)),
            ("2024-01-02T03:04:05.1234567", Err(NotADate)),
            ("2024-01-02  03:04:05", Err(NotADate)),
            ("2024-01-02 03:04:05 ", Err(NotADate)),
            ("2024-01-02T", Err(NotADate)),
            ("2024-01-02x03:04:05", Err(NotADate)),
            ("2024-01-02 03:04:05 UTC", Err(NotADate)),
            ("now", Err(NotADate)),
        ],
    );
}

#[test]
fn moments_have_an_offset_and_become_utc() {
    check(
        "timestamptz",
        &[
            ("2024-01-02T03:04:05Z", Ok("2024-01-02 03:04:05+00:00")),
            ("2024-01-02 03:04:05z", Ok("2024-01-02 03:04:05+00:00")),
            ("2024-01-02T03:04:05.5+01:00", Ok("2024-01-02 02:04:05.5+00:00")),
            ("2024-01-01T00:30:00+0530", Ok("2023-12-31 19:00:00+00:00")),
            ("2024-02-28T23:00:00-02", Ok("2024-02-29 01:00:00+00:00")),
            ("2024-01-02T03:04:05-00:00", Ok("2024-01-02 03:04:05+00:00")),
            ("2024-01-02T03:04:05+15:59", Ok("2024-01-01 11:05:05+00:00")),
            ("2024-01-02T03:04:05+16:00", Err(NotADate)),
            ("2024-01-02T03:04:05+01:60", Err(NotADate)),
            ("2024-01-02T03:04:05", Err(NotADate)),
            ("2024-01-02", Err(NotADate)),
            ("2024-01-02+01:00", Err(NotADate)),
            ("2024-01-02T03:04:05+1", Err(NotADate)),
            ("2024-01-02T03:04:05+01:0", Err(NotADate)),
            ("2024-01-02T03:04:05 +01:00", Err(NotADate)),
            ("2024-01-02T03:04:05 Europe/Paris", Err(NotADate)),
            ("0001-01-01T00:00:00+01:00", Err(NotADate)),
            ("9999-12-31T23:59:59-01:00", Err(NotADate)),
            ("now", Err(NotADate)),
        ],
    );
}

fn formatted(kind: &str, format: &str) -> Writer {
    let plain = writer(kind);
    Writer {
        format: Some(DateFormat::new(format, plain.kind).expect(format)),
        ..plain
    }
}

#[test]
fn dates_are_read_as_declared_and_no_other_way() {
    check_with(
        &formatted("date", "%d.%m.%Y"),
        &[
            ("01.02.2024", Ok("2024-02-01")),
            ("1.2.2024", Ok("2024-02-01")),
            ("31.02.2024", Err(NotADate)),
            ("01.02.24", Err(NotADate)),
            ("01.02.0024", Ok("0024-02-01")),
            ("01.02.+2024", Err(NotADate)),
            ("01.02.-2024", Err(NotADate)),
            ("01.02.12024", Err(NotADate)),
            (" 01.02.2024", Err(NotADate)),
            ("01. 02.2024", Err(NotADate)),
            ("01.02.2024 ", Err(NotADate)),
            ("01.02.2024x", Err(NotADate)),
            ("2024-02-01", Err(NotADate)),
            ("now", Err(NotADate)),
            ("", Err(NotADate)),
        ],
    );
    check_with(
        &formatted("date", "%Y%m%d"),
        &[("20240102", Ok("2024-01-02")), ("2024010", Err(NotADate)), ("2024012", Err(NotADate))],
    );
    check_with(
        &formatted("timestamp", "%Y%m%d %H%M%S%.f"),
        &[
            ("20240102 030405", Ok("2024-01-02 03:04:05")),
            ("20240102 030405.25", Ok("2024-01-02 03:04:05.25")),
            ("20240102 03045", Err(NotADate)),
        ],
    );
    check_with(&formatted("time", "%H%M"), &[("0130", Ok("01:30:00")), ("130", Err(NotATime))]);
    check_with(&formatted("date", "%d/%m/%y"), &[("01/02/24", Ok("2024-02-01"))]);
    check_with(
        &formatted("date", "%d %b %Y"),
        &[("1 feb 2024", Ok("2024-02-01")), ("1 Feb 2024 ", Err(NotADate))],
    );
    check_with(
        &formatted("date", "%Y-%m-%d %H:%M:%S"),
        &[("2024-01-02 00:00:00", Ok("2024-01-02")), ("2024-01-02 00:00:01", Err(NotADate))],
    );
    check_with(
        &formatted("time", "%I:%M %p"),
        &[("01:30 PM", Ok("13:30:00")), ("13:30 PM", Err(NotATime))],
    );
    check_with(
        &formatted("time", "%H%M%S"),
        &[("133059", Ok("13:30:59")), ("133060", Err(NotATime)), ("240000", Err(NotATime))],
    );
    check_with(
        &formatted("timestamp", "%d/%m/%Y %H:%M:%S.%f"),
        &[
            ("02/01/2024 03:04:05.5", Ok("2024-01-02 03:04:05.5")),
            ("02/01/2024 03:04:05.500000", Ok("2024-01-02 03:04:05.5")),
            ("02/01/2024 03:04:05.0000001", Err(NotADate)),
            ("02/01/2024 03:04:05.5000000001", Err(NotADate)),
        ],
    );
    check_with(&formatted("timestamp", "%d/%m/%Y"), &[("02/01/2024", Ok("2024-01-02 00:00:00"))]);
    check_with(
        &formatted("timestamptz", "%d/%m/%Y %H:%M %z"),
        &[("02/01/2024 03:04 +0200", Ok("2024-01-02 01:04:00+00:00"))],
    );
    check_with(
        &formatted("timestamptz", "%s"),
        &[("1704164645", Ok("2024-01-02 03:04:05+00:00")), ("x", Err(NotADate))],
    );
}

#[test]
fn a_format_must_make_the_type() {
    let check = |kind: &str, format: &str, expect: &str| {
        let kind: ColumnType = kind.parse().expect(kind);
        let problem = DateFormat::new(format, kind).expect_err(format);
        assert!(problem.contains(expect), "{problem}");
    };
    check("date", "%d.%m", "it must say year, month and day");
    check("date", "%Q", "no strftime format");
    check("date", "yyyy-mm-dd", "it must say year, month and day");
    check("time", "%Y-%m-%d", "it must say hour and minute");
    check("time", "%d %H:%M", "and no day");
    check("timestamp", "%Y-%m-%d %H:%M:%S %z", "no offset");
    check("timestamp", "%Y-%m-%d %H", "it must say");
    check("timestamptz", "%Y-%m-%d %H:%M:%S", "offset (%z)");
    check("timestamp", "%Y-%m-%d %H:%M:%S%f", "%3f, %6f or %9f");
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
fn json_is_as_its_rfc_says() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let same = |text: &'static str| (text, Ok(text));
    check(
        "jsonb",
        &[
            same(r#"{"a": [1, -2.5e+10, true, null, "ü\n\u00fc\ud83d\ude00"]}"#),
            same("1"),
            same("\"text\""),
            same(" { } "),
            same("123456789012345678901234567890.12345678901234567890"),
            same(r#"[{"a":1},{"a":2}]"#),
            (&deep(128), Ok(&deep(128))),
            (&deep(129), Err(NotJson)),
            (&"[".repeat(100_000), Err(NotJson)),
            (r#"{"a":1,"a":2}"#, Err(NotJson)),
            (r#"{"a":1,"\u0061":2}"#, Err(NotJson)),
            (r#"{"b":{"a":1,"a":2}}"#, Err(NotJson)),
            (r#"{"a":"\u0000"}"#, Err(Nul)),
            (r#"{"\u0000":1}"#, Err(Nul)),
            (r#""\ud800""#, Err(NotJson)),
            (r#""\ud800\u0041""#, Err(NotJson)),
            (r#""\udc00\ud800""#, Err(NotJson)),
            (r#""\u12g4""#, Err(NotJson)),
            (r#""\x41""#, Err(NotJson)),
            ("\"\t\"", Err(NotJson)),
            ("\"open", Err(NotJson)),
            ("\"open\\", Err(NotJson)),
            ("NaN", Err(NotJson)),
            ("Infinity", Err(NotJson)),
            ("-", Err(NotJson)),
            ("01", Err(NotJson)),
            ("1.", Err(NotJson)),
            (".5", Err(NotJson)),
            ("+1", Err(NotJson)),
            ("1e", Err(NotJson)),
            ("0x1", Err(NotJson)),
            ("'a'", Err(NotJson)),
            ("[1,]", Err(NotJson)),
            ("[,1]", Err(NotJson)),
            ("[1 2]", Err(NotJson)),
            (r#"{"a":1,}"#, Err(NotJson)),
            (r#"{"a" 1}"#, Err(NotJson)),
            (r#"{a:1}"#, Err(NotJson)),
            (r#"{"a":}"#, Err(NotJson)),
            ("{", Err(NotJson)),
            ("1 2", Err(NotJson)),
            ("tru", Err(NotJson)),
            ("nulll", Err(NotJson)),
            ("/* */1", Err(NotJson)),
            ("", Err(NotJson)),
            ("\u{feff}1", Err(NotJson)),
        ],
    );
}

#[test]
fn a_name_that_stands_twice_is_found_among_many() {
    let object = |names: std::ops::Range<usize>, last: &str| {
        let members: Vec<_> = names.map(|name| format!("\"n{name}\":0")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    for many in [2, 15, 16, 17, 18, 100] {
        let twice = object(0..many, "n0");
        let once = object(0..many, "m");
        check("json", &[(&twice, Err(NotJson)), (&once, Ok(&once))]);
    }
}
