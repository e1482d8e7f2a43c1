//! However the stream is cut into pieces, and from whichever chunk's end a
//! decoder goes on: the same chunks.

use arrivage_model::{
    Checkpoint, ColumnSource, Delimiter, ExtraColumns, Positions, Ragged, RepeatedHeader,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::encodings::encode;
use super::{Case, ChunkTarget, Record, csv, fixed, from, json_lines, records, team};
use crate::decode::{Chunk, DecodeError};

/// What a chunk is, but for `bytes_read`.
pub(super) type Seen = (u64, Checkpoint, bool, Vec<Record>);

pub(super) fn seen(chunk: Chunk) -> Seen {
    let end = Checkpoint {
        bytes_read: 0,
        ..chunk.end.clone()
    };
    (chunk.start, end, chunk.last, records(&[chunk]))
}

fn chunks(
    case: &Case,
    input: &[u8],
    cuts: &[usize],
    from: &Checkpoint,
    target: ChunkTarget,
) -> Result<Vec<Seen>, DecodeError> {
    let chunks = case.chunks(input, cuts, from, target)?;
    Ok(chunks.into_iter().map(seen).collect())
}

fn check(case: &Case, input: &[u8], cuts: &[usize], target: ChunkTarget) {
    let start = Checkpoint::default();
    let whole = chunks(case, input, &[], &start, target);
    assert_eq!(
        chunks(case, input, cuts, &start, target),
        whole,
        "in pieces that end at {cuts:?}"
    );
    let every_byte: Vec<_> = (0..input.len()).collect();
    assert_eq!(
        chunks(case, input, &every_byte, &start, target),
        whole,
        "byte by byte"
    );
    team::check(case, input, cuts, target);
    let Ok(whole) = whole else { return };
    let numbers: Vec<_> = whole
        .iter()
        .flat_map(|(.., records)| records)
        .map(|record| record.record)
        .collect();
    assert!(
        numbers.iter().copied().eq(1..=numbers.len() as u64),
        "each record once: {numbers:?}"
    );
    for (at, (_, end, last, _)) in whole.iter().enumerate() {
        if *last {
            assert_eq!(end.offset, input.len() as u64);
            continue;
        }
        let rest = chunks(case, input, cuts, end, target);
        assert_eq!(rest.as_deref(), Ok(&whole[at + 1..]), "from {end:?}");
    }
}

pub(super) fn cuts(input: &[u8]) -> impl Strategy<Value = Vec<usize>> + use<> {
    vec(0..=input.len(), 0..6).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

fn with_cuts(
    input: impl Strategy<Value = Vec<u8>>,
) -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    input.prop_flat_map(|input| {
        let cuts = cuts(&input);
        (Just(input), cuts)
    })
}

pub(super) fn targets() -> impl Strategy<Value = ChunkTarget> {
    let bytes = select(vec![1, 100, 300, usize::MAX]);
    (bytes, 1_u64..5).prop_map(|(bytes, records)| ChunkTarget { bytes, records })
}

const CSV_PARTS: [&[u8]; 32] = [
    b"a,b\n",
    b",,",
    b"1, x\n",
    b"Total",
    b",",
    b",",
    b",",
    b"\"",
    b"\"",
    b"\"\"",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"1",
    b"bc",
    b" ",
    b"\t",
    b"\\",
    b"\\\"",
    b"#",
    b"\xc3\xa9",
    b"\xff",
    b"\0",
    b"\xEF\xBB\xBF",
    b"1,x\n",
    b"2,\"y\"\r\n",
    b"3,\"a\nb\"\n",
    b"12345678",
    b"\n\n",
    b";",
];

pub(super) fn csv_input() -> impl Strategy<Value = Vec<u8>> {
    let header = select(vec![
        &b"a,b\n"[..],
        b"b,a\r\n",
        b"\xEF\xBB\xBFa,b\r",
        b"\"a\",b\n",
        b"a,b,c,,\n",
        b"a,,b\n",
        b"a,1b\n",
        b"a;b\n",
        b"",
    ]);
    (header, vec(select(CSV_PARTS.to_vec()), 0..40)).prop_map(|(header, parts)| {
        let mut input = header.to_vec();
        input.extend(parts.concat());
        input
    })
}

pub(super) fn csv_cases() -> impl Strategy<Value = Case> {
    let escape = select(vec![Some(b'"'), Some(b'\\'), None]);
    let quote = select(vec![Some(b'"'), Some(b'"'), Some(b'"'), None]);
    let comment = select(vec![None, Some(b'#')]);
    let dialect = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0_u64..2,
        escape,
        quote,
        comment,
    );
    let text = |text: &str| Delimiter::Text(text.to_owned());
    let delimiter = select(vec![
        text(","),
        text(","),
        text(",,"),
        text(", "),
        text(",1"),
        text(";"),
        Delimiter::Auto,
    ]);
    let trailer = select(vec![
        None,
        None,
        Some("1*".to_owned()),
        Some("*a".to_owned()),
    ]);
    let lines = (delimiter, select(vec![0_u64, 0, 1, 2]), trailer);
    let policies = (
        select(vec![RepeatedHeader::Record, RepeatedHeader::Skip]),
        select(vec![ExtraColumns::Ignore, ExtraColumns::Keep]),
    );
    let max_record = select(vec![4_usize, 9, 20, 1000]);
    (dialect, lines, policies, max_record).prop_map(|(dialect, lines, policies, max_record)| {
        let (header, trim, pad, skip_lines, escape, quote, comment) = dialect;
        let (delimiter, skip_last, trailer) = lines;
        let (repeated_header, extra_columns) = policies;
        let columns = match extra_columns {
            ExtraColumns::Keep if header => "a integer, b text, _extra jsonb",
            _ => "a integer, b text",
        };
        csv(columns).max_record(max_record).dialect(|csv| {
            csv.header = header;
            csv.trim = trim;
            csv.ragged = if pad { Ragged::Pad } else { Ragged::Reject };
            csv.skip_lines = skip_lines * u64::from(!header);
            (csv.escape, csv.quote, csv.comment) = (escape, quote, comment);
            (csv.delimiter, csv.skip_last, csv.trailer) = (delimiter, skip_last, trailer);
            if header {
                (csv.repeated_header, csv.extra_columns) = (repeated_header, extra_columns);
            }
        })
    })
}

