//! What a file's trailer says of it, compared.

use arrivage_model::{Checkpoint, Delimiter, ErrorCode};

use super::{Case, ChunkTarget, LARGE, csv, fixed, records};

fn orders(trailer: &str) -> Case {
    let mut case = csv("id bigint, amount numeric(9,2)").dialect(|csv| {
        csv.delimiter = Delimiter::Text(";".to_owned());
        csv.trailer = Some(trailer.to_owned());
    });
    let mut amount = super::column("amount");
    amount.decimal = ',';
    case = case.declare(amount);
    case
}

#[test]
fn a_file_is_as_its_trailer_says_or_incomplete() {
    let check = |trailer: &str, rest: &str, expect: Result<usize, &str>| {
        let input = format!("id;amount\n1;10,50\n2;-0,25\n{rest}");
        let found = orders(trailer).read(input.as_bytes());
        match (found, expect) {
            (Ok(records), Ok(count)) => assert_eq!(records.len(), count, "{rest:?}"),
            (Err(error), Err(words)) => {
                assert_eq!(error.code, ErrorCode::Incomplete);
                assert!(error.message.contains(words), "{rest:?}: {error}");
            }
            (found, expect) => panic!("{rest:?}: {found:?} instead of {expect:?}"),
        }
    };
    check("T;{count}", "T;2\n", Ok(2));
    check("T;{count}", "T;0002", Ok(2));
    check("T;{count}", "\n3;1\nT;3\n", Ok(3));
    // Rejects are records.
    check("T;{count}", "x;1\nT;3\n", Ok(3));
    check(
        "T;{count}",
        "T;3\n",
        Err("it has 2 records, and its trailer says 3"),
    );
    check("T;{count+2}", "T;4\n", Ok(2));
    check(
        "T;{count+2}",
        "T;2\n",
        Err("it has 2 records, with 2 other lines 4, and its trailer says 2"),
    );
    check(
        "T;{count}",
        "",
        Err("no line of it is like format.trailer, \"T;{count}\""),
    );
    check("T;{count}", "3;1\n", Err("no line of it is like"));
    // The last one says it, wherever it stands.
    check("T;{count}", "T;2\n3;1\n", Err("it has 3 records"));
    check("T;{count}", "T;2\n3;1\nT;3\n", Ok(3));

    check("T;{sum:amount}", "T;10,25\n", Ok(2));
    check("T;{sum:amount}", "3;\nT;10,250\n", Ok(3));
    check("T;{sum:amount}", "3;1.000,00\nT;10,25\n", Ok(3));
    check("T;{sum:amount}", "3;1000\nT;1.010,25\n", Ok(3));
    check(
        "T;{sum:amount}",
        "T;10,26\n",
        Err("the values of amount in its rows come to 10.25, and its trailer says 10.26"),
    );
    check(
        "Total of ids {sum:id} in {count}",
        "Total of ids 3 in 2\n",
        Ok(2),
    );
    check("T;{sum:id};{count}", "T;3;2\n", Ok(2));
    check("T;{sum:id};{count}", "T;3;1\n", Err("it has 2 records"));
}

#[test]
fn totals_stand_among_the_last_lines_too() {
    let case = orders("T;{count}").dialect(|csv| csv.skip_last = 2);
    let read = |text: &str| case.read(format!("id;amount\n1;1\n{text}").as_bytes());
    assert_eq!(read("T;1\nsigned").expect("complete").len(), 1);
    let error = read("2;1\nT;1\nsigned").expect_err("incomplete");
    assert_eq!(error.code, ErrorCode::Incomplete);
    let error = read("2;1\nsigned").expect_err("without its totals");
    assert_eq!(error.code, ErrorCode::Incomplete);
}

#[test]
fn lines_of_a_fixed_width_have_trailers_too() {
    let case = fixed("id bigint", &[("id", 1, Some(4))])
        .lines(|format| format.trailer = Some("T{count}*".to_owned()));
    assert_eq!(
        case.read(b"0001\n0002\nT0002 x").expect("complete").len(),
        2
    );
    assert!(case.read(b"0001\n0002\nT0003 x").is_err());
}

#[test]
fn totals_hold_across_every_checkpoint() {
    let case = orders("T;{count};{sum:amount}");
    let input = b"id;amount\n1;1,5\nx;2\nT;9;9\n2;-3\n3;0,25\nT;4;-1,25\n";
    let one = ChunkTarget {
        records: 1,
        ..LARGE
    };
    let chunks = case
        .chunks(input, &[], &Checkpoint::default(), one)
        .expect("complete");
    assert!(chunks.len() > 3, "{}", chunks.len());
    for chunk in &chunks {
        let rest = case
            .chunks(input, &[], &chunk.end, LARGE)
            .expect("complete");
        let rest = records(&rest).len() as u64;
        assert_eq!(rest, 4 - chunk.end.records);
    }
    for cut in 0..input.len() {
        let cuts = case.chunks(input, &[cut], &Checkpoint::default(), one);
        assert_eq!(cuts.expect("complete").len(), chunks.len(), "cut at {cut}");
    }
    let broken = Checkpoint {
        state: Some(r#"{"line":3,"totals":{"sums":["1"]}}"#.to_owned()),
        ..chunks[0].end.clone()
    };
    let error = case.chunks(input, &[], &broken, LARGE).expect_err("broken");
    assert_eq!(error.code, ErrorCode::ConfigChanged);
}

#[test]
fn a_sum_needs_a_column_that_is_summed_exactly() {
    let check = |trailer: &str, expect: &str| {
        let case = csv("id bigint, name text, weight real")
            .dialect(|csv| csv.trailer = Some(trailer.to_owned()));
        let problems = case.plan().expect_err(trailer).problems;
        assert_eq!(problems, [format!("pipeline.p.format.trailer: {expect}")]);
    };
    check("T;{sum:amount}", "the table t has no column \"amount\"");
    check(
        "T;{sum:name}",
        "\"name\" is of type text, which is not summed",
    );
    check(
        "T;{sum:weight}",
        "\"weight\" is of type real, which is not summed",
    );
}
