use arrivage_model::{Column, ColumnSource, ColumnType};

use crate::decode::tests::{Case, column, csv, from, json_lines};

/// The one problem that is found.
fn check(case: &Case, expect: &str) {
    let error = case.plan().expect_err(expect);
    assert_eq!(error.problems.len(), 1, "{:?}", error.problems);
    assert_eq!(error.to_string(), expect);
}

fn typed(name: &str, kind: &str) -> Column {
    Column {
        kind: Some(kind.parse().expect(kind)),
        ..column(name)
    }
}

#[test]
fn a_declared_column_must_be_in_the_table() {
    let case = csv("id integer, name text");
    check(
        &case.clone().declare(column("nam")),
        "pipeline.p.column.nam: the table public.t has no column nam; it has id, name",
    );
    check(
        &case.clone().declare(column("_record")),
        "pipeline.p.column._record: _record is filled with the place of each record, and never from the file",
    );
    check(
        &case.clone().declare(column("id")).declare(column("id")),
        "pipeline.p.column.id: the column is declared twice",
    );
    check(
        &case.key(&["nr"]),
        "pipeline.p.key: the table public.t has no column nr; it has id, name",
    );
}

#[test]
fn a_declared_type_must_fit_the_tables() {
    let case = csv("id integer, at timestamptz, place geometry");
    check(
        &case.clone().declare(typed("id", "text")),
        "pipeline.p.column.id.type: text does not fit the table's column, which is integer; declare integer, or leave the type out",
    );
    check(
        &case.clone().declare(column("place")),
        "pipeline.p.column.place.type: the column place has the type geometry, which cannot be checked here; declare the column with a type that its values have, type = \"text\" for any",
    );
    let narrower = case.declare(typed("id", "smallint")).plan().expect("fits");
    let writer = narrower.columns[0].writer.as_ref().expect("known");
    assert_eq!(writer.kind, ColumnType::SmallInt);
}

#[test]
fn a_column_that_must_be_filled_must_be_known() {
    check(
        &csv("id integer, place geometry!"),
        "pipeline.p.column: the column place has the type geometry, which cannot be checked here; declare the column with a type that its values have, type = \"text\" for any",
    );
    assert!(csv("id integer, place geometry").plan().is_ok());
}

#[test]
fn a_source_must_suit_the_format() {
    let declared = |case: Case, source: ColumnSource| case.declare(from("id", source));
    let pointer = || ColumnSource::Pointer("/a".to_owned());
    let name = || ColumnSource::Name("Nr".to_owned());
    let headless = || csv("id integer, name text").dialect(|csv| csv.header = false);
    check(
        &declared(csv("id integer"), pointer()),
        "pipeline.p.column.id.from: \"/a\" is a JSON pointer, and the format is csv; give a header or a position",
    );
    check(
        &declared(json_lines("id integer"), ColumnSource::Position(1)),
        "pipeline.p.column.id.from: a JSON object has no positions; give a member's name or a JSON pointer",
    );
    check(
        &declared(
            json_lines("id integer"),
            ColumnSource::Pointer("a".to_owned()),
        ),
        "pipeline.p.column.id.from: \"a\" is no JSON pointer, which begins with /",
    );
    check(
        &declared(csv("id integer"), ColumnSource::Position(0)),
        "pipeline.p.column.id.from: the first position is 1",
    );
    check(
        &declared(csv("id integer"), ColumnSource::Capture("shop".to_owned())),
        "pipeline.p.column.id.from: no pattern in match captures {shop}",
    );
    check(
        &declared(csv("id integer"), ColumnSource::Constant("many".to_owned())),
        "pipeline.p.column.id.constant: \"many\" is no whole number: a sign and digits make one",
    );
    check(
        &declared(headless(), name()),
        "pipeline.p.column.id.from: \"Nr\" names a header, and header = false; give the position of the field",
    );
    check(
        &declared(headless(), ColumnSource::Position(2)).declare(column("name")),
        "pipeline.p.column.name.from: give the position of its field, as other columns have it; header = false",
    );
    check(
        &declared(
            csv("id integer, name text!").dialect(|csv| csv.header = false),
            ColumnSource::Position(2),
        ),
        "pipeline.p.column: the table's column name must be filled; declare it with its position in from, because header = false",
    );
}

#[test]
fn what_says_how_values_are_written_must_make_sense() {
    let case = || csv("id integer, day date, amount numeric(5,2)");
    let with = |column: Column| case().declare(column);
    check(
        &with(Column {
            format: Some("%d".to_owned()),
            ..column("id")
        }),
        "pipeline.p.column.id.format: it says how dates and times are written, and the type is integer",
    );
    check(
        &with(Column {
            format: Some("%d.%m".to_owned()),
            ..column("day")
        }),
        "pipeline.p.column.day.format: \"%d.%m\" does not make a date: it must say year, month and day",
    );
    check(
        &with(Column {
            decimal: '1',
            ..column("amount")
        }),
        "pipeline.p.column.amount.decimal: '1' cannot be a decimal mark",
    );
    check(
        &with(Column {
            default: Some("x".to_owned()),
            ..column("id")
        }),
        "pipeline.p.column.id.default: \"x\" is no whole number: a sign and digits make one",
    );
    let german = Column {
        format: Some("%d.%m.%Y".to_owned()),
        default: Some("31.12.1999".to_owned()),
        ..column("day")
    };
    let plan = with(german).plan().expect("fits");
    assert_eq!(plan.columns[1].default.as_deref(), Some(&b"1999-12-31"[..]));
}

#[test]
fn all_problems_are_told_together() {
    let case = csv("id integer")
        .declare(column("a"))
        .declare(typed("id", "uuid"))
        .max_record(0);
    let error = case.plan().expect_err("three problems");
    assert_eq!(error.problems.len(), 3, "{error}");
}

#[test]
fn a_record_must_fit_its_bounds() {
    check(
        &csv("id integer").max_record(usize::MAX),
        "pipeline.p.format.max_record: with 0 declared columns it must be from 1 to 1073741824 bytes",
    );
}
