//! Cuts CSV as the generator of the soak writes it: every quote is closed.

/// A record and its text as it stands in the file, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) raw: String,
    /// None: empty and without quotes.
    pub(crate) fields: Vec<Option<String>>,
}

/// All records, the header too. Blank lines are none.
pub(crate) fn records(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut begin = 0;
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                records.extend(record(&text[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    records.extend(record(&text[begin..]));
    records
}

fn record(line: &str) -> Option<Record> {
    let raw = line.strip_suffix('\r').unwrap_or(line);
    if raw.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut begin = 0;
    let mut quoted = false;
    for (at, byte) in raw.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(field(&raw[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    fields.push(field(&raw[begin..]));
    Some(Record {
        raw: raw.to_owned(),
        fields,
    })
}

fn field(text: &str) -> Option<String> {
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(quoted) => Some(quoted.replace("\"\"", "\"")),
        None if text.is_empty() => None,
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_where_no_quote_is_open() {
        let check = |text: &str, expect: &[&[Option<&str>]]| {
            let found: Vec<Vec<Option<String>>> = records(text)
                .into_iter()
                .map(|record| record.fields)
                .collect();
            let owned = |field: &Option<&str>| field.map(str::to_owned);
            let expect: Vec<Vec<Option<String>>> = expect
                .iter()
                .map(|record| record.iter().map(owned).collect())
                .collect();
            assert_eq!(found, expect, "{text:?}");
        };
        check("", &[]);
        check("a,b\n", &[&[Some("a"), Some("b")]]);
        check("a\r\n\r\n\nb", &[&[Some("a")], &[Some("b")]]);
        check("a,,\"\"", &[&[Some("a"), None, Some("")]]);
        check(
            "1,\"two\n\"\"lines\"\", and\n\n\"\n2,\n",
            &[
                &[Some("1"), Some("two\n\"lines\", and\n\n")],
                &[Some("2"), None],
            ],
        );
    }

    #[test]
    fn the_text_of_a_record_keeps_its_quotes_and_loses_its_end() {
        let raw: Vec<String> = records("1,\"a\nb\"\r\n2")
            .into_iter()
            .map(|record| record.raw)
            .collect();
        assert_eq!(raw, ["1,\"a\nb\"", "2"]);
    }
}
