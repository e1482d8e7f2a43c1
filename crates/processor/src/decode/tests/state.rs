use arrivage_model::{Checkpoint, ErrorCode};

use super::{Case, ChunkTarget, LARGE, csv, json_lines};

/// The end of the first chunk, of one record.
fn stopped(case: &Case, input: &str) -> Checkpoint {
    let one = ChunkTarget {
        records: 1,
        ..LARGE
    };
    let chunks = case.chunks(input.as_bytes(), &[], &Checkpoint::default(), one);
    chunks.expect("can be read").swap_remove(0).end
}

#[test]
fn a_checkpoint_says_what_was_made_of_the_header() {
    let case = csv("id integer, name text, note text");
    let end = stopped(&case, "NAME,x,id\na,b,1\nc,d,2\n");
    assert_eq!((end.records, end.offset, end.bytes_read), (1, 16, 22));
    assert_eq!(
        end.state.as_deref(),
        Some(r#"{"line":3,"header":{"width":3,"fields":{"id":2,"name":0},"line":"NAME,x,id"}}"#)
    );
    let case = json_lines("id integer, name text, note text");
    let end = stopped(&case, "{\"note\":null}\n{\"id\":1}\n");
    assert_eq!(
        end.state.as_deref(),
        Some(r#"{"line":2,"members":["note"]}"#)
    );
}

#[test]
fn what_cannot_be_read_on_fails_as_changed() {
    let check = |case: &Case, from: &Checkpoint, expect: &str| {
        let error = case.chunks(b"", &[], from, LARGE).expect_err(expect);
        assert_eq!(error.code, ErrorCode::ConfigChanged);
        assert!(error.message.contains(expect), "{error}");
    };
    let input = "id,name\n1,a\n2,b\n";
    let end = stopped(&csv("id integer, name text"), input);
    check(
        &csv("id integer"),
        &end,
        "the table lost a column that the file fills",
    );
    check(
        &csv("id integer, name geometry"),
        &end,
        "its header does not fit the table",
    );
    let json = stopped(&json_lines("id integer, name text"), "{\"name\":\"a\"}\n{}");
    check(
        &json_lines("id integer"),
        &json,
        "the table lost a column that the file fills",
    );
    let state = |state: Option<&str>| Checkpoint {
        state: state.map(str::to_owned),
        ..end.clone()
    };
    check(&csv("id integer"), &state(None), "it has no state");
    check(
        &csv("id integer"),
        &state(Some("{}")),
        "missing field `line`",
    );
    let beyond = r#"{"line":2,"header":{"width":2,"fields":{"id":2}}}"#;
    check(
        &csv("id integer"),
        &state(Some(beyond)),
        "its header does not fit the table",
    );
}

#[test]
fn a_column_that_the_table_got_since_is_left_to_the_database() {
    let input = "id,name\n1,a\n2,b\n";
    let end = stopped(&csv("id integer"), input);
    let wider = csv("id integer, name text");
    let chunks = wider
        .chunks(input.as_bytes(), &[], &end, LARGE)
        .expect("can be read");
    assert_eq!(super::records(&chunks)[0].what, "2");
}
