//! Dialects beyond RFC 4180: other delimiters, trailers, headers that need
//! forgiveness, columns too many and too few.

use arrivage_model::{
    Checkpoint, ColumnSource, Delimiter, ExtraColumns, MissingColumns, Ragged, RepeatedHeader,
};

use super::{Case, ChunkTarget, LARGE, column, csv, from};

fn two() -> Case {
    csv("a text, b text")
}

fn delimited(delimiter: &str) -> Case {
    two().dialect(|csv| csv.delimiter = Delimiter::Text(delimiter.to_owned()))
}

fn auto(columns: &str) -> Case {
    csv(columns).dialect(|csv| csv.delimiter = Delimiter::Auto)
}

#[test]
fn a_delimiter_may_have_several_characters() {
    let check = |delimiter: &str, input: &str, expect: &[&str]| {
        delimited(delimiter).check(input, expect);
    };
    check("||", "a||b\n1||2\n1|x||2|\n", &["1|2", "1|x|2|"]);
    check("||", "a||b\n\"x||y\"||\"z\"\n", &["x||y|z"]);
    check("||", "a||b\n1|||2\n|||", &["1||2", "∅||"]);
    check("||", "a||b\n1|\n|", &["!ragged", "!ragged"]);
    check("||", "a||b\n\"x\"|y||z\n1||2", &["!open_quote", "1|2"]);
    check("::", "a::b\n1::\n::2\n", &["1|∅", "∅|2"]);
    check("§", "a§b\nx§é\n", &["x|é"]);
    check("\u{1}\u{2}", "a\u{1}\u{2}b\n1\u{1}\u{2}2\n", &["1|2"]);
    let spaced = delimited(", ").dialect(|csv| csv.trim = true);
    spaced.check("a, b\n 1 , \"2\" \n1,5,  2\n", &["1|2", "1,5|2"]);
    // Too long for the record in the middle of a delimiter.
    delimited("~~~").max_record(8).check(
        "a~~~b\n1~~~5678\n1~~~56789\n1234567~~~b\nx~~~y",
        &["1|5678", "!record_too_long", "!record_too_long", "x|y"],
    );
}

#[test]
fn the_delimiter_is_found_in_the_beginning_of_a_file() {
    let check = |input: &str, expect: &[&str]| auto("a text, b text").check(input, expect);
    check("a,b\n1,2\n", &["1|2"]);
    check("a;b\n1,5;2,5\n3,5;4,5\n", &["1,5|2,5", "3,5|4,5"]);
    check("a\tb\n1,x;\t2\n", &["1,x;|2"]);
    check("a|b\n1|2\n", &["1|2"]);
    check("\"a;x,y\",b\n1,2\n", &["2"]);
    check("b;a\n\"x;y\";\"1\n2\"\n", &["1\n2|x;y"]);
    check("", &[]);
    check("a;b", &[]);
    auto("a text").check("a\n1;2,3\n1;2\n", &["!ragged", "1;2"]);
    // Without a header, what gives the expected number of fields.
    let bare = |input: &str, expect: &[&str]| {
        let case = auto("a text, b text").dialect(|csv| csv.header = false);
        case.check(input, expect);
    };
    bare("1,5;2,5\n3,5;4,5\n", &["1,5|2,5", "3,5|4,5"]);
    bare("1;5,2;5\n", &["1;5|2;5"]);
    // Where no delimiter gives that, the one that gives records of one width.
    let wide = auto("a text, b text, c text").dialect(|csv| {
        csv.header = false;
        csv.ragged = Ragged::Pad;
    });
    wide.check("1,5;x\n2;y\n", &["1,5|x|∅", "2|y|∅"]);
    // A title above, a comment and a broken line do not mislead it.
    let titled = auto("a text, b text").dialect(|csv| {
        csv.skip_lines = 1;
        csv.comment = Some(b'#');
    });
    titled.check(
        "Sales, 2024, all, shops\n#,,,,\na;b\n\"x\"y,,,\n1;2\n",
        &["!open_quote", "1|2"],
    );
    // What comes after the sample does not count.
    let long = format!("a;b\n{}{}", "1;2\n".repeat(20_000), "1,2,3,4\n".repeat(3));
    let found = auto("a text, b text").read(long.as_bytes()).expect("read");
    assert_eq!((found.len(), found[0].as_str()), (20_003, "1|2"));
}