const JSON_PARTS: [&[u8]; 22] = [
    b"{\"a\":1}\n",
    b"{\"a\":2,\"b\":\"x\"}\r\n",
    b"{\"c\":null}\r",
    b"{\"d\":[1,{\"e\":\"y\"}]}\n",
    b"{\"A\":3}\n",
    b"{",
    b"}",
    b"\"",
    b":",
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b"1",
    b"\"a\":",
    b"\"x\\u00e9\"",
    b"[1]",
    b"\xff",
    b"\0",
    b"\xEF\xBB\xBF",
    b"null",
];

pub(super) fn json_input() -> impl Strategy<Value = Vec<u8>> {
    vec(select(JSON_PARTS.to_vec()), 0..30).prop_map(|parts| parts.concat())
}

pub(super) fn json_cases() -> impl Strategy<Value = Case> {
    let columns = select(vec![
        "a integer, b text, c text, d jsonb",
        "a integer!, b text, c text, d jsonb",
    ]);
    (columns, select(vec![8_usize, 20, 1000]), any::<bool>()).prop_map(
        |(columns, max_record, pointer)| {
            let case = json_lines(columns).max_record(max_record);
            if !pointer {
                return case;
            }
            let pointer = ColumnSource::Pointer("/d/1/e".to_owned());
            case.declare(from("c", pointer))
        },
    )
}

const ARRAY: [&str; 16] = [
    "[",
    "]",
    ",",
    "{",
    "}",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\r",
    " ",
    "{\"a\":1}",
    "{\"a\":2,\"b\":\"],\"}",
    ",{\"a\":\r\n3}",
    "x",
    "],",
];

/// Files that begin as an array.
pub(super) fn array_input() -> impl Strategy<Value = Vec<u8>> {
    vec(select(ARRAY.to_vec()), 0..30).prop_map(|parts| format!("[{}", parts.concat()).into_bytes())
}

