//! Rejects that are given back are read as they were, and rejected as they were.

use arrivage_model::Checkpoint;

use super::{Case, LARGE, csv, fixed, json_lines, records};
use crate::decode::{GivenBack, NotGivenBack};

/// The rejects of an input, given back as a file; and how they are read again.
fn given_back(case: &Case, input: &[u8]) -> Result<Vec<u8>, NotGivenBack> {
    let chunks = case
        .chunks(input, &[], &Checkpoint::default(), LARGE)
        .expect("can be read");
    let state = chunks.last().and_then(|chunk| chunk.end.state.as_deref());
    let file = GivenBack::new(&case.pipeline, state)?;
    let rejects: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.rejects).collect();
    let mut bytes = file.head()?;
    for reject in &rejects {
        bytes.extend(file.record(&reject.raw)?);
    }
    bytes.extend(file.tail(rejects.len() as u64)?.0);
    let again = case
        .chunks(&bytes, &[], &Checkpoint::default(), LARGE)
        .expect("can be read again");
    let again: Vec<_> = records(&again)
        .into_iter()
        .map(|record| record.raw)
        .collect();
    let raw: Vec<_> = rejects.iter().map(|reject| reject.raw.clone()).collect();
    assert_eq!(again, raw);
    Ok(bytes)
}

#[test]
fn rejects_come_back_in_the_format_of_their_file() {
    let check = |case: &Case, input: &[u8], expect: &[u8]| {
        let found = given_back(case, input).expect("given back");
        let shown = String::from_utf8_lossy(&found);
        assert_eq!(found, expect, "{shown:?}");
    };
    let two = || csv("id bigint, name text");
    check(
        &two(),
        b"name,ID,more\na,1,x\n\"b, c\",x,\r\nd,2,y\n\"e\nf\",,\"z\"x\n",
        b"name,ID,more\n\"b, c\",x,\n\"e\nf\",,\"z\"x\n",
    );
    check(&two(), b"id,name\n1,a\n", b"id,name\n");
    let latin = two().encoding("windows-1252").dialect(|csv| {
        csv.skip_lines = 2;
        csv.skip_last = 2;
        csv.trailer = Some("T,{count+1}*".to_owned());
    });
    check(
        &latin,
        b"title\n\nid,name\n1,a\nx,\xe9\ny,b\nT,4 in all\nsigned\n",
        b"\n\nid,name\nx,\xe9\ny,b\nT,3\n-\n",
    );
    let wide: Vec<u8> = "id,name\nx,é\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let marked = [&[0xFE, 0xFF][..], &wide].concat();
    // The mark says more than the setting.
    check(&two(), &marked, &marked);
    check(
        &json_lines("id bigint"),
        b"{\"id\":1}\n{\"id\":}\n",
        b"{\"id\":}\n",
    );
    let line = fixed("id bigint", &[("id", 1, Some(3))]);
    check(&line, b"001\nx01 rest\n", b"x01 rest\n");
}

#[test]
fn elements_of_an_array_come_back_as_lines() {
    let case = json_lines("id bigint");
    let input = b"[{\"id\":1},\n{\n  \"id\": \"x\"\r\n},{\"id\":}]";
    let chunks = case.chunks(input, &[], &Checkpoint::default(), LARGE);
    let chunks = chunks.expect("can be read");
    let file = GivenBack::new(&case.pipeline, None).expect("no header is needed");
    let rejects = chunks.iter().flat_map(|chunk| &chunk.rejects);
    let lines: Vec<u8> = rejects
        .flat_map(|reject| file.record(&reject.raw).expect("it is short"))
        .collect();
    assert_eq!(
        String::from_utf8_lossy(&lines),
        "{   \"id\": \"x\"  }\n{\"id\":}\n"
    );
    case.check(&lines, &["!not_a_number id", "!not_json"]);
}

#[test]
fn what_was_not_kept_is_not_given_back() {
    let case = csv("id bigint");
    let header = GivenBack::new(&case.pipeline, Some(r#"{"line":2}"#));
    assert_eq!(header.err(), Some(NotGivenBack::Header));
    let long = format!("id\n1\n{}\n", "x".repeat(5000));
    assert_eq!(given_back(&case, long.as_bytes()), Err(NotGivenBack::Cut));
    let other = case.encoding("windows-1252");
    let file = GivenBack::new(
        &other.pipeline,
        Some(r#"{"line":2,"header":{"width":1,"fields":{},"line":"id"}}"#),
    );
    let error = file
        .expect("a header")
        .record("長")
        .expect_err("no such character");
    assert_eq!(
        error.to_string(),
        "the encoding windows-1252 cannot write it"
    );
}