#[test]
fn a_found_delimiter_is_kept_in_the_checkpoint() {
    let one = ChunkTarget {
        records: 1,
        ..LARGE
    };
    let case = auto("a text, b text");
    let input = b"a;b\n1;x,y\n2;x,y\n";
    let chunks = case.chunks(input, &[], &Checkpoint::default(), one);
    let end = chunks.expect("read").swap_remove(0).end;
    let state = end.state.as_deref().expect("a state");
    assert!(state.ends_with(r#""delimiter":";"}"#), "{state}");
    let rest = case.chunks(input, &[], &end, LARGE).expect("read");
    assert_eq!(super::records(&rest)[0].what, "2|x,y");
}

#[test]
fn lines_at_the_end_are_no_records_where_a_setting_says_so() {
    let check = |last: u64, input: &str, expect: &[&str]| {
        let case = two().dialect(|csv| csv.skip_last = last);
        case.check(format!("a,b\n{input}"), expect);
    };
    check(1, "1,2\n3,4\nTotal,,6\n", &["1|2", "3|4"]);
    check(1, "1,2\nTotal: 2 rows", &["1|2"]);
    check(1, "1,2\nTotal \"open\r\n\r\n  \n", &["1|2"]);
    check(2, "1,2\r\nTotal\r\n\r\nSigned\r\n", &["1|2"]);
    check(2, "1,\"2\n\n3\"\nx\ny\n", &["1|2\n\n3"]);
    check(2, "x\ny\n", &[]);
    check(1, "", &[]);
    check(0, "1,2\nTotal", &["1|2", "!ragged"]);
    // A line may be as long as a record.
    let long = format!("1,2\n{},\nTotal\n", "x".repeat(20_000));
    let case = two().dialect(|csv| csv.skip_last = 1).max_record(10_000);
    case.check(format!("a,b\n{long}"), &["1|2", "!record_too_long"]);
}

#[test]
fn lines_like_a_pattern_are_no_records() {
    let check = |like: &str, input: &str, expect: &[&str]| {
        let case = two().dialect(|csv| csv.trailer = Some(like.to_owned()));
        case.check(format!("a,b\n{input}"), expect);
    };
    check("Total*", "1,2\nTotal,\"open\n3,4\nTotal", &["1|2", "3|4"]);
    check("---*", "1,2\r\n---------\r\n3,4", &["1|2", "3|4"]);
    check("*rows)", "1,2\n(1 rows)\n", &["1|2"]);
    // Within quotes it is text.
    check("Total*", "1,\"\nTotal\"\n", &["1|\nTotal"]);
    check("Total*", "total,x\n", &["total|x"]);
    let small = two()
        .max_record(8)
        .dialect(|csv| csv.trailer = Some("T*".to_owned()));
    small.check(
        "a,b\nT2345678\nT23456789\n1,2",
        &["!record_too_long", "1|2"],
    );
}

#[test]
fn a_header_that_comes_again_is_skipped_where_a_setting_says_so() {
    let skip = || two().dialect(|csv| csv.repeated_header = RepeatedHeader::Skip);
    skip().check("a,b\n1,2\na,b\n3,4\n", &["1|2", "3|4"]);
    skip().check(
        "a,b\r\n1,2\r\n\u{feff}a,b\r\n3,4\r\na,B\n",
        &["1|2", "3|4", "a|B"],
    );
    two().check("a,b\n1,2\na,b\n", &["1|2", "a|b"]);
}

#[test]
fn header_names_are_found_without_accents_and_whatever_stands_between_words() {
    let check = |columns: &str, header: &str| {
        let fields = header.split(',').count();
        let width = columns.split(", ").count();
        let values: Vec<_> = (1..=fields).map(|n| n.to_string()).collect();
        let row = values[..width].join("|");
        csv(columns).check(format!("{header}\n{}\n", values.join(",")), &[&row]);
    };
    check("order_id text, numero text", "Order ID,Numéro");
    check("order_id text, numero text", " order-id ,NUME\u{301}RO");
    check("order_id text", "Order.Id");
    check("ordre_no text", "Ordre Nº");
    check("order_id text", "\u{a0}Order \u{a0}Id\u{200b}");
    check("strasse text, cœur text", "Strasse,CŒUR");
    check("a text, b text", "a,b,");
    let twice = csv("order_id text, b text");
    twice.check_refused("Order ID,order-id,b\n", &["\"order_id\" twice"]);
    twice.check("order_id,Order ID,b\n1,2,3\n", &["1|3"]);
    let twins = csv("order_id text, order-id text");
    twins.check_refused("Order ID\n", &["no name in the header"]);
}

#[test]
fn fields_without_a_name_at_the_end_may_be_left_out() {
    two().check(
        "a,b,\n1,2,\n3,4\n5\n6,7,8\n9,,,\n",
        &["1|2", "3|4", "!ragged", "6|7", "!ragged"],
    );
    two().check("a,b,,,\n1,2\n1,2,,\n", &["1|2", "1|2"]);
    two().check("a,,b\n1,2,3\n1,2\n", &["1|3", "!ragged"]);
    // A column that takes one of them by position makes it one that counts.
    let third = two().declare(from("b", ColumnSource::Position(3)));
    third.check("a,x,\n1,2,3\n1,2\n", &["1|3", "!ragged"]);
}

#[test]
fn columns_too_many_are_ignored_rejected_or_kept() {
    let policy = |columns: &str, policy: ExtraColumns| {
        csv(columns).dialect(|csv| csv.extra_columns = policy)
    };
    two().check("a,x,b\n1,2,3\n", &["1|3"]);
    let reject = || policy("a text, b text", ExtraColumns::Reject);
    reject().check("b,a,\n1,2,\n", &["2|1"]);
    reject().check_refused(
        "a,x,b,y\n1,2,3,4\n",
        &["no column of the table public.t takes \"x\", \"y\""],
    );
    let keep = || policy("a integer, _extra jsonb, b text", ExtraColumns::Keep);
    keep().check(
        "a,x,b,Y y\n1,2,3,\"4 \"\"é\"\"\"\n5,,6,\"\"\n",
        &[
            r#"1|{"x":"2","Y y":"4 \"é\""}|3"#,
            r#"5|{"x":null,"Y y":""}|6"#,
        ],
    );
    keep().check("a,b\n1,2\n", &["1|{}|2"]);
    keep().check("a,b,,\n1,2,,\n3,4\n", &["1|{}|2", "3|{}|4"]);
    keep().check(
        "a,,x,x,b\n1,2,3,4,5\n",
        &[r##"1|{"#2":"2","x":"3","x#4":"4"}|5"##],
    );
    keep().check("a,x,b\nz,2,3\n1,2\n", &["!not_a_number a", "!ragged"]);
    keep().check("a,#,#7,,b\n1,,,,2\n", &[r##"1|{"#":null,"#7":null}|2"##]);
    let names: Vec<_> = (0..20_000).map(|n| format!("n{n}")).collect();
    keep().check_refused(format!("a,b,{}\n", names.join(",")), &["65536 can be kept"]);
    for columns in ["a text, b text", "a text, _extra text"] {
        let error = policy(columns, ExtraColumns::Keep)
            .plan()
            .expect_err("lacks it");
        let message = error.to_string();
        assert!(
            message.contains("ALTER TABLE public.t ADD _extra jsonb"),
            "{message}"
        );
    }
}

#[test]
fn a_declared_column_may_be_missing_where_a_setting_says_so() {
    let leave = |columns: &str| {
        csv(columns)
            .declare(column("b"))
            .dialect(|csv| csv.missing_columns = MissingColumns::Leave)
    };
    leave("a text, b text").check("a\n1\n", &["1"]);
    leave("a text, b text").check("a,b\n1,2\n", &["1|2"]);
    leave("a text, b text!").check_refused("a\n1\n", &["lacks the column b"]);
    let strict = csv("a text, b text").declare(column("b"));
    strict.check_refused("a\n1\n", &["lacks the column b"]);
}

#[test]
fn padding_fills_up_what_is_missing_before_fields_without_a_name() {
    let pad = two().dialect(|csv| csv.ragged = Ragged::Pad);
    pad.check("a,b,\n1\n2,3\n4,5,\n", &["1|∅", "2|3", "4|5"]);
}
