use arrivage_model::Ragged;

use super::{Case, csv};

/// Two columns of text behind the header `a,b`.
fn check(input: &str, expect: &[&str]) {
    check_case(csv("a text, b text"), input, expect);
}

fn check_case(case: Case, input: &str, expect: &[&str]) {
    case.check(format!("a,b\n{input}"), expect);
}

#[test]
fn fields_are_as_rfc_4180_has_them() {
    check("1,2\n", &["1|2"]);
    check("1,2", &["1|2"]);
    check("", &[]);
    check("\"x\",\"y\"\n", &["x|y"]);
    check("\"a,b\",\"c\nd\"\n", &["a,b|c\nd"]);
    check("\"say \"\"hi\"\"\",\"\"\"\"\n", &["say \"hi\"|\""]);
    check("\"\",\n", &["|∅"]);
    check(",\"\"", &["∅|"]);
    check(" a , b \n", &[" a | b "]);
    check("\\.,\\N\n", &["\\.|\\N"]);
    check("a,b\n\\.\nc,d\n", &["a|b", "!ragged", "c|d"]);
    check("x,\u{1a}\n", &["x|\u{1a}"]);
    check("ä,😀\n", &["ä|😀"]);
}

#[test]
fn lines_end_in_any_way_and_blank_ones_are_skipped() {
    check("1,2\r\n3,4\r\n", &["1|2", "3|4"]);
    check("1,2\r3,4\r", &["1|2", "3|4"]);
    check("1,2\n3,4\r5,6\r\n7,8", &["1|2", "3|4", "5|6", "7|8"]);
    check("\n\r\n1,2\n\n\r\r3,4\n\n", &["1|2", "3|4"]);
    check("\"a\r\nb\",\"\r\"\r\n", &["a\r\nb|\r"]);
    check("1,2\r", &["1|2"]);
    csv("a text").check("a\n1\n\n2\n\"\"\n", &["1", "2", ""]);
}

#[test]
fn a_quote_counts_at_the_beginning_of_a_field_only() {
    check("a\"b,c\"\n", &["a\"b|c\""]);
    check("5\" pipe,\"6\"\" pipe\"\n", &["5\" pipe|6\" pipe"]);
    check(" \"x\",y\n", &[" \"x\"|y"]);
}

#[test]
fn text_after_a_closing_quote_is_a_reject_and_reading_goes_on_at_the_next_line() {
    check("\"a\"x,b\n1,2\n", &["!open_quote", "1|2"]);
    check("\"Joe \"The Man\" X\",b\n1,2\n", &["!open_quote", "1|2"]);
    check("\"a\" ,b\n1,2\n", &["!open_quote", "1|2"]);
    check("\"a\"x", &["!open_quote"]);
    check("\"a\"x\r\n1,2\r\n", &["!open_quote", "1|2"]);
    // The first line is rejected, not the one where that shows.
    check(
        "1,\"open\n2,\"closed\"\n3,\"c\"\n",
        &["!open_quote", "2|closed", "3|c"],
    );
}

#[test]
fn an_open_quote_costs_one_line() {
    check("1,\"open\n2,x\n3,y\n", &["!open_quote", "2|x", "3|y"]);
    check("1,x\n2,\"open", &["1|x", "!open_quote"]);
    check("\"", &["!open_quote"]);
    check("\"\n\"", &["!ragged"]);
    check("\"\n\n1,2", &["!open_quote", "1|2"]);
    check("1,\"open\r\n2,x\r\n", &["!open_quote", "2|x"]);
    check("1,\"open\r2,x\r", &["!open_quote", "2|x"]);
    // Each of these lines closes the quote of the one before, and opens one.
    check(
        "a\",\"\na\",\"\na\",\"\n",
        &["!open_quote", "!open_quote", "!open_quote"],
    );
}

#[test]
fn a_quote_open_beyond_max_record_costs_one_line() {
    let small = || csv("a text, b text").max_record(20);
    check_case(
        small(),
        "1,\"open\n2,x\n3,y\n4,z\n5,yy\n",
        &["!open_quote", "2|x", "3|y", "4|z", "5|yy"],
    );
    check_case(
        small(),
        "1,\"34567890\n234567890\"\n2,x\n",
        &["!open_quote", "!ragged", "2|x"],
    );
    // Here there is no line to go on at: the record is too long.
    check_case(
        small(),
        "1,\"3456789012345678901234567890\"\n2,x\n",
        &["!record_too_long", "2|x"],
    );
}

