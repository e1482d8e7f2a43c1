//! How long it takes to look at a ledger: `look_latency URL TIMES` asks so many times for the backlog
//! and for pages of the history, in turn, and prints the median of each in milliseconds: the backlog,
//! the newest page, one from the middle, the newest of what is loaded, the newest of the pipeline
//! `few`. `cargo xtask bench ledger` runs it.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use arrivage_ledger::{ConnectOptions, Filter, Pooler, connect};
use arrivage_model::{ArrivalId, State};

/// As many as `arrivage arrivals` shows.
const PAGE: usize = 50;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, times] = arguments.as_slice() else {
        return Err("look_latency URL TIMES".into());
    };
    let ledger = connect(&ConnectOptions {
        url: url.clone(),
        pooler: Pooler::None,
        connections: 2,
    })?;
    let newest = ledger.arrivals(&Filter::default(), 1).await?;
    let newest = newest.first().ok_or("the ledger is empty")?.id;
    let pages = [
        Filter::default(),
        Filter {
            before: Some(ArrivalId(newest.0 / 2)),
            ..Filter::default()
        },
        Filter {
            state: Some(State::Loaded),
            ..Filter::default()
        },
        Filter {
            pipeline: Some("few".to_owned()),
            ..Filter::default()
        },
    ];
    let mut backlogs = Vec::new();
    let mut looks = vec![Vec::new(); pages.len()];
    for _ in 0..times.parse::<usize>()? {
        let started = Instant::now();
        ledger.backlog().await?;
        backlogs.push(started.elapsed());
        for (filter, times) in pages.iter().zip(&mut looks) {
            let started = Instant::now();
            let page = ledger.arrivals(filter, PAGE).await?;
            times.push(started.elapsed());
            if page.len() != PAGE {
                return Err("a page is not full".into());
            }
        }
    }
    let words: Vec<String> = [backlogs].into_iter().chain(looks).map(median).collect();
    println!("{}", words.join(" "));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("{:.2}", times[times.len() / 2].as_secs_f64() * 1000.0)
}
