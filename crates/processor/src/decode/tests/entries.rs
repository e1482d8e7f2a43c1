//! Entries of an archive: each is read as a file of its own, and their records are
//! counted on.

use std::sync::Arc;

use arrivage_model::{Checkpoint, Delimiter, ErrorCode, ReasonCode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::pieces::{
    Seen, array_input, csv_cases, csv_input, cuts, json_cases, json_input, seen, targets,
};
use super::{Case, ChunkTarget, LARGE, Record, csv, json_lines, records};
use crate::decode::{Chunk, DecodeError, Entry, EntryPlace, GivenBack, NotGivenBack};

/// An entry, and where the pieces end in which it comes.
type Cut = (Vec<u8>, Vec<usize>);

/// Reads entries on from a checkpoint, as an archive's reader hands them on.
fn chunks(
    case: &Case,
    entries: &[Cut],
    from: &Checkpoint,
    target: ChunkTarget,
) -> Result<Vec<Chunk>, DecodeError> {
    let mut decoder = case.decoder(from, target)?;
    let mut chunks = Vec::new();
    let place = EntryPlace::of(from);
    let mut start = 0;
    for (number, (bytes, cuts)) in entries.iter().enumerate() {
        let at = number as u64;
        let begin = start;
        start += bytes.len() as u64;
        if place.is_some_and(|place| at < place.at) {
            continue;
        }
        let resumed = place.filter(|place| place.at == at);
        let mut done = resumed.map_or(0, |_| {
            usize::try_from(from.offset - begin).expect("a small entry")
        });
        decoder.enter(&Entry {
            place: EntryPlace { at, start: begin },
            name: format!("{at}.txt").into(),
        })?;
        for end in cuts.iter().copied().chain([bytes.len()]) {
            if end < done {
                continue;
            }
            decoder.push(&bytes[done..end], begin + end as u64);
            done = end;
            while let Some(chunk) = decoder.take()? {
                chunks.push(chunk);
            }
        }
        decoder.leave();
        while let Some(chunk) = decoder.take()? {
            chunks.push(chunk);
        }
    }
    decoder.end();
    while let Some(chunk) = decoder.take()? {
        chunks.push(chunk);
    }
    assert!(decoder.take()?.is_none(), "nothing follows the last chunk");
    Ok(chunks)
}

fn whole(entries: &[&[u8]]) -> Vec<Cut> {
    entries
        .iter()
        .map(|entry| (entry.to_vec(), Vec::new()))
        .collect()
}

/// The records of each entry as of a file of its own, counted on.
fn one_by_one(case: &Case, entries: &[Cut]) -> Result<Vec<Record>, DecodeError> {
    let mut all = Vec::new();
    let mut start = 0;
    for (number, (bytes, _)) in entries.iter().enumerate() {
        let alone = case.chunks(bytes, &[], &Checkpoint::default(), LARGE)?;
        let before = all.len() as u64;
        for record in records(&alone) {
            all.push(Record {
                record: record.record + before,
                byte_offset: record.byte_offset + start,
                reason: format!("{} (entry {number}.txt)", record.reason),
                ..record
            });
        }
        start += bytes.len() as u64;
    }
    Ok(all)
}

/// Without words that a row never had, and offsets, which count on.
fn comparable(mut record: Record) -> Record {
    if !record.what.starts_with('!') {
        record.reason = String::new();
    }
    record.reason = without_offset(&record.reason);
    record
}

fn without_offset(words: &str) -> String {
    let Some((before, offset)) = words.split_once("at offset ") else {
        return words.to_owned();
    };
    let behind = offset.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}at an offset{behind}")
}

