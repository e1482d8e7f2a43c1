//! What was written as RFC 4180 has it is read back as it was.

use arrivage_model::{Csv, Delimiter};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::csv;

/// A field, and whether it is put in quotes without need.
type Written = (String, bool);

fn field() -> impl Strategy<Value = Written> {
    let parts = vec![
        "a", "é", "😀", ",", ";", "\"", "\"\"", "\n", "\r", "\r\n", " ", "\t", "\\", "#", "x y",
        "\u{feff}", "0", "\u{2028}", "'",
    ];
    (
        vec(select(parts), 0..6).prop_map(|parts| parts.concat()),
        any::<bool>(),
    )
}

fn write(dialect: &Csv, (text, quoted): &Written, alone: bool) -> String {
    let special = |c: char| {
        let is = |byte: Option<u8>| byte.map(char::from) == Some(c);
        c == '\n' || c == '\r' || Delimiter::from(c) == dialect.delimiter || is(dialect.quote)
    };
    let blank_line = alone && text.is_empty();
    if !quoted && !text.contains(special) && !blank_line {
        return text.clone();
    }
    let quote = char::from(dialect.quote.expect("the dialect has quotes"));
    let escape = char::from(dialect.escape.expect("the dialect escapes"));
    let mut out = String::from(quote);
    for c in text.chars() {
        if c == quote || c == escape {
            out.push(escape);
        }
        out.push(c);
    }
    out.push(quote);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_was_written_is_read_back(
        records in vec(vec(field(), 3), 0..8),
        width in 1_usize..=3,
        end in select(vec!["\n", "\r\n", "\r"]),
        last_end in any::<bool>(),
        delimiter in select(vec![',', ';', '\t', '|']),
        quote in select(vec![b'"', b'\'']),
        backslash in any::<bool>(),
    ) {
        let columns = ["a text", "b text", "c text"][..width].join(", ");
        let mut dialect = None;
        let case = csv(&columns).dialect(|csv| {
            csv.delimiter = delimiter.into();
            csv.quote = Some(quote);
            csv.escape = Some(if backslash { b'\\' } else { quote });
            csv.null = Vec::new();
            dialect = Some(csv.clone());
        });
        let dialect = dialect.expect("it is csv");
        let between = delimiter.to_string();
        let mut lines = vec!["abc".split("").filter(|name| !name.is_empty()).take(width).collect::<Vec<_>>().join(&between)];
        let mut expect = Vec::new();
        for record in &records {
            let record = &record[..width];
            let fields: Vec<_> = record.iter().map(|field| write(&dialect, field, width == 1)).collect();
            lines.push(fields.join(&between));
            let texts: Vec<_> = record.iter().map(|(text, _)| text.as_str()).collect();
            expect.push(texts.join("|"));
        }
        let mut input = lines.join(end);
        if last_end {
            input.push_str(end);
        }
        prop_assert_eq!(case.read(input.as_bytes()), Ok(expect), "from {:?}", input);
    }
}
