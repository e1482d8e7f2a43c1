use arrivage_model::{Checkpoint, Encoding};

use super::{Case, ChunkTarget, LARGE, csv, json_lines, records};

fn two() -> Case {
    csv("a text, b text")
}

/// Text as an encoding has it.
pub(in crate::decode) fn encode(label: &str, text: &str) -> Vec<u8> {
    let encoding: Encoding = label.parse().expect(label);
    if encoding == Encoding::UTF_16LE {
        return text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    if encoding == Encoding::UTF_16BE {
        return text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    }
    encoding.get().encode(text).0.into_owned()
}

#[test]
fn text_is_read_as_its_encoding_has_it() {
    let check = |label: &str, text: &str| {
        let input = encode(label, &format!("a,b\r\n1,{text}\r\n\"2\n\",\"{text}\""));
        let row = format!("1|{text}");
        two()
            .encoding(label)
            .check(&input, &[&row, &format!("2\n|{text}")]);
        let object = encode(label, &format!("{{\"a\":\"1\",\"b\":\"{text}\"}}\n"));
        json_lines("a text, b text")
            .encoding(label)
            .check(&object, &[&row]);
    };
    check("windows-1252", "prix 5 € «éü»");
    check("iso-8859-15", "5 € Œuvre");
    check("koi8-r", "привет");
    check("utf-16le", "é語😀\u{0a0a}\u{0d00}x");
    check("utf-16be", "é語😀\u{0a0a}\u{0d00}x");
    // Trail bytes that look like a pipe, a backslash and letters.
    check("shift_jis", "表示ソ能|\u{ff76}");
    check("gb18030", "中文€\u{20000}");
    check("gbk", "中文|");
    check("big5", "功能|許");
    check("euc-kr", "한국어");
    check("euc-jp", "日本語");
    check("iso-2022-jp", "日本語 x 語");
}

#[test]
fn every_encoding_of_the_standard_reads_plain_text() {
    for label in [
        "utf-8",
        "ibm866",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "iso-8859-8-i",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-15",
        "iso-8859-16",
        "koi8-r",
        "koi8-u",
        "macintosh",
        "windows-874",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "x-mac-cyrillic",
        "gbk",
        "gb18030",
        "big5",
        "euc-jp",
        "iso-2022-jp",
        "shift_jis",
        "euc-kr",
        "utf-16be",
        "utf-16le",
        "x-user-defined",
    ] {
        let input = encode(label, "a,b\n1,x\n2,\"y\"\"z\n\"\n");
        two().encoding(label).check(&input, &["1|x", "2|y\"z\n"]);
    }
}

#[test]
fn a_byte_order_mark_says_more_than_the_setting() {
    let text = "a,b\n1,é\n";
    let marked = |mark: &[u8], label: &str| [mark, &encode(label, text)].concat();
    for label in ["utf-8", "utf-16le", "utf-16be", "windows-1252", "shift_jis"] {
        let case = two().encoding(label);
        case.check(marked(b"\xEF\xBB\xBF", "utf-8"), &["1|é"]);
        case.check(marked(b"\xFF\xFE", "utf-16le"), &["1|é"]);
        case.check(marked(b"\xFE\xFF", "utf-16be"), &["1|é"]);
        case.check(encode(label, "a,b\n1,x\n"), &["1|x"]);
        case.check(b"\xFF\xFE", &[]);
    }
}

#[test]
fn bytes_that_the_encoding_lacks_are_a_reject_with_their_place_in_the_stream() {
    let check = |label: &str, input: &[u8], expect: &[(u64, &str)]| {
        let case = two().encoding(label);
        let chunks = case
            .chunks(input, &[], &Checkpoint::default(), LARGE)
            .expect("can be read");
        let records = records(&chunks);
        let found: Vec<_> = records
            .iter()
            .map(|record| match record.reason.as_str() {
                "" => (record.byte_offset, record.what.as_str()),
                reason => (record.byte_offset, reason),
            })
            .collect();
        assert_eq!(found, expect, "{label}");
    };
    check(
        "iso-8859-7",
        b"a,b\n1,\xd2\n2,\xe1\n",
        &[
            (
                4,
                "it is not ISO-8859-7: byte 0xd2 at offset 6 of the stream",
            ),
            (8, "2|α"),
        ],
    );
    // The line end after half a character is a line end.
    check(
        "shift_jis",
        b"a,b\n\x93\xfa,\x93\n2,\x93\xfa\n",
        &[
            (
                4,
                "it is not Shift_JIS: byte 0x93 at offset 7 of the stream",
            ),
            (9, "2|日"),
        ],
    );
    // A half of a pair, and half a unit at the end.
    check(
        "utf-16le",
        b"a\0,\0b\0\n\0\xe9\0,\0\x3d\xd8\n\x002\0,\0x\0\n\x003\0,",
        &[
            (
                8,
                "it is not UTF-16LE: byte 0x3d at offset 12 of the stream",
            ),
            (16, "2|x"),
            (
                24,
                "it is not UTF-16LE: byte 0x2c at offset 26 of the stream",
            ),
        ],
    );
    check(
        "utf-16be",
        &encode("utf-16be", "a,b\né,x\0y\n1,2\n"),
        &[(8, "U+0000 at offset 14 of the stream"), (20, "1|2")],
    );
    check(
        "windows-1252",
        b"a,b\n\xe9,x\0y\n1,2\n",
        &[(4, "U+0000 at offset 7 of the stream"), (10, "1|2")],
    );
    let header = two().encoding("iso-8859-7");
    header.check_refused(
        b"a,\xd2\n1,2\n",
        &["the header cannot be read", "at offset 2"],
    );
}

#[test]
fn invalid_bytes_are_replaced_where_a_setting_says_so() {
    let case = two().replace_invalid_bytes();
    case.check(
        b"a,b\n1,\xff\n\xc3,\xe2\x82\n",
        &["1|\u{fffd}", "\u{fffd}|\u{fffd}"],
    );
    case.check(b"a,b\n1,x\0\n", &["!nul b"]);
    let greek = two().encoding("iso-8859-7").replace_invalid_bytes();
    greek.check(b"a,b\n1,\xd2\n", &["1|\u{fffd}"]);
}

#[test]
fn a_checkpoint_says_how_the_text_is_written() {
    let one = ChunkTarget {
        records: 1,
        ..LARGE
    };
    let end = |label: &str, input: &[u8]| {
        let case = two().encoding(label);
        let chunks = case.chunks(input, &[], &Checkpoint::default(), one);
        chunks.expect("can be read").swap_remove(0).end
    };
    let marked = [&b"\xFE\xFF"[..], &encode("utf-16be", "a,b\n1,2\n3,4\n")].concat();
    let checkpoint = end("utf-8", &marked);
    assert_eq!(checkpoint.offset, 18);
    let state = checkpoint.state.as_deref().expect("a state");
    assert!(
        state.ends_with(r#""encoding":{"name":"UTF-16BE"}}"#),
        "{state}"
    );

    // In the Roman set a backslash is a yen sign, in the next line too.
    let roman = b"a,b\n1,\x1b(J\\\n2,\\\x1b(B\n3,\\\n";
    let checkpoint = end("iso-2022-jp", roman);
    let state = checkpoint.state.as_deref().expect("a state");
    assert!(
        state.ends_with(r#""encoding":{"name":"ISO-2022-JP","roman":true}}"#),
        "{state}"
    );
    let case = two().encoding("iso-2022-jp");
    let rest = case
        .chunks(roman, &[], &checkpoint, LARGE)
        .expect("can be read");
    let rest: Vec<_> = records(&rest)
        .into_iter()
        .map(|record| record.what)
        .collect();
    assert_eq!(rest, ["2|¥", "3|\\"]);

    let unknown = Checkpoint {
        state: Some(r#"{"line":2,"encoding":{"name":"ebcdic"}}"#.to_owned()),
        ..checkpoint
    };
    let error = case
        .chunks(roman, &[], &unknown, LARGE)
        .expect_err("unknown");
    assert!(
        error.message.contains("unknown encoding \"ebcdic\""),
        "{error}"
    );
}
