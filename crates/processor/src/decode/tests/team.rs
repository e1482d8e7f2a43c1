//! Whoever decodes a file, and however many: the same records.

use std::collections::VecDeque;
use std::sync::Arc;

use arrivage_model::{Checkpoint, Column, ColumnSource, Csv, RepeatedHeader};

use super::{Case, ChunkTarget, LARGE, column, csv, json_lines, records};
use crate::decode::{Chunk, DecodeError, Segment, Spare, Step, Team};

/// How a file was decoded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The most that a chunk took that came of a segment, in bytes.
    largest: usize,
    /// Chunks that came of segments.
    landed: usize,
    /// Segments that came to nothing.
    wrong: usize,
}

/// Decodes with so many helpers, whose segments land as late as they can.
fn chunks(
    case: &Case,
    input: &[u8],
    cuts: &[usize],
    target: ChunkTarget,
    helpers: usize,
) -> Result<(Vec<Chunk>, Seen), DecodeError> {
    let plan = Arc::new(case.plan().expect("pipeline and table fit"));
    let start = Checkpoint::default();
    // There is to be room for it.
    let target = ChunkTarget {
        bytes: target.bytes.min(1 << 20),
        ..target
    };
    let mut team = Team::new(plan, case.captures.clone(), &start, target)?;
    let mut out: VecDeque<Segment> = VecDeque::new();
    let mut seen = Seen::default();
    let mut chunks = Vec::new();
    let mut start = 0;
    let ends = cuts.iter().copied().chain([input.len()]);
    let pieces = ends.map(Some).chain([None]);
    for end in pieces {
        match end {
            Some(end) => {
                team.push(&input[start..end], end as u64);
                start = end;
            }
            None => team.end(),
        }
        loop {
            team.set_helpers(helpers > 0);
            let must_land = match team.step()? {
                Step::More => break,
                Step::Land => true,
                Step::Segment(segment) => {
                    out.push_back(*segment);
                    team.set_target(target, Spare::default());
                    out.len() > helpers
                }
                Step::Chunk(chunk) => {
                    if !chunk.last {
                        team.set_target(target, Spare::default());
                    }
                    chunks.push(*chunk);
                    false
                }
            };
            if must_land {
                let segment = out.pop_front().expect("one that is out");
                match team.land(segment.decode())? {
                    Some(chunk) => {
                        seen.landed += 1;
                        seen.largest = seen.largest.max(chunk.heap_bytes());
                        chunks.push(chunk);
                    }
                    None => seen.wrong += 1,
                }
            }
        }
    }
    assert!(out.is_empty(), "all have landed");
    Ok((chunks, seen))
}

/// Whether several make of it what one does, and somebody can go on from each of their chunks.
pub(super) fn check(case: &Case, input: &[u8], cuts: &[usize], target: ChunkTarget) {
    let alone = |from: &Checkpoint| {
        let chunks = case.chunks(input, &[], from, target);
        chunks.map(|chunks| records(&chunks))
    };
    let whole = alone(&Checkpoint::default());
    for helpers in [1, 3] {
        let found = chunks(case, input, cuts, target, helpers).map(|(chunks, _)| chunks);
        let all = found.as_deref().map(records).map_err(Clone::clone);
        assert_eq!(all, whole, "by {helpers}");
        let Ok(found) = found else { continue };
        let mut start = 0;
        for chunk in &found {
            assert_eq!(chunk.start, start, "nothing is left out");
            start = chunk.end.offset;
        }
        let (last, before) = found.split_last().expect("one at least");
        assert!(last.last && before.iter().all(|chunk| !chunk.last));
        for chunk in before {
            let rest = alone(&chunk.end);
            let expect = whole.as_deref().expect("it can be read");
            let expect = &expect[chunk.end.records as usize..];
            assert_eq!(rest.as_deref(), Ok(expect), "from {:?}", chunk.end);
        }
    }
}

/// So many records, of some bytes each.
fn lines(records: u64, line: impl Fn(u64) -> String) -> String {
    (1..=records).map(line).collect()
}

const SMALL: ChunkTarget = ChunkTarget {
    bytes: 2000,
    records: u64::MAX,
};

/// Decodes with three helpers what comes in pieces.
fn seen(case: &Case, input: &str, target: ChunkTarget) -> Seen {
    let cuts: Vec<usize> = (0..input.len()).step_by(500).collect();
    check(case, input.as_bytes(), &cuts, target);
    let found = chunks(case, input.as_bytes(), &cuts, target, 3);
    found.expect("it can be read").1
}

/// The same of a file that repeats its header in the place of some records.
fn seen_with_headers(records: u64, again: impl Fn(u64) -> bool) -> Seen {
    let skip = |csv: &mut Csv| csv.repeated_header = RepeatedHeader::Skip;
    let case = csv("id integer, name text").dialect(skip);
    let line = |record| match again(record) {
        true => "id,name\n".to_owned(),
        false => format!("{record},some name or other\n"),
    };
    seen(&case, &format!("id,name\n{}", lines(records, line)), SMALL)
}