fn check(case: &Case, entries: &[Cut], target: ChunkTarget) {
    let start = Checkpoint::default();
    let see = |entries: &[Cut], from: &Checkpoint| -> Result<Vec<Seen>, DecodeError> {
        let chunks = chunks(case, entries, from, target)?;
        Ok(chunks.into_iter().map(seen).collect())
    };
    let uncut: Vec<Cut> = entries
        .iter()
        .map(|(bytes, _)| (bytes.clone(), Vec::new()))
        .collect();
    let found = see(&uncut, &start);
    match (&found, one_by_one(case, entries)) {
        (Ok(found), Ok(expect)) => {
            let found = found.iter().flat_map(|(.., records)| records).cloned();
            let found: Vec<_> = found.map(comparable).collect();
            let expect: Vec<_> = expect.into_iter().map(comparable).collect();
            assert_eq!(found, expect);
        }
        (Err(found), Err(expect)) => {
            assert_eq!(found.code, expect.code);
            let found = without_offset(&found.message);
            assert!(
                found.starts_with(&without_offset(&expect.message)),
                "{found}"
            );
        }
        (found, expect) => panic!("{found:?} instead of {expect:?}"),
    }
    assert_eq!(see(entries, &start), found, "in pieces");
    let Ok(found) = found else { return };
    for (at, (_, end, last, _)) in found.iter().enumerate() {
        if !last {
            let rest = see(entries, end);
            assert_eq!(rest.as_deref(), Ok(&found[at + 1..]), "from {end:?}");
        }
    }
}

