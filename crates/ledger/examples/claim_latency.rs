//! How long claims take: `claim_latency URL CLAIMS` claims so many arrivals of the pipeline
//! `orders`, one after another, loads each with an empty last chunk into the table `orders`, and
//! prints the median and the 99th percentile, in milliseconds, and how many claims a second that is
//! without the loads. `cargo xtask bench ledger` runs it.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use arrivage_ledger::{Advance, ConnectOptions, Destination, Pooler, Scope, connect};
use arrivage_model::{Mode, Order};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, claims] = arguments.as_slice() else {
        return Err("claim_latency URL CLAIMS".into());
    };
    let ledger = connect(&ConnectOptions {
        url: url.clone(),
        pooler: Pooler::None,
        connections: 2,
    })?;
    let pipelines = ["orders".to_owned()];
    let destination = Destination {
        table: ledger.table(&"orders".parse()?).await?,
        columns: Vec::new(),
        mode: Mode::Append,
        order: Order::Any,
        atomic: false,
    };
    let lease = Duration::from_secs(60);
    let mut times = Vec::new();
    for _ in 0..claims.parse::<usize>()? {
        let started = Instant::now();
        let claim = ledger.claim(&pipelines, &Scope::Any, "bench", lease);
        let claim = claim.await?.claim.ok_or("nothing waits any more")?;
        times.push(started.elapsed());
        let last = Advance {
            from_records: 0,
            from_offset: 0,
            to: claim.checkpoint,
            loaded: 0,
            rejected: 0,
            reading: String::new(),
            last: true,
        };
        let chunk = ledger.begin(&claim.lease, &destination).await?;
        chunk.commit(&last).await?;
    }
    times.sort_unstable();
    let at = |part: usize| {
        let nth = (times.len() * part / 100).min(times.len() - 1);
        times[nth].as_secs_f64() * 1000.0
    };
    let rate = times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    println!("{:.2} {:.2} {rate:.1}", at(50), at(99));
    Ok(())
}