#[test]
fn a_file_whose_records_are_alike_is_decoded_by_several_from_its_second_chunk_on() {
    let case = csv("id integer, name text");
    let line = |record: u64| match record % 7 {
        0 => format!("{record},\"over\ntwo \"\"lines\"\"\"\r\n"),
        1 => format!("{record}x,a reject\n"),
        2 => format!("\n{record},\n"),
        _ => format!("{record},some name or other\n"),
    };
    let input = format!("id,name\n{}", lines(1000, line));
    let Seen { landed, wrong, .. } = seen(&case, &input, SMALL);
    assert!(landed > 20, "{landed}");
    assert_eq!(wrong, 0);
    let old_mac = input.replace("\r\n", "\n").replace('\n', "\r");
    let Seen { landed, wrong, .. } = seen(&case, &old_mac, SMALL);
    assert!(landed > 20, "{landed}");
    assert_eq!(wrong, 0);
    let json = json_lines("id integer, name text");
    let line = |record| format!("{{\"id\":{record},\"name\":\"some name or other\"}}\n");
    let Seen { landed, wrong, .. } = seen(&json, &lines(1000, line), SMALL);
    assert!(landed > 20, "{landed}");
    assert_eq!(wrong, 0);
    let few = ChunkTarget {
        records: 10,
        ..LARGE
    };
    assert!(seen(&json, &lines(1000, line), few).landed > 80);
}

#[test]
fn a_record_that_changes_how_later_ones_are_read_is_found_where_it_stands() {
    let case = json_lines("id integer, name text, note text");
    let line = |record| match record {
        500 => "{\"note\":\"for the first time\"}\n".to_owned(),
        _ => format!("{{\"id\":{record},\"name\":\"some name or other\"}}\n"),
    };
    let Seen { landed, wrong, .. } = seen(&case, &lines(1000, line), SMALL);
    assert!(landed > 20, "{landed}");
    assert!((1..=4).contains(&wrong), "{wrong}");

    let again = |record| matches!(record, 300 | 700);
    let Seen { landed, wrong, .. } = seen_with_headers(1000, again);
    assert!(landed > 20, "{landed}");
    assert!((2..=8).contains(&wrong), "{wrong}");
}

#[test]
fn records_that_weigh_more_than_those_before_are_cut_anew() {
    let case = csv("id integer, day text");
    let constant = column("day");
    let case = case.declare(Column {
        from: Some(ColumnSource::Capture("day".to_owned())),
        ..constant
    });
    let line = |record| match record {
        0..=500 => format!("{record}{}\n", " ".repeat(200)),
        _ => format!("{record}\n"),
    };
    let trim = case.dialect(|csv| csv.trim = true);
    let input = format!("id\n{}", lines(5000, line));
    let Seen { landed, wrong, .. } = seen(&trim, &input, SMALL);
    assert!(landed > 100, "{landed}");
    assert!((1..=8).contains(&wrong), "{wrong}");
}

#[test]
fn what_chunks_do_not_hold_makes_segments_no_longer() {
    let case = csv("id integer, name text").dialect(|csv| csv.comment = Some(b'#'));
    let line = |record: u64| format!("{record},some name or other\n");
    let comments = "# a comment of some length\n".repeat(10_000);
    let input = format!("id,name\n1,one\n{comments}{}", lines(10_000, line));
    let seen = seen(&case, &input, SMALL);
    assert!(seen.landed > 100, "{seen:?}");
    assert!(seen.largest < 3 * SMALL.bytes, "{seen:?}");
}

#[test]
fn a_file_that_is_never_what_it_seems_is_decoded_by_one() {
    let Seen { landed, wrong, .. } = seen_with_headers(10_000, |record| record % 10 == 0);
    assert!(wrong < 100, "{wrong}");
    assert!(landed < 100, "{landed}");
}

#[test]
fn what_needs_all_that_stands_before_it_is_decoded_by_one() {
    let line = |record: u64| format!("{record},some name or other\n");
    let input = format!("id,name\n{}", lines(1000, line));
    let case = || csv("id integer, name text");
    let check = |case: Case, input: &str| {
        assert_eq!(seen(&case, input, SMALL), Seen::default());
    };
    check(case().dialect(|csv| csv.skip_last = 1), &input);
    check(case().encoding("windows-1252"), &input);
    let line = |record| format!("{{\"id\":{record}}},\n");
    let array = format!("[{}{{}}]", lines(1000, line));
    check(json_lines("id integer"), &array);
}

#[test]
fn who_loses_its_helpers_goes_on_alone() {
    let case = csv("id integer, name text");
    let line = |record: u64| format!("{record},some name or other\n");
    let input = format!("id,name\n{}", lines(1000, line));
    let plan = Arc::new(case.plan().expect("pipeline and table fit"));
    let start = Checkpoint::default();
    let mut team = Team::new(plan, case.captures.clone(), &start, SMALL).expect("begins");
    team.push(input.as_bytes(), input.len() as u64);
    let (mut found, mut landed) = (Vec::new(), 0);
    loop {
        team.set_helpers(found.len() % 5 != 4);
        match team.step().expect("it can be read") {
            Step::Chunk(chunk) => found.push(*chunk),
            Step::Segment(segment) => {
                let of_it = team.land(segment.decode()).expect("it can be read");
                found.push(of_it.expect("as it seemed"));
                landed += 1;
            }
            Step::More => {
                team.end();
                continue;
            }
            Step::Land => panic!("everything has landed"),
        }
        if found.last().is_some_and(|chunk| chunk.last) {
            break;
        }
        team.set_target(SMALL, Spare::default());
    }
    assert!(landed > 4, "{landed}");
    let expect = records(
        &case
            .chunks(input.as_bytes(), &[], &start, LARGE)
            .expect("it can be read"),
    );
    assert_eq!(records(&found), expect);
}
