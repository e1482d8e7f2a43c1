//! `cargo xtask bench memory`: the most that is resident while a file is loaded, and while one ten
//! times as large is.

use anyhow::Result;

use super::data::Lineitem;
use super::{Bench, Load, ROUNDS};

pub(crate) fn bench() -> Result<()> {
    let bench = Bench::start()?;
    let mut medians = Vec::new();
    for (scale, rounds) in [("1", ROUNDS), ("10", 1)] {
        let data = Lineitem::of(scale, &bench.folder)?;
        let store = bench.store(&[&data.gzip])?;
        let load = Load {
            what: "s3://bench/lineitem.csv.gz",
            store: Some(&store),
            connections: 2,
            rows: data.rows,
        };
        let mut peaks = Vec::new();
        for _ in 0..rounds {
            peaks.push(bench.load(&load)?.peak);
        }
        peaks.sort_unstable();
        let peak = peaks[peaks.len() / 2] as f64 / 1024.0;
        println!(
            "lineitem of scale {scale}, {} rows: at most {peak:.1} MiB resident with default settings",
            data.rows
        );
        medians.push(peak);
    }
    println!(
        "ten times the file, {:.3} times the memory (bar: within 5 %)",
        medians[1] / medians[0]
    );
    Ok(())
}
