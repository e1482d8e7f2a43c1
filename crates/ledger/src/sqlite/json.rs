//! Arrays as SQLite has them: JSON text.

use arrivage_model::ColumnType;
use arrivage_model::array::ArrayText;

/// The JSON array for an array's canonical text.
pub(super) fn array(of: ColumnType, text: &[u8]) -> String {
    let array = ArrayText::read(text);
    let mut out = String::new();
    if array.dimensions.is_empty() {
        out.push_str("[]");
    }
    for (nth, element) in array.elements.iter().enumerate() {
        // How many rows begin and end here: the element is a multiple of their sizes.
        let mut size = 1;
        let mut begins = 0;
        let mut ends = 0;
        for length in array.dimensions.iter().rev() {
            size *= length;
            begins += usize::from(nth.is_multiple_of(size));
            ends += usize::from((nth + 1).is_multiple_of(size));
        }
        if nth > 0 {
            out.push(',');
        }
        out.extend(std::iter::repeat_n('[', begins));
        match element {
            Some(text) => out.push_str(&value(of, &String::from_utf8_lossy(text))),
            None => out.push_str("null"),
        }
        out.extend(std::iter::repeat_n(']', ends));
    }
    out
}

/// A canonical number is one of JSON too.
fn value(of: ColumnType, text: &str) -> String {
    match of {
        ColumnType::SmallInt
        | ColumnType::Integer
        | ColumnType::BigInt
        | ColumnType::Numeric(_)
        | ColumnType::Real
        | ColumnType::DoublePrecision
        | ColumnType::Json
        | ColumnType::Jsonb => text.to_owned(),
        ColumnType::Boolean => (text == "t").to_string(),
        _ => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_becomes_json() {
        let check = |of: &str, text: &str, expect: &str| {
            let kind = of.parse().expect(of);
            assert_eq!(array(kind, text.as_bytes()), expect, "{of}[] {text}");
        };
        check("integer", "{}", "[]");
        check("integer", "{1,NULL,-3}", "[1,null,-3]");
        check("numeric", "{1.10}", "[1.10]");
        check("boolean", "{t,f}", "[true,false]");
        check("text", r#"{"NULL","a\"b",é}"#, r#"["NULL","a\"b","é"]"#);
        check("jsonb", r#"{"{\"a\": 1}"}"#, r#"[{"a": 1}]"#);
        check("integer", "{{1,2},{3,4},{5,6}}", "[[1,2],[3,4],[5,6]]");
        check("integer", "{{{1},{2}}}", "[[[1],[2]]]");
    }
}
