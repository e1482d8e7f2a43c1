use arrivage_model::ReasonCode::{NotJson, Nul};

use super::check;

#[test]
fn json_is_as_its_rfc_says() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let same = |text: &'static str| (text, Ok(text));
    check(
        "jsonb",
        &[
            same(r#"{"a": [1, -2.5e+10, true, null, "ü\n\u00fc\ud83d\ude00"]}"#),
            same("1"),
            same("\"text\""),
            same(" { } "),
            same("123456789012345678901234567890.12345678901234567890"),
            same(r#"[{"a":1},{"a":2}]"#),
            same(r#"{"a":{"b":1},"b":2}"#),
            (&deep(128), Ok(&deep(128))),
            (&deep(129), Err(NotJson)),
            (&"[".repeat(100_000), Err(NotJson)),
            (r#"{"a":1,"a":2}"#, Err(NotJson)),
            (r#"{"a":1,"\u0061":2}"#, Err(NotJson)),
            (r#"{"b":{"a":1,"a":2}}"#, Err(NotJson)),
            (r#"{"a":"\u0000"}"#, Err(Nul)),
            (r#"{"\u0000":1}"#, Err(Nul)),
            (r#""\ud800""#, Err(NotJson)),
            (r#""\ud800\u0041""#, Err(NotJson)),
            (r#""\udc00\ud800""#, Err(NotJson)),
            (r#""\u12g4""#, Err(NotJson)),
            (r#""\x41""#, Err(NotJson)),
            ("\"\t\"", Err(NotJson)),
            ("\"open", Err(NotJson)),
            ("\"open\\", Err(NotJson)),
            ("NaN", Err(NotJson)),
            ("Infinity", Err(NotJson)),
            ("-", Err(NotJson)),
            ("01", Err(NotJson)),
            ("1.", Err(NotJson)),
            (".5", Err(NotJson)),
            ("+1", Err(NotJson)),
            ("1e", Err(NotJson)),
            ("0x1", Err(NotJson)),
            ("'a'", Err(NotJson)),
            ("[1,]", Err(NotJson)),
            ("[,1]", Err(NotJson)),
            ("[1 2]", Err(NotJson)),
            (r#"{"a":1,}"#, Err(NotJson)),
            (r#"{"a" 1}"#, Err(NotJson)),
            (r#"{a:1}"#, Err(NotJson)),
            (r#"{"a":}"#, Err(NotJson)),
            ("{", Err(NotJson)),
            ("1 2", Err(NotJson)),
            ("tru", Err(NotJson)),
            ("nulll", Err(NotJson)),
            ("/* */1", Err(NotJson)),
            ("", Err(NotJson)),
            ("\u{feff}1", Err(NotJson)),
        ],
    );
}

#[test]
fn a_name_that_stands_twice_is_found_among_many() {
    let object = |names: std::ops::Range<usize>, last: &str| {
        let members: Vec<_> = names.map(|name| format!("\"n{name}\":0")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    for many in [2, 15, 16, 17, 18, 100] {
        let twice = object(0..many, "n0");
        let once = object(0..many, "m");
        check("json", &[(&twice, Err(NotJson)), (&once, Ok(&once))]);
    }
}
