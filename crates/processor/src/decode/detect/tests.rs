use arrivage_model::{ColumnSource, Delimiter, FixedWidth, Ragged, RepeatedHeader, TableName};
use proptest::prelude::*;

use super::*;

/// How a file is written, where not as the defaults have it, and its columns.
fn describe(detected: &Detected) -> Vec<String> {
    let mut lines = vec![dialect(detected)];
    for column in &detected.columns {
        let kind = column.kind.map(|kind| kind.to_string());
        let mut line = format!("{} {}", column.name, kind.unwrap_or_default());
        match &column.from {
            Some(ColumnSource::Name(name)) => line += &format!(" from {name:?}"),
            Some(ColumnSource::Pointer(pointer)) => line += &format!(" at {pointer}"),
            Some(ColumnSource::Range(range)) => {
                let last = range.last.map_or(String::new(), |last| last.to_string());
                line += &format!(" {}-{last}", range.first);
            }
            _ => {}
        }
        line += &column
            .format
            .as_ref()
            .map_or(String::new(), |format| format!(" {format}"));
        if column.decimal != '.' {
            line += &format!(" decimal {}", column.decimal);
        }
        lines.push(line);
    }
    lines
}

fn dialect(detected: &Detected) -> String {
    let mut words = vec![detected.format.as_str().to_owned()];
    if detected.encoding != Encoding::UTF_8 {
        words.push(detected.encoding.to_string());
    }
    let usual = Csv::default();
    match &detected.format {
        Format::Csv(csv) => {
            let Delimiter::Text(delimiter) = &csv.delimiter else {
                panic!("a preview decides");
            };
            words.push(format!("{delimiter:?}"));
            let quote = csv
                .quote
                .map_or("none".to_owned(), |quote| char::from(quote).into());
            words.extend((csv.quote != usual.quote).then(|| format!("quote {quote}")));
            words.extend((csv.escape != csv.quote).then(|| "escape".to_owned()));
            words.extend((!csv.header).then(|| "no header".to_owned()));
            words.extend((csv.skip_lines > 0).then(|| format!("skip {}", csv.skip_lines)));
            words.extend(csv.comment.map(|_| "comment".to_owned()));
            words.extend(csv.trim.then(|| "trim".to_owned()));
            words.extend((csv.ragged == Ragged::Pad).then(|| "pad".to_owned()));
            let repeated = csv.repeated_header == RepeatedHeader::Skip;
            words.extend(repeated.then(|| "repeated header".to_owned()));
            words.extend((csv.null.len() > 1).then(|| format!("null {:?}", &csv.null[1..])));
        }
        Format::FixedWidth(FixedWidth { skip_lines, .. }) => {
            words.extend((*skip_lines > 0).then(|| format!("skip {skip_lines}")));
        }
        Format::JsonLines(_) | Format::Parquet | Format::Avro => {}
    }
    words.join(" ")
}

/// What the file's own pipeline makes of it.
fn tried(detected: &Detected, sample: Sample<'_>) -> Result<Trial, DecodeError> {
    let name: TableName = "t".parse().expect("a sound name");
    let pipeline = detected.pipeline("p", Vec::new(), name.clone());
    try_out(&pipeline, &detected.table(name), sample, usize::MAX)
}

/// The file is detected as written so, and then this many of its records are
/// rows, and this many rejects.
#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expect: &[&str], rows: u64, rejected: u64) {
    let sample = Sample {
        bytes: bytes.as_ref(),
        whole: true,
    };
    let shown = String::from_utf8_lossy(&sample.bytes[..sample.bytes.len().min(300)]);
    let detected = detect(sample).unwrap_or_else(|error| panic!("{error} in {shown:?}"));
    assert_eq!(describe(&detected), expect, "of {shown:?}");
    let trial = tried(&detected, sample).unwrap_or_else(|error| panic!("{error} in {shown:?}"));
    let counts = (trial.records - trial.rejected, trial.rejected);
    assert_eq!(
        counts,
        (rows, rejected),
        "of {shown:?}: {:?}",
        trial.rejects
    );
}