#[test]
fn a_record_may_be_as_long_as_max_record() {
    let small = || csv("a text, b text").max_record(8);
    for end in ["\n", "\r\n", "\r", ""] {
        check_case(small(), &format!("1,345678{end}"), &["1|345678"]);
        check_case(small(), &format!("1,\"4567\"{end}"), &["1|4567"]);
        check_case(small(), &format!("1,3456789{end}"), &["!record_too_long"]);
        check_case(small(), &format!("1,\"45678\"{end}"), &["!record_too_long"]);
    }
    check_case(small(), "1,3456789\n2,x\n", &["!record_too_long", "2|x"]);
    check_case(small(), "1,3456789\r\n2,x\n", &["!record_too_long", "2|x"]);
    check_case(small(), "1,3456789\r2,x\n", &["!record_too_long", "2|x"]);
    check_case(
        small(),
        "\"a\n\",2345678\n2,x\n",
        &["!record_too_long", "2|x"],
    );
    check_case(small(), "\"a\"x345678\n2,x\n", &["!record_too_long", "2|x"]);
}

#[test]
fn records_have_as_many_fields_as_the_header() {
    check("1\n1,2,3\n1,2\n", &["!ragged", "!ragged", "1|2"]);
    check("1,2,\n", &["!ragged"]);
    let pad = || csv("a text, b text").dialect(|csv| csv.ragged = Ragged::Pad);
    check_case(pad(), "1\n1,2,3\n1,2\n", &["1|∅", "!ragged", "1|2"]);
    let required = csv("a text, b text!").dialect(|csv| csv.ragged = Ragged::Pad);
    check_case(required, "1\n", &["!missing b"]);
}

#[test]
fn other_dialects() {
    let semicolon = csv("a text, b text").dialect(|csv| csv.delimiter = ';'.into());
    semicolon.check("a;b\n1,5;\"x;y\"\n", &["1,5|x;y"]);

    let tab = csv("a text, b text").dialect(|csv| (csv.delimiter, csv.trim) = ('\t'.into(), true));
    tab.check("a\tb\n 1 \t\t\n\t\n 1\t2 \n", &["!ragged", "∅|∅", "1|2"]);

    let unquoted = csv("a text, b text").dialect(|csv| csv.quote = None);
    check_case(unquoted, "\"1,2\"\n", &["\"1|2\""]);

    let apostrophe = csv("a text, b text").dialect(|csv| {
        (csv.quote, csv.escape) = (Some(b'\''), Some(b'\''));
    });
    check_case(apostrophe, "'it''s',\"x\"\n", &["it's|\"x\""]);

    let comment = csv("a text, b text").dialect(|csv| csv.comment = Some(b'#'));
    comment.check(
        "# \"title\na,b\n#1,2\n1,#2\n #,2\n\"\n#\",x\n#",
        &["1|#2", " #|2", "\n#|x"],
    );

    let titles = csv("a text, b text").dialect(|csv| csv.skip_lines = 3);
    titles.check("Report \"x\n\r\nof,today\ra,b\n1,2\n", &["1|2"]);
    titles.check("one line", &[]);
}

#[test]
fn a_backslash_escapes_quotes_and_itself_within_quotes() {
    let case = || csv("a text, b text").dialect(|csv| csv.escape = Some(b'\\'));
    check_case(case(), "\"a\\\"b\",\"c\\\\\"\n", &["a\"b|c\\"]);
    check_case(case(), "\"C:\\new\",\\\"\n", &["C:\\new|\\\""]);
    check_case(case(), "\"two\"\" ways\",x\n", &["two\" ways|x"]);
    check_case(case(), "\"open\\\",x\n1,2\n", &["!open_quote", "1|2"]);
    check_case(case(), "\"open\\", &["!open_quote"]);
}

#[test]
fn trim_takes_blanks_from_around_values() {
    let case = || csv("a text, b integer").dialect(|csv| csv.trim = true);
    check_case(case(), " x y\t, 7 \n", &["x y|7"]);
    check_case(case(), "  ,\t\n", &["∅|∅"]);
    check_case(case(), " \" x \" , \"7\"\t\n", &[" x |7"]);
    check_case(case(), "\"x\", \" 7\"\n", &["!not_a_number b"]);
    check_case(case(), "\"x\" y,7\n1,2\n", &["!open_quote", "1|2"]);
    check_case(case(), "  \n\t\n1,2\n", &["1|2"]);
    let untrimmed = csv("a text, b integer");
    check_case(untrimmed, "x, 7\n  \n", &["!not_a_number b", "!ragged"]);
}

