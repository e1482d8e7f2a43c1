use arrivage_model::{Checkpoint, ColumnSource};

use super::{LARGE, column, from, json_lines, records};

#[test]
fn members_become_cells() {
    let case = json_lines("id bigint!, name text, ok boolean, x double precision");
    case.check(
        "{\"id\":1,\"name\":\"a\",\"ok\":true,\"x\":1.5}\n{\"x\":1e3,\"id\":2,\"ok\":null}\n",
        &["1|a|t|1.5", "2|∅|∅|1000"],
    );
    case.check("{\"id\":1}", &["1"]);
    case.check(
        "{ \"id\" : 1 , \"other\" : [ { } ] } \r\n\n \t\n{\"id\":2}\r",
        &["1", "2"],
    );
    case.check(
        "{\"name\":\"a\"}\n{\"id\":null}\n",
        &["!missing id", "!missing id"],
    );
    case.check("\u{feff}{\"id\":1}", &["1"]);
    case.check("{\"\\u0069d\":1}", &["1"]);
}

#[test]
fn what_is_no_object_is_a_reject() {
    let case = json_lines("id bigint");
    for (line, reason) in [
        ("[1]", "an array stands where an object is expected"),
        ("1", "no object begins here"),
        ("null", "no object begins here"),
        ("{\"id\":1", "',' or '}' is missing"),
        ("{\"id\":1}}", "text follows the value"),
        ("{\"id\":1}{\"id\":2}", "text follows the value"),
        ("{\"id\":1},", "text follows the value"),
        ("{\"id\":NaN}", "no value begins here"),
        ("{\"id\":1,\"id\":2}", "a name stands twice"),
        (
            "{\"other\":{\"a\":1,\"a\":1},\"id\":1}",
            "a name stands twice",
        ),
        ("{\"id\":1,\"x\":\"\\ud800\"}", "surrogate"),
        ("{id:1}", "a name in quotes is missing"),
        ("\u{feff}{\"id\":1}", "no object begins here"),
    ] {
        let input = format!("{{\"id\":0}}\n{line}\n{{\"id\":9}}\n");
        case.check(&input, &["0", "!not_json", "9"]);
        let chunks = case.chunks(input.as_bytes(), &[], &Checkpoint::default(), LARGE);
        let records = records(&chunks.expect("can be read"));
        assert!(
            records[1].reason.contains(reason),
            "{line}: {}",
            records[1].reason
        );
    }
    case.check(
        "{\"id\":1,\"x\":\"\\u0000\"}\n{\"id\":1,\"\\u0000\":1}\n",
        &["!nul", "!nul"],
    );
    case.check(
        b"{\"id\":1,\"x\":\"\xff\"}\n{\"id\":2}\n",
        &["!invalid_encoding", "2"],
    );
    case.check(b"{\"id\":1,\"x\":\"\0\"}\n", &["!nul"]);
    let deep = format!("{{\"x\":{}", "[".repeat(10_000));
    case.check(deep, &["!not_json"]);
}