#[test]
fn a_dialect_shows_in_a_files_beginning() {
    check(
        "a,b\n1,x\n2,y\n",
        &["csv \",\"", "a bigint", "b text"],
        2,
        0,
    );
    check(
        "id;montant;jour\r\n1;2,50;24/12/2026\r\n2;13,75;01/02/2026\r\n",
        &[
            "csv \";\"",
            "id bigint",
            "montant numeric(18,2) decimal ,",
            "jour date %d/%m/%Y",
        ],
        2,
        0,
    );
    check(
        "a\tb\tc\n1\tx, y\t\n2\t\tz\n",
        &["csv \"\\t\"", "a bigint", "b text", "c text"],
        2,
        0,
    );
    check(
        "a||b||c\n1||x||2\n2||y|z||3\n",
        &["csv \"||\"", "a bigint", "b text", "c bigint"],
        2,
        0,
    );
    check(
        "a|b\n1|x;y\n2|\"z|\"\n",
        &["csv \"|\"", "a bigint", "b text"],
        2,
        0,
    );
    check(
        "sep=;\na;b\n1;2\n",
        &["csv \";\" skip 1", "a bigint", "b bigint"],
        1,
        0,
    );
    check(
        "a,b\n'1,5','it''s'\n'2,5','x'\n",
        &["csv \",\" quote '", "a numeric(18,1) decimal ,", "b text"],
        2,
        0,
    );
    check(
        "a,b\n1,\"say \\\"hi\\\", you\"\n2,\"x\"\n",
        &["csv \",\" escape", "a bigint", "b text"],
        2,
        0,
    );
    check(
        "a, b, c\n1, \"x\", 2\n3, \"y, z\", 4\n",
        &["csv \",\" trim", "a bigint", "b text", "c bigint"],
        2,
        0,
    );
    check(
        "a;  b\nx;  1\ny; 12\n",
        &["csv \";\" trim", "a text", "b bigint"],
        2,
        0,
    );
    check(
        "a, b\n1, 2\n3, 4\n",
        &["csv \",\" trim", "a bigint", "b bigint"],
        2,
        0,
    );
    check(
        "# made by hand\na,b\n1,2\n# more\n3,4\n",
        &["csv \",\" comment", "a bigint", "b bigint"],
        2,
        0,
    );
    check(
        "#a,b\n1,2\n3,4\n",
        &["csv \",\"", "a bigint from \"#a\"", "b bigint"],
        2,
        0,
    );
    check("name\nAda\nKurt\n", &["csv \",\"", "name text"], 2, 0);
    check(
        "note\nSo, it is\nwell, no, never\n",
        &["csv \";\"", "note text"],
        2,
        0,
    );
}

#[test]
fn what_stands_before_the_header_is_skipped() {
    check(
        "Sales of May;;\nby hand;;\n\nid;day;amount\n1;02/05/2026;5\n2;13/05/2026;\nTotal;5\n",
        &[
            "csv \";\" skip 3",
            "id bigint",
            "day date %d/%m/%Y",
            "amount bigint",
        ],
        2,
        1,
    );
    check(
        "Orders of today\n\nby;the;sales;team;\nid;name\n1;Ada\n2;Kurt\n3;Zoë\n",
        &["csv \";\" skip 3", "id bigint", "name text"],
        3,
        0,
    );
    check(
        "\n\na,b\n1,2\n",
        &["csv \",\"", "a bigint", "b bigint"],
        1,
        0,
    );
    check(
        "\"Report, of\nOctober\"\nExported by: me\n\nid,day,amount\n1,2026-01-02,3.5\n2,2026-01-03,4\n",
        &[
            "csv \",\" skip 4",
            "id bigint",
            "day date",
            "amount numeric",
        ],
        2,
        0,
    );
}

