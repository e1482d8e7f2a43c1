//! `cargo xtask bench throughput`: a gzip'ed object in S3, every value of it validated, loaded
//! exactly once, beside `psql \copy` of the plain local file, and beside what else one would use.

use std::time::Duration;

use anyhow::Result;

use super::data::Lineitem;
use super::{Bench, Load, ROUNDS, median};

pub(crate) fn bench(peers: bool) -> Result<()> {
    let bench = Bench::start()?;
    let data = Lineitem::of("1", &bench.folder)?;
    let store = bench.store(&[&data.gzip])?;
    let object = "s3://bench/lineitem.csv.gz";
    let order = |connections| Load {
        what: object,
        store: Some(&store),
        connections,
        rows: data.rows,
    };
    let (mut copies, mut two, mut one) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        copies.push(bench.copy(&data.plain)?);
        two.push(bench.load(&order(2))?.time);
        one.push(bench.load(&order(1))?.time);
        println!("round {round} of {ROUNDS}");
    }
    let copy = median(&mut copies);
    println!("{} rows of lineitem, medians of {ROUNDS}:", data.rows);
    println!(
        "  {:<42} {:6.2} s",
        "psql \\copy, plain local file",
        copy.as_secs_f64()
    );
    let tell = |what: &str, time: Duration| {
        let (time, ratio) = (time.as_secs_f64(), time.as_secs_f64() / copy.as_secs_f64());
        println!("  {what:<42} {time:6.2} s   {ratio:.2} of psql \\copy");
    };
    let load = median(&mut two);
    tell("arrivage load, gzip in S3", load);
    tell(
        "arrivage load, gzip in S3, connections = 1",
        median(&mut one),
    );
    if !peers {
        return Ok(());
    }
    println!("peers, one run each:");
    bench.peers(&data, &store, object, |what, time| {
        let (time, ratio) = (time.as_secs_f64(), time.as_secs_f64() / load.as_secs_f64());
        println!("  {what:<42} {time:6.2} s   {ratio:.2} of arrivage load");
    })
}
