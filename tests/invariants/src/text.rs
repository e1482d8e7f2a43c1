//! Files of text, as the decoder gets them.

use arrivage_model::{
    Checkpoint, ColumnSource, Csv, Delimiter, Encoding, ExtraColumns, FixedWidth, Format,
    InvalidBytes, JsonLines, Limits, Positions, Ragged, Range, ReasonCode, RepeatedHeader,
};
use arrivage_processor::decode::Chunk;
use serde_json::Value;

use crate::chunks::{LARGE, check, decode, pieces, target};
use crate::knobs::Knobs;
use crate::pipeline::{KINDS, from, pipeline, plan};

/// A longer input shows nothing more.
const LONGEST: usize = 16 << 10;

/// Separated values in any dialect. What is loaded of them and written once more is the same again.
pub fn csv(data: &[u8]) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let text = |text: &str| Delimiter::Text(text.to_owned());
    let dialect = Csv {
        delimiter: knobs.one_of(&[
            text(","),
            text(";"),
            text(",,"),
            text(", "),
            text(",1"),
            Delimiter::Auto,
            text("\t"),
        ]),
        quote: knobs.one_of(&[Some(b'"'), Some(b'\''), None]),
        escape: knobs.one_of(&[Some(b'"'), Some(b'\\'), None]),
        header: !knobs.flag(),
        skip_lines: u64::from(knobs.byte() % 3),
        skip_last: u64::from(knobs.byte() % 3),
        trailer: None,
        ..Csv::default()
    };
    let more = knobs.byte();
    let keeps = more & 1 != 0 && dialect.header;
    let skips = more & 2 != 0 && dialect.header;
    let columns = match (keeps, dialect.header) {
        (true, _) => &format!("{KINDS}, _extra jsonb"),
        (false, true) => KINDS,
        (false, false) => knobs.one_of(&["a integer, b text", "a text", KINDS]),
    };
    let dialect = Csv {
        extra_columns: [ExtraColumns::Ignore, ExtraColumns::Keep][usize::from(keeps)],
        repeated_header: [RepeatedHeader::Record, RepeatedHeader::Skip][usize::from(skips)],
        ragged: [Ragged::Reject, Ragged::Pad][usize::from(more & 4 != 0)],
        trim: more & 8 != 0,
        comment: (more & 16 != 0).then_some(b'#'),
        trailer: knobs.one_of(&[None, Some("T*".to_owned()), Some("*{count}".to_owned())]),
        null: knobs.one_of(&[
            vec![String::new()],
            vec![],
            vec!["NA".to_owned(), "-".to_owned()],
        ]),
        ..dialect
    };
    let limits = Limits {
        max_record: knobs.one_of(&[1000, 4, 9, 20]),
        ..Limits::default()
    };
    let plan = plan(&pipeline(Format::Csv(dialect), limits, columns));
    let (target, pieces) = (target(&mut knobs), pieces(&mut knobs));
    if let Ok(chunks) = check(&plan, input, &pieces, target) {
        chunks.iter().for_each(check_again);
    }
}

/// The rows of a chunk, written as RFC 4180 has it, are read as they were.
fn check_again(chunk: &Chunk) {
    let written = |cell: Option<&[u8]>| {
        let text = String::from_utf8(cell?.to_vec()).expect("canonical text is UTF-8");
        Some(format!("\"{}\"", text.replace('"', "\"\"")))
    };
    let line = |row| {
        let cells = chunk.rows.cells(row).map(written);
        cells.map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    let names: Vec<_> = chunk.columns.iter().map(|it| it.name.as_str()).collect();
    // A line with nothing in it would be no record.
    let wide = names.len() > 1;
    let rows: Vec<_> = (0..chunk.rows.len()).filter(|_| wide).collect();
    if rows.is_empty() {
        return;
    }
    let mut input = names.join(",");
    for row in &rows {
        input.push('\n');
        input.push_str(&line(*row).join(","));
    }
    let columns: Vec<_> = chunk
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.kind))
        .collect();
    let format = Format::Csv(Csv::default());
    let plan = plan(&pipeline(format, Limits::default(), &columns.join(", ")));
    let again = decode(
        &plan,
        input.as_bytes(),
        &[4096],
        &Checkpoint::default(),
        LARGE,
    );
    let again = again.expect("it is sound");
    let [again] = &again[..] else {
        panic!("{} chunks of {input:?}", again.len());
    };
    assert_eq!(again.rejects, [], "of {input:?}");
    for (at, row) in rows.into_iter().enumerate() {
        let (before, now) = (chunk.rows.cells(row), again.rows.cells(at));
        assert!(before.eq(now), "row {row} is another one in {input:?}");
    }
}