#[test]
fn a_header_is_told_from_a_row() {
    check(
        "1,Ada,2.5\n2,Kurt,3.5\n",
        &[
            "csv \",\" no header",
            "column_1 bigint",
            "column_2 text",
            "column_3 numeric(18,1)",
        ],
        2,
        0,
    );
    check(
        "name,city\nAda,Lyon\nKurt,Köln\n",
        &["csv \",\"", "name text", "city text"],
        2,
        0,
    );
    check(
        "Ada,Lyon\nKurt,Köln\nZoë,Lyon\nAda,Paris\n",
        &["csv \",\" no header", "column_1 text", "column_2 text"],
        4,
        0,
    );
    check("a,b\n", &["csv \",\"", "a text", "b text"], 0, 0);
    check("a,b,\n1,2,\n", &["csv \",\"", "a bigint", "b bigint"], 1, 0);
    check(
        "a,a\n1,2\n",
        &["csv \",\" no header skip 1", "a bigint", "a_2 bigint"],
        1,
        0,
    );
    check(
        "a,,b\n1,x,2\n",
        &[
            "csv \",\" no header skip 1",
            "a bigint",
            "column_2 text",
            "b bigint",
        ],
        1,
        0,
    );
    check(
        "a,{b}\n1,x\n",
        &["csv \",\" no header skip 1", "a bigint", "b text"],
        1,
        0,
    );
    check(
        "a,b\n1,2\na,b\n3,4\n",
        &["csv \",\" repeated header", "a bigint", "b bigint"],
        2,
        0,
    );
}

#[test]
fn columns_get_names_that_sql_takes() {
    check(
        "\u{e9} ,\"e\"\nx,y\n",
        &[
            "csv \",\"",
            "e text from \"\u{e9} \"",
            "e_2 text from \"e\"",
        ],
        1,
        0,
    );
    check(
        "Order ID,Prix (EUR),Name,name,2024,Größe\n1,2.50,a,b,x,3\n2,13.50,c,d,y,4\n",
        &[
            "csv \",\"",
            "order_id bigint",
            "prix_eur numeric(18,2) from \"Prix (EUR)\"",
            "name text from \"Name\"",
            "name_2 text from \"name\"",
            "_2024 text",
            "große bigint",
        ],
        2,
        0,
    );
}

