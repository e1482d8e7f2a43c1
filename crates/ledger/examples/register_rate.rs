//! How fast arrivals are registered: `register_rate URL listing|message BATCH BATCHES` registers so
//! many batches of new objects, each in one transaction, and prints how many registrations that is
//! a second. `cargo xtask bench ledger` runs it.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::time::Instant;

use arrivage_ledger::{ConnectOptions, FoundBy, Pooler, Registered, Registration, connect};
use arrivage_model::{ETag, Location, Object, StoreKind};
use chrono::Utc;
use uuid::Uuid;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, found_by, batch, batches] = arguments.as_slice() else {
        return Err("register_rate URL listing|message BATCH BATCHES".into());
    };
    let (batch, batches): (usize, usize) = (batch.parse()?, batches.parse()?);
    let found_by: fn() -> FoundBy = match found_by.as_str() {
        "listing" => || FoundBy::Listing,
        "message" => || FoundBy::Message(Uuid::new_v4().to_string()),
        other => return Err(format!("{other}: neither listing nor message").into()),
    };
    let ledger = connect(&ConnectOptions {
        url: url.clone(),
        pooler: Pooler::None,
        connections: 2,
    })?;
    let run = Uuid::new_v4();
    let found: Vec<Registration> = (0..batch * batches)
        .map(|nth| Registration {
            pipeline: "orders".to_owned(),
            object: Object {
                location: Location {
                    store: StoreKind::S3,
                    bucket: "drop".to_owned(),
                    key: format!("{run}/{nth:08}.csv"),
                },
                etag: ETag::parse(&Uuid::new_v4().simple().to_string()).expect("it is one"),
                version_id: None,
                size: Some(1_000),
                last_modified: Some(Utc::now()),
                sequencer: None,
            },
            found_by: found_by(),
        })
        .collect();
    ledger.ping().await?;
    let started = Instant::now();
    for batch in found.chunks(batch) {
        let answers = ledger.register(batch).await?;
        if !answers
            .iter()
            .all(|answer| matches!(answer, Registered::New(_)))
        {
            return Err("not all of them are new".into());
        }
    }
    let rate = found.len() as f64 / started.elapsed().as_secs_f64();
    println!("{rate:.1}");
    Ok(())
}