/// JSON Lines, and an array. What is loaded is JSON to others too, and what is refused is none,
/// or one of what we refuse beyond that.
pub fn json(data: &[u8]) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let limits = Limits {
        max_record: knobs.one_of(&[4000, 8, 20, 100]),
        ..Limits::default()
    };
    let mut case = pipeline(Format::JsonLines(JsonLines::default()), limits, KINDS);
    let pointer = |text: &str| ColumnSource::Pointer(text.to_owned());
    if knobs.flag() {
        case.0.columns.push(from("d", pointer("")));
    }
    if knobs.flag() {
        case.0.columns.push(from("b", pointer("/d/1/e")));
    }
    let (target, pieces) = (target(&mut knobs), pieces(&mut knobs));
    let Ok(chunks) = check(&plan(&case), input, &pieces, target) else {
        return;
    };
    for chunk in &chunks {
        for row in 0..chunk.rows.len() {
            let raw = chunk.reject(row, None, ReasonCode::Constraint, String::new());
            let error = match serde_json::from_str::<Value>(&raw.raw) {
                Ok(value) => {
                    assert!(value.is_object(), "{:?} is no object", raw.raw);
                    continue;
                }
                Err(error) => error.to_string(),
            };
            // The limits of that library are narrower.
            let narrow = ["recursion limit", "number out of range"];
            let known = narrow.iter().any(|known| error.contains(known));
            assert!(known, "{:?} was loaded: {error}", raw.raw);
        }
        let not_json = chunk.rejects.iter();
        for reject in not_json.filter(|reject| reject.code == ReasonCode::NotJson) {
            let is_object =
                |text| serde_json::from_str::<Value>(text).is_ok_and(|it| it.is_object());
            let stricter = ["twice", "differ only in case", "128"];
            let known = stricter.iter().any(|known| reject.reason.contains(known));
            assert!(known || !is_object(&reject.raw), "{reject:?}");
        }
    }
}

/// Lines of a fixed width.
pub fn fixed_width(data: &[u8]) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let format = FixedWidth {
        positions: knobs.one_of(&[Positions::Characters, Positions::Bytes]),
        ragged: knobs.one_of(&[Ragged::Reject, Ragged::Pad]),
        comment: knobs.one_of(&[None, Some(b'#')]),
        skip_lines: u64::from(knobs.byte() % 3),
        skip_last: u64::from(knobs.byte() % 3),
        trailer: knobs.one_of(&[None, Some("T*".to_owned())]),
        trim: !knobs.flag(),
        ..FixedWidth::default()
    };
    let limits = Limits {
        max_record: knobs.one_of(&[1000, 3, 9]),
        encoding: knobs.one_of(&[Encoding::UTF_8, Encoding::UTF_16LE, label("windows-1252")]),
        ..Limits::default()
    };
    let bytewise = format.positions == Positions::Bytes;
    if bytewise && limits.encoding == Encoding::UTF_16LE {
        return;
    }
    let ends = knobs.one_of(&[
        (Some(2), 3, None),
        (Some(1), 4, Some(5)),
        (Some(9), 11, Some(12)),
    ]);
    let mut case = pipeline(Format::FixedWidth(format), limits, "a integer, b text");
    let range = |first, last| ColumnSource::Range(Range { first, last });
    case.0.columns.push(from("a", range(1, ends.0)));
    case.0.columns.push(from("b", range(ends.1, ends.2)));
    let (target, pieces) = (target(&mut knobs), pieces(&mut knobs));
    let _ = check(&plan(&case), input, &pieces, target);
}

fn label(label: &str) -> Encoding {
    label.parse().expect("a known encoding")
}

/// Text in any encoding: its lines are those of the whole text as `encoding_rs` reads it.
pub fn encodings(data: &[u8]) {
    let labels = [
        "utf-8",
        "utf-16le",
        "utf-16be",
        "windows-1252",
        "iso-8859-7",
        "shift_jis",
        "gb18030",
        "big5",
        "euc-jp",
        "euc-kr",
        "iso-2022-jp",
        "x-user-defined",
        "koi8-r",
    ];
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let encoding = label(knobs.one_of(&labels));
    let limits = Limits {
        encoding,
        invalid_bytes: knobs.one_of(&[InvalidBytes::Reject, InvalidBytes::Replace]),
        ..Limits::default()
    };
    // Nothing in a line is more than text.
    let lines = Csv {
        delimiter: Delimiter::Text("\u{1}\u{2}\u{3}\u{4}".to_owned()),
        quote: None,
        header: false,
        null: Vec::new(),
        ..Csv::default()
    };
    let plan = plan(&pipeline(Format::Csv(lines), limits, "a text"));
    let (target, pieces) = (target(&mut knobs), pieces(&mut knobs));
    let Ok(chunks) = check(&plan, input, &pieces, target) else {
        return;
    };
    let mut found: Vec<(u64, Option<String>)> = Vec::new();
    for chunk in &chunks {
        for row in 0..chunk.rows.len() {
            let text = chunk.rows.cells(row).next().flatten().expect("no NULL");
            let text = String::from_utf8(text.to_vec()).expect("UTF-8");
            found.push((chunk.rows.places()[row].record, Some(text)));
        }
        found.extend(chunk.rejects.iter().map(|reject| (reject.record, None)));
    }
    found.sort();
    let (text, ..) = encoding.get().decode(input);
    if text.contains("\u{1}\u{2}\u{3}\u{4}") {
        return;
    }
    let expect: Vec<_> = text
        .split(['\n', '\r'])
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(found.len(), expect.len(), "{found:?} of {expect:?}");
    for ((_, found), expect) in found.iter().zip(expect) {
        match found {
            Some(found) => assert_eq!(found, expect),
            None => assert!(
                expect.contains(['\0', '\u{fffd}']),
                "{expect:?} was refused"
            ),
        }
    }
}
