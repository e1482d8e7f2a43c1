use arrivage_model::ColumnType;
use arrivage_model::ReasonCode::{NotADate, NotATime};

use super::{check, check_with, writer};
use crate::decode::value::{DateFormat, Writer};

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
            // In Paris this hour never was: without an offset nobody asks where.
            ("2024-03-31 02:30:00", Ok("2024-03-31 02:30:00")),
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
            (
                "2024-01-02T03:04:05.5+01:00",
                Ok("2024-01-02 02:04:05.5+00:00"),
            ),
            ("2024-01-01T00:30:00+0530", Ok("2023-12-31 19:00:00+00:00")),
            ("2024-02-28T23:00:00-02", Ok("2024-02-29 01:00:00+00:00")),
            ("2024-01-02T03:04:05-00:00", Ok("2024-01-02 03:04:05+00:00")),
            ("2024-01-02T03:04:05+15:59", Ok("2024-01-01 11:05:05+00:00")),
            ("2024-01-02T03:04:05+16:00", Err(NotADate)),
            ("2024-01-02T03:04:05+01:60", Err(NotADate)),
            ("2024-01-02T03:04:05", Err(NotADate)),
            ("2024-03-31T02:30:00", Err(NotADate)),
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
        &[
            ("20240102", Ok("2024-01-02")),
            ("2024010", Err(NotADate)),
            ("2024012", Err(NotADate)),
        ],
    );
    check_with(
        &formatted("timestamp", "%Y%m%d %H%M%S%.f"),
        &[
            ("20240102 030405", Ok("2024-01-02 03:04:05")),
            ("20240102 030405.25", Ok("2024-01-02 03:04:05.25")),
            ("20240102 03045", Err(NotADate)),
        ],
    );
    check_with(
        &formatted("time", "%H%M"),
        &[("0130", Ok("01:30:00")), ("130", Err(NotATime))],
    );
    check_with(
        &formatted("date", "%d/%m/%y"),
        &[("01/02/24", Ok("2024-02-01"))],
    );
    check_with(
        &formatted("date", "%d %b %Y"),
        &[
            ("1 feb 2024", Ok("2024-02-01")),
            ("1 Feb 2024 ", Err(NotADate)),
        ],
    );
    check_with(
        &formatted("date", "%Y-%m-%d %H:%M:%S"),
        &[
            ("2024-01-02 00:00:00", Ok("2024-01-02")),
            ("2024-01-02 00:00:01", Err(NotADate)),
        ],
    );
    check_with(
        &formatted("time", "%I:%M %p"),
        &[("01:30 PM", Ok("13:30:00")), ("13:30 PM", Err(NotATime))],
    );
    check_with(
        &formatted("time", "%H%M%S"),
        &[
            ("133059", Ok("13:30:59")),
            ("133060", Err(NotATime)),
            ("240000", Err(NotATime)),
        ],
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
    check_with(
        &formatted("timestamp", "%d/%m/%Y"),
        &[("02/01/2024", Ok("2024-01-02 00:00:00"))],
    );
    check_with(
        &formatted("timestamptz", "%d/%m/%Y %H:%M %z"),
        &[("02/01/2024 03:04 +0200", Ok("2024-01-02 01:04:00+00:00"))],
    );
    check_with(
        &formatted("timestamptz", "%s"),
        &[
            ("1704164645", Ok("2024-01-02 03:04:05+00:00")),
            ("x", Err(NotADate)),
        ],
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
