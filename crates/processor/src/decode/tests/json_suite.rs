//! Texts that are JSON, and texts that only look like it, named as in JSONTestSuite: `y_`
//! must be taken, `n_` refused, and `i_` is what we decide. Each is a member's value.

use super::json_lines;

const CASES: [(&str, &[u8]); 96] = [
    ("y_array_empty", b"[]"),
    ("y_array_of_arrays", b"[[],[[]]]"),
    ("y_array_with_blanks", b"[ 1\t, 2 ]"),
    ("y_array_of_all", b"[null,true,false,0,\"\",{},[]]"),
    ("n_array_trailing_comma", b"[1,]"),
    ("n_array_leading_comma", b"[,1]"),
    ("n_array_double_comma", b"[1,,2]"),
    ("n_array_just_comma", b"[,]"),
    ("n_array_no_comma", b"[1 2]"),
    ("n_array_colon", b"[1:2]"),
    ("n_array_unclosed", b"[1"),
    ("n_array_closed_by_brace", b"[1}"),
    ("n_array_closed_twice", b"[1]]"),
    ("n_array_star", b"[*]"),
    ("y_object_empty", b"{}"),
    ("y_object_empty_name", b"{\"\":0}"),
    ("y_object_escaped_name", b"{\"\\u0061\":0}"),
    ("n_object_name_twice", b"{\"a\":1,\"a\":2}"),
    ("n_object_name_twice_escaped", b"{\"a\":1,\"\\u0061\":2}"),
    ("y_object_names_in_two_cases", b"{\"a\":1,\"A\":2}"),
    ("n_object_no_colon", b"{\"a\" 1}"),
    ("n_object_two_colons", b"{\"a\"::1}"),
    ("n_object_comma_for_colon", b"{\"a\",1}"),
    ("n_object_no_value", b"{\"a\":}"),
    ("n_object_no_name", b"{:1}"),
    ("n_object_name_is_number", b"{1:1}"),
    ("n_object_name_unquoted", b"{a:1}"),
    ("n_object_single_quotes", b"{'a':1}"),
    ("n_object_trailing_comma", b"{\"a\":1,}"),
    ("n_object_double_comma", b"{\"a\":1,,\"b\":2}"),
    ("n_object_comment", b"{\"a\":1/**/}"),
    ("n_object_line_comment", b"{\"a\":1}//"),
    ("n_object_unclosed", b"{\"a\":1"),
    ("n_object_garbage", b"{\"a\":1 x}"),
    ("y_number_zero", b"0"),
    ("y_number_minus_zero", b"-0"),
    ("y_number_fraction", b"0.5"),
    ("y_number_exponent", b"1e5"),
    ("y_number_exponent_signs", b"[1E+2,1e-2,0e0]"),
    ("y_number_huge", b"123456789012345678901234567890"),
    ("y_number_huge_exponent", b"1e400"),
    ("y_number_tiny", b"0.000000000000000000000000000000000001"),
    ("n_number_plus", b"+1"),
    ("n_number_leading_zero", b"01"),
    ("n_number_minus_leading_zero", b"-01"),
    ("n_number_no_whole", b".5"),
    ("n_number_no_fraction", b"1."),
    ("n_number_no_exponent", b"1e"),
    ("n_number_no_exponent_digits", b"1e+"),
    ("n_number_two_points", b"1.2.3"),
    ("n_number_two_signs", b"--1"),
    ("n_number_minus_alone", b"-"),
    ("n_number_hex", b"0x1F"),
    ("n_number_underscore", b"1_000"),
    ("n_number_nan", b"NaN"),
    ("n_number_infinity", b"Infinity"),
    ("n_number_minus_infinity", b"-Infinity"),
    ("n_number_fullwidth", "\u{ff11}".as_bytes()),
    ("n_number_blank_inside", b"1 000"),
    ("n_number_with_letter", b"1a"),
    ("y_string_empty", b"\"\""),
    ("y_string_escapes", b"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    ("y_string_unicode_escape", b"\"\\u00e9\\u00E9\""),
    ("y_string_surrogate_pair", b"\"\\ud83d\\ude00\""),
    ("n_string_lone_high_surrogate", b"\"\\ud83d\""),
    ("n_string_lone_low_surrogate", b"\"\\ude00\""),
    ("n_string_two_high_surrogates", b"\"\\ud83d\\ud83d\""),
    ("n_string_half_pair", b"\"\\ud83dx\""),
    ("y_string_utf_8", "\"é語😀\"".as_bytes()),
    ("y_string_delete", b"\"\x7f\""),
    ("y_string_line_separator", "\"\u{2028}\"".as_bytes()),
    ("y_string_noncharacter", b"\"\\uFFFF\""),
    ("n_string_tab", b"\"\t\""),
    ("n_string_control", b"\"\x1f\""),
    ("n_string_unknown_escape", b"\"\\x41\""),
    ("n_string_escape_of_apostrophe", b"\"\\'\""),
    ("n_string_short_escape", b"\"\\u00e\""),
    ("n_string_no_hex", b"\"\\u00eg\""),
    ("n_string_escape_at_end", b"\"\\"),
    ("n_string_unclosed", b"\"a"),
    ("n_string_single_quotes", b"'a'"),
    ("n_string_unquoted", b"a"),
    ("n_string_escaped_outside", b"\\u0020\"a\""),
    ("y_word_true", b"true"),
    ("y_word_false", b"false"),
    ("n_word_capital", b"True"),
    ("n_word_upper", b"TRUE"),
    ("n_word_cut", b"nul"),
    ("n_word_longer", b"nulls"),
    ("n_word_none", b"None"),
    ("n_word_undefined", b"undefined"),
    ("n_nothing", b""),
    ("n_blank", b" "),
    ("n_form_feed_is_no_blank", b"[1,\x0c2]"),
    ("n_no_break_space_is_no_blank", "[1,\u{a0}2]".as_bytes()),
    ("n_two_values", b"1 2"),
];

#[test]
fn json_is_taken_to_the_letter() {
    for (name, value) in CASES {
        let line = [b"{\"id\":1,\"x\":", value, b"}\n"].concat();
        let input = [line.as_slice(), b"{\"id\":2}\n"].concat();
        let found = json_lines("id bigint, x jsonb").read(&input).expect(name);
        let (first, second) = match name.starts_with("y_") {
            true => (format!("1|{}", String::from_utf8_lossy(value)), "2|∅"),
            false => ("!not_json".to_owned(), "2"),
        };
        assert_eq!(found, [first.as_str(), second], "{name}");
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let case = json_lines("x jsonb");
    case.check(nested(127), &[&nested(127)[5..259]]);
    case.check(nested(128), &["!not_json"]);
    case.check(nested(100_000), &["!not_json"]);
}
