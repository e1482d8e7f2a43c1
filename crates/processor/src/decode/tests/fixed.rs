use arrivage_model::{ColumnSource, Positions, Ragged};

use super::{Case, column, csv, fixed, from};

fn lines() -> Case {
    fixed(
        "id integer, name text, note text",
        &[
            ("id", 1, Some(4)),
            ("name", 5, Some(10)),
            ("note", 12, None),
        ],
    )
}

#[test]
fn values_stand_at_their_positions() {
    lines().check(
        "   1Anna  xFirst one\n0002Bo    x\n",
        &["1|Anna|First one", "2|Bo|∅"],
    );
    lines().check("   1Anna  x\r\n   2Éloïse x\r", &["1|Anna|∅", "2|Éloïse|x"]);
    lines().check("   1      x", &["1|∅|∅"]);
    lines().check("x  1Anna  \n   2Bo    \n", &["!not_a_number id", "2|Bo|∅"]);
    lines().check("", &[]);
    lines().check("\n          \n", &[]);
    // Quotes, delimiters and tabs are text.
    lines().check("   1\"a,b;\"\tx\n", &["1|\"a,b;\"|x"]);
    let gaps = fixed("a text, b text", &[("b", 1, Some(1)), ("a", 3, Some(3))]);
    gaps.check("1-2-3\n", &["2|1"]);
}

#[test]
fn a_line_that_ends_early_is_ragged_or_filled_up() {
    lines().check("   1Anna\n   2Bo    \n", &["!ragged", "2|Bo|∅"]);
    lines().check(
        "   1Bo   \n   1Bo    \n   1Bo    x\n",
        &["!ragged", "1|Bo|∅", "1|Bo|∅"],
    );
    let pad = || lines().lines(|format| format.ragged = Ragged::Pad);
    pad().check(
        "   1Anna\n   2\n 3\nx\n",
        &["1|Anna|∅", "2|∅|∅", "3|∅|∅", "!not_a_number id"],
    );
    lines().check("   1é😀é\n   1é😀éxyz\n", &["!ragged", "1|é😀éxyz|∅"]);
}

#[test]
fn positions_count_characters_or_bytes() {
    let by_bytes = || lines().lines(|format| format.positions = Positions::Bytes);
    lines().check("   1éééééé rest\n", &["1|éééééé|rest"]);
    by_bytes().check("   1ééé restx\n", &["1|ééé|restx"]);
    by_bytes().check(
        "   1xéééy rest\n   2abcdef rest\n",
        &["!invalid_encoding name", "2|abcdef|rest"],
    );
    by_bytes().check(b"   1\xffbcdef rest\n", &["!invalid_encoding name"]);
    lines().check(b"   1\xffbcdef rest\n", &["!invalid_encoding"]);
    // In other encodings as well.
    lines()
        .encoding("windows-1252")
        .check(b"   1\xe9\xe9\xe9\xe9\xe9\xe9 rest\n", &["1|éééééé|rest"]);
}

#[test]
fn lines_that_are_no_records_are_passed_over() {
    let case = lines().lines(|format| {
        format.skip_lines = 1;
        format.skip_last = 1;
        format.comment = Some(b'*');
        format.trailer = Some("=*".to_owned());
    });
    case.check(
        "TITLE\n* note\n   1Anna  \n======\n   2Bo    \n0002 records\n",
        &["1|Anna|∅", "2|Bo|∅"],
    );
}

#[test]
fn blanks_are_trimmed_and_words_mean_null() {
    let raw = lines().lines(|format| {
        format.trim = false;
        format.null = vec!["------".to_owned()];
    });
    raw.check("0001 Anna x y \n0002------xz", &["1| Anna | y ", "2|∅|z"]);
    raw.check("   1Anna  x \n", &["!not_a_number id"]);
}

#[test]
fn a_long_line_is_one_reject() {
    let case = lines().max_record(12);
    case.check(
        "   1Anna  x12\n   2Bo    xy\n",
        &["!record_too_long", "2|Bo|y"],
    );
}

#[test]
fn only_declared_positions_are_read() {
    let captured = lines().declare(from("day", ColumnSource::Capture("day".to_owned())));
    let mut captured = captured;
    captured.table.columns.push(arrivage_model::TableColumn {
        name: "day".to_owned(),
        kind: Ok(arrivage_model::ColumnType::Date),
        required: true,
    });
    captured.check("   1Anna  ", &["1|Anna|∅|2024-01-02"]);
    let problem = |case: Case| case.plan().expect_err("does not fit").to_string();
    let missing = fixed("id integer!, name text", &[("name", 1, None)]);
    assert!(problem(missing).contains("the table's column id must be filled"));
    let named = lines().declare(column("x"));
    assert!(problem(named).contains("no column x"));
    let by_name = fixed("a text", &[]).declare(from("a", ColumnSource::Name("a".to_owned())));
    assert!(problem(by_name).contains("a line of a fixed width has no names"));
    let range = arrivage_model::Range {
        first: 1,
        last: None,
    };
    let of_csv = csv("a text").declare(from("a", ColumnSource::Range(range)));
    assert!(problem(of_csv).contains("only lines of a fixed width"));
}