#[test]
fn a_type_is_one_that_takes_the_values_as_they_stand() {
    let column = |values: &[&str], expect: &str| {
        let text: String = values.iter().map(|value| format!("x;{value}\n")).collect();
        let rows = values.len() as u64;
        let bytes = format!("k;v\n{text}");
        let detected = detect(Sample {
            bytes: bytes.as_bytes(),
            whole: true,
        })
        .expect("a csv");
        let found = describe(&detected);
        assert_eq!(
            found[2..],
            [format!("v {expect}")],
            "of {values:?}: {found:?}"
        );
        let trial = tried(
            &detected,
            Sample {
                bytes: bytes.as_bytes(),
                whole: true,
            },
        );
        let trial = trial.expect("a file that can be read");
        assert_eq!((trial.records, trial.rejected), (rows, 0), "of {values:?}");
    };
    column(&["1", "-2", ""], "bigint");
    column(&["1", "99999999999999999999"], "numeric");
    column(&["007", "12"], "text");
    column(&["+33612345678", "+49301234567"], "text");
    column(&["0", "0.5"], "numeric");
    column(&["1.50", "2.25"], "numeric(18,2)");
    column(&["1,50", "2,25"], "numeric(18,2) decimal ,");
    column(&["1,250", "2,375"], "text");
    column(&["1.234,50", "2,25"], "text");
    column(&["1e5", "2.5"], "double precision");
    column(&["true", "False"], "boolean");
    column(&["y", "n", "y"], "boolean");
    column(&["y", "x"], "text");
    column(&["0", "1"], "bigint");
    column(&["2026-01-02", "2026-12-31"], "date");
    column(&["02.01.2026", "31.12.2026"], "date %d.%m.%Y");
    column(&["02/01/2026", "03/04/2026"], "text");
    column(&["12/31/2026", "03/04/2026"], "date %m/%d/%Y");
    column(&["20260102", "20261231"], "date %Y%m%d");
    column(&["20260102", "20261331"], "bigint");
    column(&["08:15", "23:59:59"], "time");
    column(
        &["2026-01-02 08:15:00", "2026-12-31T00:00:00.5"],
        "timestamp",
    );
    column(
        &["2026-01-02 08:15:00Z", "2026-12-31T00:00:00+01:00"],
        "timestamptz",
    );
    column(
        &["31/12/2026 08:15", "01/02/2026 09:00"],
        "timestamp %d/%m/%Y %H:%M",
    );
    column(&["24-Dec-2026", "01-Jan-2027"], "date %d-%b-%Y");
    column(&["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "uuid");
    column(&["192.0.2.1", "2001:db8::1", "10.0.0.0/8"], "inet");
    column(&["1.2.3", "192.0.2.1"], "text");
    column(&["5%", "6%"], "text");
    column(&["\"\"", "5"], "text");
    column(&["", ""], "text");
}

#[test]
fn one_column_with_a_decimal_comma_settles_what_the_others_mean() {
    check(
        "a;b;c\n1,250;0,5;1.250\n2,375;1,5;2.375\n",
        &[
            "csv \";\"",
            "a numeric(18,3) decimal ,",
            "b numeric(18,1) decimal ,",
            "c text",
        ],
        2,
        0,
    );
}

#[test]
fn words_for_null_and_single_mistakes_do_not_make_a_column_text() {
    check(
        "a,b\n1,NA\n2,5\nn/a,6\n",
        &["csv \",\" null [\"NA\", \"n/a\"]", "a bigint", "b bigint"],
        3,
        0,
    );
    let rows: String = (0..30).map(|n| format!("{n},x\n")).collect();
    check(
        format!("a,b\n{rows}three,y\n"),
        &["csv \",\"", "a bigint", "b text"],
        30,
        1,
    );
    check(
        "a,b\n1,x\nthree,y\n",
        &["csv \",\"", "a text", "b text"],
        2,
        0,
    );
}

#[test]
fn ragged_records_are_rejects_unless_they_are_the_habit() {
    check(
        "a,b,c\n1,2,3\n4,5\n6,7,8\n9,8,7,6\n",
        &["csv \",\"", "a bigint", "b bigint", "c bigint"],
        2,
        2,
    );
    let rows: String = (0..20)
        .map(|n| {
            if n % 3 == 0 {
                format!("{n},2\n")
            } else {
                format!("{n},2,3\n")
            }
        })
        .collect();
    check(
        format!("a,b,c\n{rows}"),
        &["csv \",\" pad", "a bigint", "b bigint", "c bigint"],
        20,
        0,
    );
    check(
        "a,b\n1,\"2\n3,4\n5,6\n7,8\n",
        &["csv \",\"", "a bigint", "b bigint"],
        3,
        1,
    );
}

#[test]
fn json_lines_name_their_columns() {
    check(
        "{\"id\":1,\"user\":{\"a\":1},\"at\":\"2026-01-02T03:04:05Z\",\"n\":\"5\"}\n{\"id\":2.5,\"ok\":true,\"x\":null,\"m\":1}\n{\"m\":\"x\",\"/p\":1e400,\"Id\":1}\n",
        &[
            "json-lines",
            "id numeric from \"id\"",
            "user jsonb",
            "at timestamptz",
            "n text",
            "ok boolean",
            "x text",
            "m text",
            "p text at /~1p",
            "id_2 bigint from \"Id\"",
        ],
        3,
        0,
    );
    check(
        "{\"a\":1}\n{broken\n{\"a\":2}\n",
        &["json-lines", "a bigint"],
        2,
        1,
    );
}

#[test]
fn an_array_of_objects_is_json_too() {
    check(
        "[\n  {\"id\": 1, \"name\": \"a\"},\n  {\"id\": 2}\n]\n",
        &["json-lines", "id bigint", "name text"],
        2,
        0,
    );
}

#[test]
fn encodings_are_found_without_a_mark_too() {
    let encode = |label: &str, text: &str| super::super::tests::encodings::encode(label, text);
    let text = "id;nom;montant\n1;Zoë;2,50\n2;François;13,75\n3;Élodie à Besançon;0,10\n";
    let columns = ["id bigint", "nom text", "montant numeric(18,2) decimal ,"];
    for (label, shown) in [
        ("utf-8", ""),
        ("windows-1252", " windows-1252"),
        ("utf-16le", " UTF-16LE"),
        ("utf-16be", " UTF-16BE"),
    ] {
        let first = format!("csv{shown} \";\"");
        let expect: Vec<_> = [first.as_str()].into_iter().chain(columns).collect();
        check(encode(label, text), &expect, 3, 0);
        if label != "windows-1252" {
            check(encode(label, &format!("\u{feff}{text}")), &expect, 3, 0);
        }
    }
    let text = "番号,名前,住所\n1,山田太郎,東京都千代田区丸の内\n2,鈴木一郎,大阪府大阪市北区梅田\n";
    let columns = ["番号 bigint", "名前 text", "住所 text"];
    let expect: Vec<_> = ["csv Shift_JIS \",\""].into_iter().chain(columns).collect();
    check(encode("shift_jis", text), &expect, 2, 0);
    let mistake = b"a,b\n1,\xc3\xa9t\xc3\xa9\n2,\xc3\xa9l\xc3\xa8ve \xc3\xa0\n3,x\xff\n";
    check(mistake, &["csv \",\"", "a bigint", "b text"], 2, 1);
}

#[test]
fn lines_of_a_fixed_width_are_cut_where_all_have_blanks() {
    check(
        "ID   NAME      AMOUNT\n0001 Zoë          2.50\n0002 François    13.75\n0003 Kurt        99.00\n",
        &[
            "fixed-width skip 1",
            "id text 1-5",
            "name text 6-13",
            "amount numeric(18,2) 14-",
        ],
        3,
        0,
    );
}

#[test]
fn what_is_no_text_is_refused() {
    let refused = |bytes: &[u8], expect: &str| {
        let error = detect(Sample { bytes, whole: true }).expect_err("no columns");
        assert!(error.message.contains(expect), "{}", error.message);
    };
    refused(b"", "no text");
    refused(b"\xef\xbb\xbf \r\n\n", "no text");
    refused(
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0",
        "no text",
    );
    refused(b"\xff\xfe\0\0a\0\0\0", "UTF-32");
    refused(b"{\n  \"a\": 1\n}\n", "several lines");
}

/// Lines of fields, as somebody might send them.
fn lines() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        "[0-9]{1,4}",
        "[a-z]{0,5}",
        "[0-9],[0-9]{2}",
        "\"[a-z,;\n]{0,4}\"",
        "20[0-9]{2}-0[1-9]-1[0-9]",
        Just("{x}".to_owned()),
        Just("NA".to_owned()),
        Just("\"".to_owned()),
        Just("é ".to_owned()),
        Just("#".to_owned()),
        Just("\u{0}".to_owned()),
    ];
    let line = prop::collection::vec(field, 0..5);
    let delimiter = prop::sample::select(vec![",", ";", "\t", "|", "||", ", "]);
    (prop::collection::vec(line, 0..12), delimiter).prop_map(|(lines, delimiter)| {
        lines
            .iter()
            .map(|line| line.join(delimiter) + "\n")
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_is_detected_is_a_plan_that_reads_the_file(
        text in lines(),
        label in prop::sample::select(vec!["utf-8", "utf-16le", "windows-1252"]),
        whole in any::<bool>(),
    ) {
        let bytes = super::super::tests::encodings::encode(label, &text);
        let sample = Sample { bytes: &bytes, whole };
        if let Ok(detected) = detect(sample) {
            // The only thing that a header may still be refused for.
            match tried(&detected, sample) {
                Ok(trial) => prop_assert!(trial.rejected <= trial.records),
                Err(error) => prop_assert!(error.message.contains("cannot be read"), "{error} {detected:?}"),
            }
        }
    }

    #[test]
    fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
        let sample = Sample { bytes: &bytes, whole };
        if let Ok(detected) = detect(sample) {
            let _ = tried(&detected, sample);
        }
    }
}