#[test]
fn null_words_count_without_quotes() {
    let words = |words: &[&str]| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        csv("a text, b integer").dialect(|csv| csv.null = words)
    };
    check_case(
        words(&["NULL", "-"]),
        "NULL,-\n\"NULL\",1\n-,\n",
        &["∅|∅", "NULL|1", "!not_a_number b"],
    );
    check_case(words(&[]), ",1\n", &["|1"]);
    check("\"\",x\n", &["|x"]);
    check_case(words(&[""]), "x,\"\"\n", &["!not_a_number b"]);
}

#[test]
fn a_broken_value_rejects_its_record_and_names_the_first_column() {
    let case = || csv("id bigint!, at date, amount numeric(5,2)");
    case().check(
        "at,id,amount\n2024-01-02,1,9.99\n2024-13-01,x,1\n2024-13-01,2,1\n2024-01-02,,1\n,3,1234\n,3,\n",
        &["1|2024-01-02|9.99", "!not_a_number id", "!not_a_date at", "!missing id", "!out_of_range amount", "3|∅|∅"],
    );
}

#[test]
fn what_is_no_text_is_a_reject() {
    let case = csv("a text, b text");
    case.check(
        b"a,b\n1,\xff2\n\xc3,x\nok,\xc3\xa9\n",
        &["!invalid_encoding b", "!invalid_encoding a", "ok|é"],
    );
    case.check(b"a,b\n1,x\0y\n\0\n1,2\n", &["!nul b", "!nul a", "1|2"]);
    csv("a text").check(b"a,b\n1,\xff\n2,x\n", &["!invalid_encoding", "2"]);
    // An encoded surrogate, and an overlong slash.
    case.check(
        b"a,b\n\xed\xa0\x80,1\n\xc0\xaf,2\n",
        &["!invalid_encoding a", "!invalid_encoding a"],
    );
}

/// PostgreSQL takes all of them but U+0000.
#[test]
fn control_characters_are_text() {
    for control in (1..0x20).chain([0x7F]).map(char::from) {
        if matches!(control, '\n' | '\r') {
            continue;
        }
        let text = format!("x{control}y");
        check(
            &format!("{text},\"{text}\"\n"),
            &[&format!("{text}|{text}")],
        );
    }
    check("x\0y,1\n1,\"\0\"\n", &["!nul a", "!nul b"]);
}

#[test]
fn without_header_fields_stand_in_the_order_of_the_table() {
    let case = || csv("a text, b integer, c text").dialect(|csv| csv.header = false);
    case().check("x,1,y\nx,1\nx,1,y,z\n", &["x|1|y", "!ragged", "!ragged"]);
    case().check("", &[]);
}

#[test]
fn a_line_of_any_length_is_passed_over_in_bounded_memory() {
    let piece = vec![b'x'; 1 << 20];
    let case = csv("a text, b text").max_record(1000);
    let mut decoder = case
        .decoder(&Default::default(), super::LARGE)
        .expect("begins");
    decoder.push(b"a,b\n1,", 0);
    for _ in 0..1024 {
        decoder.push(&piece, 0);
        assert!(decoder.take().expect("can be read").is_none());
        assert!(decoder.input.rest().len() <= 1001, "nothing heaps up");
    }
    decoder.push(b"\n2,y\n", 0);
    decoder.end();
    let chunk = decoder.take().expect("can be read").expect("ends");
    assert_eq!(chunk.rejects[0].raw.len(), 1000);
    assert_eq!(
        (chunk.rows.len(), chunk.end.offset),
        (1, 4 + 2 + (1 << 30) + 1 + 4)
    );
}

#[test]
fn a_hundred_thousand_columns_are_no_trouble() {
    let case = csv("c7 integer, c99999 integer");
    let numbers = |prefix: &str| {
        let names: Vec<_> = (0..100_000).map(|n| format!("{prefix}{n}")).collect();
        names.join(",")
    };
    case.check(format!("{}\n{}\n", numbers("c"), numbers("")), &["7|99999"]);
}
