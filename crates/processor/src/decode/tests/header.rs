use arrivage_model::{Captures, Checkpoint, ColumnSource, ErrorCode};

use super::{LARGE, column, csv, from, json_lines};
use crate::decode::DecodeError;

fn name(name: &str) -> ColumnSource {
    ColumnSource::Name(name.to_owned())
}

#[test]
fn columns_are_found_by_name_wherever_they_stand() {
    let case = csv("id integer, name text, note text");
    case.check("name,id\nx,1\n", &["1|x"]);
    case.check("note,extra,id,name\nn,e,1,x\n", &["1|x|n"]);
    case.check("\u{feff}id,name\n1,x\n", &["1|x"]);
    case.check("\u{feff}\"id\",\"name\"\n1,x\n", &["1|x"]);
    case.check(" ID ,NAME\n1,x\n", &["1|x"]);
    case.check("id,name,\n1,x,\n", &["1|x"]);
    csv("été text").check("ÉTÉ\nx\n", &["x"]);
    // The name as it is goes before the name in other case.
    case.check("Id,id\n1,2\n", &["2"]);
    case.check("Id,ID,id\n1,2,3\n", &["3"]);
}

#[test]
fn columns_that_differ_in_case_are_told_apart() {
    let case = csv("id integer, ID integer");
    case.check("id,ID\n1,2\n", &["1|2"]);
    case.check("ID,id\n1,2\n", &["2|1"]);
    case.check("id\n1\n", &["1"]);
    case.check_refused(
        "Id\n1\n",
        &["no name in the header is a column of the table public.t"],
    );
}

#[test]
fn a_header_that_lacks_a_column_fails_the_file() {
    let case = csv("id integer!, name text, note text!");
    case.check_refused(
        "name,x\n",
        &["lacks the column id and the column note", "\"name\", \"x\""],
    );
    let declared = csv("id integer, name text").declare(from("name", name("Full name")));
    declared.check_refused("id,name\n", &["lacks \"Full name\" for the column name"]);
    declared.check("full NAME,id\nx,1\n", &["1|x"]);
    let position = csv("id integer, name text").declare(from("name", ColumnSource::Position(3)));
    position.check_refused("id,x\n", &["a field at position 3 for the column name"]);
    position.check("id,x,y\n1,2,3\n", &["1|3"]);
    let key = csv("id integer, name text").key(&["id"]);
    key.check_refused("name\nx\n", &["lacks the column id"]);
    key.check("id,name\n,x\n", &["!missing id"]);
}

#[test]
fn a_header_that_names_a_column_twice_fails_the_file() {
    let case = csv("id integer, name text");
    case.check_refused("id,name,id\n", &["has \"id\" twice", "the column id"]);
    case.check_refused("ID,Id,name\n", &["twice"]);
    case.check("id,x,x\n1,2,3\n", &["1"]);
}

#[test]
fn a_header_that_cannot_be_read_fails_the_file() {
    let case = csv("a text, b text").max_record(20);
    case.check_refused(b"a,\xff\n", &["not UTF-8", "byte 0xff at offset 2"]);
    case.check_refused("a,\"b\n", &["the header in line 1", "is not closed"]);
    case.check_refused("\n\"a\"x,b\n", &["the header in line 2", "closing quote"]);
    case.check_refused(
        "a,b,3456789012345678901234567890\n",
        &["longer than max_record"],
    );
    case.check_refused("x,y\n", &["no name in the header", "it has \"x\", \"y\""]);
}

#[test]
fn a_file_in_utf_32_is_refused_by_its_mark() {
    let expect = "it begins with the byte-order mark of UTF-32, which is not read";
    csv("id integer").check_refused(b"\xff\xfe\0\0i\0\0\0", &[expect]);
    json_lines("id integer").check_refused(b"\0\0\xfe\xff\0\0\0{", &[expect]);
    json_lines("id integer").check(b"\xff", &["!invalid_encoding"]);
}

#[test]
fn an_empty_file_is_no_error() {
    let case = csv("id integer!");
    for input in ["", "\u{feff}", "\n\n", "id\n", "\u{feff}id", "\r\n"] {
        case.check(input, &[]);
    }
    json_lines("id integer!").check("\u{feff}\n \n", &[]);
}