#[test]
fn an_array_column_takes_an_array_by_its_elements() {
    let case = json_lines("a text[], b integer[], c jsonb[], d boolean[], e text");
    case.check(
        r#"{"a":["x", null, "null", 1, true, {"y": 2}],"b":[1,"2"],"c":[{"z": [1]},[2],null],"d":[true,"no"],"e":[1, 2]}"#,
        &[r#"{x,NULL,"null",1,true,"{\"y\": 2}"}|{1,2}|{"{\"z\": [1]}",[2],NULL}|{t,f}|[1, 2]"#],
    );
    case.check(
        r#"{"b":[ [1, 2] , [3,null] ],"a":"{as,text}","c":[],"d":null}"#,
        &["{as,text}|{{1,2},{3,NULL}}|{}|∅"],
    );
    case.check("{\"b\":[1,[2]]}", &["!not_an_array b"]);
    case.check("{\"b\":[[1],2]}", &["!not_an_array b"]);
    case.check("{\"b\":[[1],[]]}", &["!not_an_array b"]);
    case.check("{\"b\":[[1],[2,3]]}", &["!not_an_array b"]);
    case.check("{\"b\":[1.5]}", &["!not_a_number b"]);
    case.check("{\"b\":1}", &["!not_an_array b"]);
    case.check("{\"b\":[[[[[[[1]]]]]]]}", &["!not_an_array b"]);
}

#[test]
fn numbers_are_exact() {
    let case = json_lines("a bigint, b numeric, c numeric(5,2), d text, e jsonb");
    let number = "9007199254740993";
    case.check(
        format!(
            "{{\"a\":{number},\"b\":{number}.10,\"d\":{number}.10,\"e\":{number}.10,\"c\":1.50}}"
        ),
        &["9007199254740993|9007199254740993.10|1.50|9007199254740993.10|9007199254740993.10"],
    );
    case.check(
        "{\"c\":999.994}\n{\"a\":1.0}\n{\"a\":1e2}\n{\"a\":9223372036854775808}\n",
        &[
            "!out_of_range c",
            "!not_a_number a",
            "!not_a_number a",
            "!out_of_range a",
        ],
    );
    let mut comma = column("b");
    comma.decimal = ',';
    json_lines("b numeric").declare(comma).check(
        "{\"b\":1.5}\n{\"b\":\"1,5\"}\n{\"b\":\"1.5\"}\n",
        &["1.5", "1.5", "!not_a_number b"],
    );
}

#[test]
fn values_fit_their_columns_or_are_rejects() {
    let case = json_lines("a integer, b boolean, c date, d text, e jsonb, f varchar(3)");
    let check = |value: &str, expect: [&str; 6]| {
        for (name, expect) in ["a", "b", "c", "d", "e", "f"].iter().zip(expect) {
            case.check(format!("{{\"{name}\":{value}}}\n"), &[expect]);
        }
    };
    check("1", ["1", "t", "!not_a_date c", "1", "1", "1"]);
    check("\"1\"", ["1", "t", "!not_a_date c", "1", "\"1\"", "1"]);
    check(
        "true",
        [
            "!not_a_number a",
            "t",
            "!not_a_date c",
            "true",
            "true",
            "!too_long f",
        ],
    );
    check(
        "\"\"",
        [
            "!not_a_number a",
            "!not_a_boolean b",
            "!not_a_date c",
            "",
            "\"\"",
            "",
        ],
    );
    check(
        "\"2024-01-02\"",
        [
            "!not_a_number a",
            "!not_a_boolean b",
            "2024-01-02",
            "2024-01-02",
            "\"2024-01-02\"",
            "!too_long f",
        ],
    );
    check(
        "[ 1]",
        [
            "!not_a_number a",
            "!not_a_boolean b",
            "!not_a_date c",
            "[ 1]",
            "[ 1]",
            "!too_long f",
        ],
    );
    check(
        "\"\\u00e9\\n\\ud83d\\ude00\"",
        [
            "!not_a_number a",
            "!not_a_boolean b",
            "!not_a_date c",
            "é\n😀",
            "\"\\u00e9\\n\\ud83d\\ude00\"",
            "é\n😀",
        ],
    );
    check("null", ["∅"; 6]);
}

#[test]
fn names_are_matched_exactly_or_else_in_any_case() {
    let case = json_lines("orderid integer, name text");
    case.check("{\"OrderId\":1,\"NAME \":\"x\"}", &["1|x"]);
    case.check(
        "{\"OrderId\":1,\"orderid\":2}\n{\"orderid\":3,\"OrderId\":4}",
        &["2", "3"],
    );
    case.check("{\"OrderId\":1,\"ORDERID\":2}", &["!not_json"]);
    case.check("{\"OrderId\":1,\"ORDERID\":2,\"orderid\":3}", &["3"]);
    case.check(
        "{\"ORDER_ID\":1}\n{}\n{\"orderid\":5}",
        &["!missing", "!missing", "5"],
    );
}

#[test]
fn a_column_joins_the_rows_with_the_first_record_that_names_it() {
    let case = json_lines("serial bigint, id integer!, note text, more text");
    let input = b"{\"id\":1}\n{\"id\":2,\"note\":null}\n{\"id\":3}\n{\"id\":4,\"serial\":7,\"more\":\"m\"}\n";
    let chunks = case
        .chunks(input, &[], &Checkpoint::default(), LARGE)
        .expect("can be read");
    let found: Vec<_> = records(&chunks)
        .into_iter()
        .map(|record| (record.columns.join("|"), record.what))
        .collect();
    let expect = [
        ("id", "1"),
        ("id|note", "2|∅"),
        ("id|note", "3|∅"),
        ("serial|id|note|more", "7|4|∅|m"),
    ];
    assert_eq!(
        found,
        expect.map(|(columns, row)| (columns.to_owned(), row.to_owned()))
    );
    let ends: Vec<_> = chunks
        .iter()
        .map(|chunk| (chunk.end.offset, chunk.last))
        .collect();
    assert_eq!(ends, [(9, false), (39, false), (input.len() as u64, true)]);
}

#[test]
fn declared_columns_may_stand_deep() {
    let pointer = |text: &str| ColumnSource::Pointer(text.to_owned());
    let case = json_lines("id integer, city text, second text, whole jsonb")
        .declare(from("city", pointer("/address/city~1town")))
        .declare(from("second", pointer("/tags/1")))
        .declare(from("whole", pointer("")));
    case.check(
        "{\"id\":1,\"address\":{\"city/town\":\"Lyon\"},\"tags\":[1,\"b\",{}]}",
        &["1|Lyon|b|{\"id\":1,\"address\":{\"city/town\":\"Lyon\"},\"tags\":[1,\"b\",{}]}"],
    );
    case.check(
        " {\"id\":1,\"address\":[],\"tags\":[1]} ",
        &["1|∅|∅|{\"id\":1,\"address\":[],\"tags\":[1]}"],
    );
    let renamed =
        json_lines("id integer!").declare(from("id", ColumnSource::Name("Nr.".to_owned())));
    renamed.check("{\"Nr.\":5,\"id\":6}", &["5"]);
}

#[test]
fn a_record_longer_than_max_record_is_a_reject() {
    let case = json_lines("a text").max_record(10);
    for end in ["\n", "\r\n", "\r", ""] {
        case.check(format!("{{\"a\":\"45\"}}{end}"), &["45"]);
        case.check(format!("{{\"a\":\"456\"}}{end}"), &["!record_too_long"]);
    }
    case.check(
        "{\"a\":\"456789\"}\n{\"a\":\"x\"}\n",
        &["!record_too_long", "x"],
    );
}
