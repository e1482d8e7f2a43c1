//! JSON arrays of objects.

use arrivage_model::Checkpoint;

use super::{Case, ChunkTarget, json_lines, records};

fn ids() -> Case {
    json_lines("id bigint, name text")
}

#[test]
fn the_elements_of_an_array_are_records() {
    let check = |input: &str, expect: &[&str]| ids().check(input, expect);
    check("[{\"id\":1},{\"id\":2,\"name\":\"x\"}]", &["1", "2|x"]);
    check(
        "\u{feff} \r\n[\n  {\n    \"id\": 1\n  },\r\n  {\"id\":2}\n]\n",
        &["1", "2"],
    );
    check("[]", &[]);
    check(" [ \n ] \n", &[]);
    check("[{\"id\":1,\"x\":[{\"a\":\"],}\\\"[\"}]}]", &["1"]);
    check("[{\"id\":1} , {\"id\":2}\t]", &["1", "2"]);
}

#[test]
fn what_is_no_object_in_an_array_is_a_reject() {
    let check = |input: &str, expect: &[&str]| ids().check(input, expect);
    check(
        "[1,{\"id\":2},null,[3],\"4\"]",
        &["!not_json", "2", "!not_json", "!not_json", "!not_json"],
    );
    check("[{\"id\":1},]", &["1", "!not_json"]);
    check("[,{\"id\":1}]", &["!not_json", "1"]);
    check("[{\"id\":1},,{\"id\":2}]", &["1", "!not_json", "2"]);
    check("[{\"id\":1} {\"id\":2},{\"id\":3}]", &["!not_json", "3"]);
    check("[{\"id\":\"x\"},{\"id\":3}]", &["!not_a_number id", "3"]);
    check("[{\"id\":1}]\n{\"id\":2}\n[3]", &["1", "2", "!not_json"]);
    check("[{\"id\":1}}, {\"id\":2}]", &["!not_json", "2"]);
    check("{\"id\":1}\n[{\"id\":2}]\n", &["1", "!not_json"]);
    // To JSON a form feed is no blank: it belongs to an element, and is one.
    check("[{\"id\":1}\u{c},{\"id\":2}]", &["!not_json", "2"]);
    check(
        "[\u{c},{\"id\":2},\u{c}\n]",
        &["!not_json", "2", "!not_json"],
    );
}

#[test]
fn an_element_that_is_too_long_is_passed_over() {
    let long = format!("{{\"id\":1,\"name\":\"{},]\r\n\"}}", "x".repeat(100));
    let input = format!("[{{\"id\":0}},\n{long},\r\n{{\"id\":2}}]");
    ids()
        .max_record(40)
        .check(&input, &["0", "!record_too_long", "2"]);
    let exact = "[{\"id\":0,\"name\":\"1234567890\"},{\"id\":2}]";
    let length = exact.find("},").expect("two elements");
    ids()
        .max_record(length)
        .check(exact, &["0|1234567890", "2|∅"]);
    ids()
        .max_record(length - 1)
        .check(exact, &["!record_too_long", "2"]);
}

/// Whether they are too long must not depend on how much of what follows is there.
#[test]
fn blanks_before_an_array_may_be_as_long_as_a_record() {
    let check = |blanks: &str, expect: &[&str]| {
        let case = ids().max_record(12);
        let input = format!("{blanks}[{{\"id\":1}}]");
        let every_byte: Vec<_> = (0..input.len()).collect();
        for cuts in [&[][..], &every_byte] {
            let start = Checkpoint::default();
            let chunks = case.chunks(input.as_bytes(), cuts, &start, super::LARGE);
            let records = records(&chunks.expect("can be read"));
            let found: Vec<_> = records.into_iter().map(|record| record.what).collect();
            assert_eq!(found, expect, "{blanks:?} in {} pieces", cuts.len());
        }
    };
    let long = "\t".repeat(13);
    check(&long[1..], &["1"]);
    check(&format!("\n{}\r\n {}", &long[1..], &long[2..]), &["1"]);
    check(&long, &["!record_too_long"]);
    check(&format!("{long}\n"), &["!record_too_long", "!not_json"]);
    check(
        &format!(" \n{long}\r\n"),
        &["!record_too_long", "!not_json"],
    );
}

#[test]
fn an_array_that_is_cut_is_no_whole_file() {
    for input in [
        "[",
        "[{\"id\":1}",
        "[{\"id\":1},",
        "[{\"id\":1},{\"id\":",
        "[{\"id\":1},\"x]",
    ] {
        ids().check_refused(input, &["not closed"]);
    }
}

#[test]
fn an_array_in_another_encoding_is_refused() {
    let utf_16 = super::encodings::encode("utf-16le", "[{\"id\":1}]");
    ids()
        .encoding("utf-16le")
        .check_refused(&utf_16, &["UTF-8"]);
    ids()
        .replace_invalid_bytes()
        .check_refused("[{\"id\":1}]", &["UTF-8"]);
}

#[test]
fn the_places_of_elements_are_told() {
    let input = "[\n  {\"id\":1},\n  {\"id\":\n2}, {\"id\":3}]";
    let each = ChunkTarget {
        bytes: 1,
        records: 1,
    };
    let chunks = ids().chunks(input.as_bytes(), &[], &Checkpoint::default(), each);
    let records = records(&chunks.expect("can be read"));
    let places: Vec<_> = records
        .iter()
        .map(|record| (record.line, record.byte_offset, record.raw.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (2, 4, "{\"id\":1}"),
            (3, 16, "{\"id\":\n2}"),
            (4, 27, "{\"id\":3}")
        ]
    );
}
