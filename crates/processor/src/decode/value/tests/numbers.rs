use arrivage_model::ReasonCode::{NotANumber, OutOfRange};

use super::{check, check_with, writer};
use crate::decode::value::Writer;

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
        &[
            ("2147483647", Ok("2147483647")),
            ("2147483648", Err(OutOfRange)),
        ],
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
    check(
        "numeric(3,3)",
        &[("0.123", Ok("0.123")), ("1", Err(OutOfRange))],
    );
    check(
        "numeric(3)",
        &[
            ("123", Ok("123")),
            ("123.0", Ok("123")),
            ("1.5", Err(OutOfRange)),
        ],
    );
    let most = format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383));
    check(
        "numeric",
        &[
            ("1.50", Ok("1.50")),
            ("-0", Ok("0")),
            (
                "12345678901234567890.123456789",
                Ok("12345678901234567890.123456789"),
            ),
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
        &[
            ("12,5", Ok("12.50")),
            ("12.5", Err(NotANumber)),
            ("1.000,00", Err(NotANumber)),
        ],
    );
    check_with(
        &comma("double precision"),
        &[
            ("12,5", Ok("12.5")),
            ("12.5", Err(NotANumber)),
            ("1,2,3", Err(NotANumber)),
        ],
    );
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
