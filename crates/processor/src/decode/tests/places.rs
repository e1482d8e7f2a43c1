use arrivage_model::Checkpoint;

use super::{Case, ChunkTarget, csv, json_lines, records};

/// Record, line, byte offset, raw text, and what became of it.
type Expect<'a> = (u64, u64, u64, &'a str, &'a str);

fn check(case: &Case, input: &[u8], expect: &[Expect<'_>]) {
    for target in [
        super::LARGE,
        ChunkTarget {
            records: 1,
            ..super::LARGE
        },
    ] {
        let chunks = case
            .chunks(input, &[], &Checkpoint::default(), target)
            .expect("can be read");
        let records = records(&chunks);
        let found: Vec<Expect<'_>> = records
            .iter()
            .map(|r| {
                (
                    r.record,
                    r.line,
                    r.byte_offset,
                    r.raw.as_str(),
                    r.what.as_str(),
                )
            })
            .collect();
        assert_eq!(found, expect);
        let mut at = 0;
        for chunk in &chunks {
            assert_eq!(chunk.start, at, "a chunk begins where the one before ends");
            at = chunk.end.offset;
        }
        let last = chunks.last().expect("there is a last chunk");
        assert_eq!(last.end.records, expect.len() as u64);
        assert_eq!(last.end.offset, input.len() as u64);
        assert!(last.last && chunks.iter().filter(|chunk| chunk.last).count() == 1);
    }
}

#[test]
fn records_are_found_again_by_record_line_and_byte() {
    let case = csv("a text, b integer").dialect(|csv| {
        csv.comment = Some(b'#');
        csv.skip_lines = 1;
    });
    check(
        &case,
        b"\xEF\xBB\xBFtitle\r\na,b\r\n\r\n\"x\r\ny\rz\n\",1\r\n# c\nq,w\n\"open,1\ne,2\r\n\nlast,3",
        &[
            (1, 4, 17, "\"x\r\ny\rz\n\",1", "x\r\ny\rz\n|1"),
            (2, 9, 34, "q,w", "!not_a_number b"),
            (3, 10, 38, "\"open,1", "!open_quote"),
            (4, 11, 46, "e,2", "e|2"),
            (5, 13, 52, "last,3", "last|3"),
        ],
    );
}

#[test]
fn the_raw_text_of_a_row_is_without_its_line_end() {
    check(
        &csv("a text, b text"),
        b"a,b\n1, \r\n2, \n3, \r4, ",
        &[
            (1, 2, 4, "1, ", "1| "),
            (2, 3, 9, "2, ", "2| "),
            (3, 4, 13, "3, ", "3| "),
            (4, 5, 17, "4, ", "4| "),
        ],
    );
}

#[test]
fn json_records_too() {
    check(
        &json_lines("a integer"),
        b"\xEF\xBB\xBF{\"a\":1}\n\n[]\r\n{\"a\":\"x\"}\r{\"a\":2}",
        &[
            (1, 1, 3, "{\"a\":1}", "1"),
            (2, 3, 12, "[]", "!not_json"),
            (3, 4, 16, "{\"a\":\"x\"}", "!not_a_number a"),
            (4, 5, 26, "{\"a\":2}", "2"),
        ],
    );
}

#[test]
fn lines_are_counted_through_a_record_that_is_too_long() {
    check(
        &csv("a text").max_record(8),
        b"a\n\"\n\"\n\"\n\r\n\",3456789\nx\n34567890123\r\ny",
        &[
            (1, 2, 2, "\"\n\"", "\n"),
            (2, 4, 6, "\"\n\r\n\",34", "!record_too_long"),
            (3, 7, 20, "x", "x"),
            (4, 8, 22, "34567890", "!record_too_long"),
            (5, 9, 35, "y", "y"),
        ],
    );
}

#[test]
fn the_place_of_a_byte_that_is_no_text_is_in_the_reason() {
    let case = csv("a text, b text");
    let input = b"\xEF\xBB\xBFa,b\n1,2\n\xc3\xa9,x\xff\n";
    let chunks = case
        .chunks(input, &[], &Checkpoint::default(), super::LARGE)
        .expect("readable");
    let reject = &chunks[0].rejects[0];
    assert_eq!(
        reject.reason,
        "it is not UTF-8: byte 0xff at offset 15 of the stream"
    );
    assert_eq!(reject.raw, "é,x\u{fffd}");
}

#[test]
fn a_chunk_is_full_by_records_by_bytes_or_by_rejects() {
    let case = csv("a integer");
    let sizes = |input: &str, target: ChunkTarget| -> Vec<u64> {
        let chunks = case.chunks(input.as_bytes(), &[], &Checkpoint::default(), target);
        chunks
            .expect("can be read")
            .iter()
            .map(super::Chunk::records)
            .collect()
    };
    let by_records = ChunkTarget {
        records: 2,
        ..super::LARGE
    };
    assert_eq!(sizes("a\n1\n2\n3\n4\n", by_records), [2, 2, 0]);
    assert_eq!(sizes("a\n1\nx\n3\n", by_records), [2, 1]);
    let by_bytes = ChunkTarget {
        bytes: 1,
        ..super::LARGE
    };
    assert_eq!(sizes("a\n1\nx\n3\n", by_bytes), [1, 1, 1, 0]);
    assert_eq!(
        sizes(&format!("a\n{}", "x\n".repeat(1500)), super::LARGE),
        [1000, 500]
    );
    assert_eq!(sizes("", by_records), [0]);
}