fn cut(input: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Cut>> {
    let one = input.prop_flat_map(|input| {
        let cuts = cuts(&input);
        (Just(input), cuts)
    });
    vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn csv_in_entries_is_read_as_in_files_in_any_pieces_and_from_any_checkpoint(
        case in csv_cases(),
        entries in cut(csv_input()),
        target in targets(),
    ) {
        check(&case, &entries, target);
    }

    #[test]
    fn json_in_entries_is_read_as_in_files_in_any_pieces_and_from_any_checkpoint(
        case in json_cases(),
        entries in cut(prop_oneof![json_input(), array_input()]),
        target in targets(),
    ) {
        check(&case, &entries, target);
    }
}

fn read(case: &Case, entries: &[&[u8]]) -> Vec<Record> {
    let found = chunks(case, &whole(entries), &Checkpoint::default(), LARGE);
    records(&found.expect("they can be read"))
}

#[test]
fn each_entry_has_a_header_and_a_mark_of_its_own() {
    let found = read(
        &csv("id bigint, name text"),
        &[
            b"id,name\n1,a\nx,b\n",
            b"",
            b"\xEF\xBB\xBFname,id\nc,3\n",
            b"id\n4\ny\n",
        ],
    );
    let shown: Vec<_> = found
        .iter()
        .map(|it| (it.record, it.line, it.byte_offset, &*it.what, &*it.reason))
        .collect();
    assert_eq!(
        shown,
        [
            (1, 2, 8, "1|a", ""),
            (
                2,
                3,
                12,
                "!not_a_number id",
                "\"x\" is no whole number: a sign and digits make one (entry 0.txt)"
            ),
            (3, 2, 27, "3|c", ""),
            (4, 2, 34, "4", ""),
            (
                5,
                3,
                36,
                "!not_a_number id",
                "\"y\" is no whole number: a sign and digits make one (entry 3.txt)"
            ),
        ]
    );
}

#[test]
fn entries_that_are_alike_share_a_chunk() {
    let check = |case: Case, entries: &[&[u8]], expect: &[usize]| {
        let found = chunks(&case, &whole(entries), &Checkpoint::default(), LARGE);
        let found = found.expect("they can be read");
        let sizes: Vec<_> = found.iter().map(|chunk| chunk.rows.len()).collect();
        assert_eq!(sizes, expect);
    };
    let two = || csv("id bigint, name text");
    check(
        two(),
        &[b"id,name\n1,a\n", b"name,id\nb,2\n", b"id\n3\n"],
        &[2, 1],
    );
    check(
        two().dialect(|csv| csv.header = false),
        &[b"1,a\n", b"2,b"],
        &[2],
    );
    let json = || json_lines("id bigint, name text");
    check(
        json(),
        &[b"{\"id\":1}\n", b"x\n{\"id\":2}\n", b"{\"name\":\"a\"}"],
        &[2, 1],
    );
}

#[test]
fn a_row_that_the_table_refuses_names_its_entry() {
    let entries: [&[u8]; 3] = [b"id\n1\n2\n", b"id\n", b"id\n3\n"];
    let found = chunks(
        &csv("id bigint"),
        &whole(&entries),
        &Checkpoint::default(),
        LARGE,
    );
    let chunk = &found.expect("they can be read")[0];
    let reason = |row| {
        chunk
            .reject(row, None, ReasonCode::Constraint, "no".to_owned())
            .reason
    };
    assert_eq!(
        [reason(0), reason(1), reason(2)],
        ["no (entry 0.txt)", "no (entry 0.txt)", "no (entry 2.txt)"]
    );
}

#[test]
fn what_an_entry_says_of_itself_is_compared_with_it_alone() {
    let case = || csv("id bigint").dialect(|csv| csv.trailer = Some("T{count}".to_owned()));
    assert_eq!(read(&case(), &[b"id\n1\n2\nT2\n", b"id\n3\nT1\n"]).len(), 3);
    let wrong: [&[u8]; 2] = [b"id\n1\n2\nT2\n", b"id\n3\nT3\n"];
    let error = chunks(&case(), &whole(&wrong), &Checkpoint::default(), LARGE).expect_err("one");
    assert_eq!(error.code, ErrorCode::Incomplete);
    assert_eq!(
        error.message,
        "it has 1 records, and its trailer says 3 (entry 1.txt)"
    );
    let lacks = chunks(
        &csv("id bigint!"),
        &whole(&[b"id\n1\n", b"no\n1\n"]),
        &Checkpoint::default(),
        LARGE,
    );
    let error = lacks.expect_err("a header lacks a column");
    assert!(error.message.ends_with("(entry 1.txt)"), "{error}");
}

#[test]
fn rejects_of_entries_with_different_headers_are_not_given_back_as_one_file() {
    let mixed = |case: &Case, entries: &[&[u8]]| {
        let found = chunks(case, &whole(entries), &Checkpoint::default(), LARGE);
        let found = found.expect("they can be read");
        let state = found.last().and_then(|chunk| chunk.end.state.as_deref());
        let given = GivenBack::new(&case.pipeline, state);
        matches!(given, Err(NotGivenBack::Mixed))
    };
    let two = csv("id bigint, name text");
    assert!(!mixed(&two, &[b"id,name\nx,a\n", b"", b"id,name\ny,b\n"]));
    assert!(mixed(
        &two,
        &[b"id,name\nx,a\n", b"name,id\nb,y\n", b"id,name\n1,a\n"]
    ));
    assert!(mixed(&two, &[b"id,name\nx,a\n", b"name,id\nb,y\n"]));
    let auto = csv("id bigint, name text").dialect(|csv| {
        csv.header = false;
        csv.delimiter = Delimiter::Auto;
    });
    assert!(!mixed(&auto, &[b"x;a\ny;b\n", b"z;c\nw;d\n"]));
    assert!(mixed(&auto, &[b"x;a\ny;b\n", b"z,c\nw,d\n"]));
}

#[test]
fn an_entry_that_is_not_where_the_checkpoint_is_is_refused() {
    let case = csv("id bigint");
    let target = ChunkTarget {
        bytes: 1,
        records: 1,
    };
    let entries = whole(&[b"id\n1\n2\n", b"id\n3\n"]);
    let first = chunks(&case, &entries, &Checkpoint::default(), target).expect("chunks");
    let mut decoder = case.decoder(&first[0].end, target).expect("a decoder");
    let entry = Entry {
        place: EntryPlace { at: 1, start: 7 },
        name: Arc::from("1.txt"),
    };
    let error = decoder.enter(&entry).expect_err("another entry");
    assert_eq!(error.code, ErrorCode::ConfigChanged);
}