#[test]
fn a_column_of_unknown_type_fails_a_file_that_has_it() {
    let case = csv("id integer, place geometry");
    case.check("id\n1\n", &["1"]);
    case.check_refused(
        "id,place\n",
        &["place has the type geometry", "type = \"text\""],
    );
    let declared = case.clone().declare(super::Column {
        kind: Some(arrivage_model::ColumnType::Text),
        ..column("place")
    });
    declared.check("id,place\n1,POINT(1 2)\n", &["1|POINT(1 2)"]);

    let json = json_lines("id integer, place geometry");
    json.check(
        "{\"place\":null}\n{\"id\":1}\n{\"id\":2,\"place\":null}",
        &["!missing", "1", "2"],
    );
    json.check_refused(
        "{\"id\":1}\n{\"place\":1}",
        &["place has the type geometry"],
    );
}

#[test]
fn a_default_stands_for_null_and_for_a_field_that_is_not_there() {
    let with = |default: &str| super::Column {
        default: Some(default.to_owned()),
        ..column("n")
    };
    let case = csv("id integer!, n integer!").declare(with("007"));
    case.check("id,n\n1,\n2,5\n3,x\n", &["1|7", "2|5", "!not_a_number n"]);
    case.check("id\n1\n", &["1|7"]);
    let json = json_lines("id integer!, n integer!").declare(with("007"));
    json.check(
        "{\"id\":1}\n{\"id\":2,\"n\":null}\n{\"id\":3,\"n\":4}",
        &["1|7", "2|7", "3|4"],
    );
}

#[test]
fn a_column_may_be_filled_from_the_key() {
    let day = || from("day", ColumnSource::Capture("day".to_owned()));
    let columns = "id integer, day date!, name text";
    csv(columns)
        .declare(day())
        .check("id,name\n1,x\n", &["1|2024-01-02|x"]);
    csv(columns)
        .declare(day())
        .check("id,day\n1,2000-01-01\n", &["1|2024-01-02"]);
    json_lines(columns)
        .declare(day())
        .check("{\"id\":1}\n", &["1|2024-01-02"]);
    let positions = csv(columns)
        .declare(day())
        .dialect(|csv| csv.header = false);
    positions.check("1,x\n", &["1|2024-01-02|x"]);
    let constant = || from("day", ColumnSource::Constant("2000-01-01".to_owned()));
    csv(columns)
        .declare(constant())
        .check("id,day\n1,x\n", &["1|2000-01-01"]);
    json_lines(columns)
        .declare(constant())
        .check("{\"id\":1}\n", &["1|2000-01-01"]);
    let refused = |captures: Captures| -> DecodeError {
        let mut case = csv(columns).declare(day());
        case.captures = captures;
        case.chunks(b"", &[], &Checkpoint::default(), LARGE)
            .expect_err("cannot be filled")
    };
    let error = refused([("day".to_owned(), "monday".to_owned())].into());
    assert_eq!(error.code, ErrorCode::Target);
    assert!(
        error.message.contains("filled from {day}"),
        "{}",
        error.message
    );
    assert!(
        error.message.contains("\"monday\" is no date"),
        "{}",
        error.message
    );
    assert!(
        refused(Captures::new())
            .message
            .contains("nothing is known of it")
    );
}

#[test]
fn declared_positions_choose_fields() {
    let case = csv("a text, b text, c text")
        .dialect(|csv| csv.header = false)
        .declare(from("c", ColumnSource::Position(1)))
        .declare(from("a", ColumnSource::Position(3)));
    case.check("1,2,3\n1,2,3,4\n1,2\n", &["3|1", "3|1", "!ragged"]);
}

#[test]
fn what_no_column_takes_is_told() {
    let case = csv("id integer");
    let mut decoder = case.decoder(&Checkpoint::default(), LARGE).expect("begins");
    decoder.push(b"x,id,y\n", 7);
    assert!(decoder.take().expect("can be read").is_none());
    assert_eq!(decoder.ignored(), ["x", "y"]);
}