const ENCODINGS: [&str; 12] = [
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
    "utf-8",
];

const TEXTS: [&str; 14] = [
    ",",
    ",",
    "\"",
    "\n",
    "\r\n",
    "\r",
    "1",
    "é",
    "日本",
    "表|",
    "1,x\n",
    "2,\"é\"\n",
    "\0",
    "\u{a0a}",
];

const BYTES: [&[u8]; 12] = [
    b"\x81",
    b"\xff",
    b"\x30",
    b"\x1b(J",
    b"\x1b(B",
    b"\x1b$B",
    b"\x1b(I",
    b"\x1b",
    b"\xd8",
    b"\0",
    b"\x81\x30\x81",
    b"\x8f",
];

/// An encoding, and a file that is mostly in it.
fn encoded() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let text = select(TEXTS.to_vec()).prop_map(Ok);
    let bytes = select(BYTES.to_vec()).prop_map(Err);
    let parts = vec(prop_oneof![5 => text, 1 => bytes], 0..30);
    (select(ENCODINGS.to_vec()), parts).prop_map(|(label, parts)| {
        let mut input = encode(label, "a,b\n");
        for part in parts {
            match part {
                Ok(text) => input.extend(encode(label, text)),
                Err(bytes) => input.extend_from_slice(bytes),
            }
        }
        (label, input)
    })
}

fn fixed_cases() -> impl Strategy<Value = Case> {
    let positions = select(vec![Positions::Characters, Positions::Bytes]);
    let ragged = select(vec![Ragged::Reject, Ragged::Pad]);
    let comment = select(vec![None, Some(b'#')]);
    let lines = (positions, ragged, comment, 0_u64..2, 0_u64..2);
    (lines, select(vec![3_usize, 9, 1000])).prop_map(|(lines, max_record)| {
        fixed("a integer, b text", &[("a", 1, Some(2)), ("b", 3, None)])
            .max_record(max_record)
            .lines(|format| {
                (format.positions, format.ragged, format.comment, ..) = lines;
                (.., format.skip_lines, format.skip_last) = lines;
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn fixed_width_is_read_the_same_in_any_pieces_and_from_any_checkpoint(
        case in fixed_cases(),
        (input, cuts) in with_cuts(csv_input()),
        target in targets(),
    ) {
        check(&case, &input, &cuts, target);
    }

    #[test]
    fn every_encoding_is_read_the_same_in_any_pieces_and_from_any_checkpoint(
        case in csv_cases(),
        replace in any::<bool>(),
        (label, input, cuts) in encoded().prop_flat_map(|(label, input)| {
            let cuts = cuts(&input);
            (Just(label), Just(input), cuts)
        }),
        target in targets(),
    ) {
        let mut case = case.encoding(label);
        if replace {
            case = case.replace_invalid_bytes();
        }
        check(&case, &input, &cuts, target);
    }

    #[test]
    fn csv_is_read_the_same_in_any_pieces_and_from_any_checkpoint(
        case in csv_cases(),
        (input, cuts) in with_cuts(csv_input()),
        target in targets(),
    ) {
        check(&case, &input, &cuts, target);
    }

    #[test]
    fn json_lines_are_read_the_same_in_any_pieces_and_from_any_checkpoint(
        case in json_cases(),
        (input, cuts) in with_cuts(json_input()),
        target in targets(),
    ) {
        check(&case, &input, &cuts, target);
    }

    #[test]
    fn json_arrays_are_read_the_same_in_any_pieces_and_from_any_checkpoint(
        case in json_cases(),
        (input, cuts) in with_cuts(array_input()),
        target in targets(),
        close in any::<bool>(),
    ) {
        let mut input = input;
        if close {
            input.push(b']');
        }
        check(&case, &input, &cuts, target);
    }

    #[test]
    fn any_bytes_can_be_read(
        case in prop_oneof![csv_cases(), json_cases(), fixed_cases()],
        (input, cuts) in with_cuts(vec(any::<u8>(), 0..60)),
        target in targets(),
    ) {
        check(&case, &input, &cuts, target);
    }
}
