use std::collections::BTreeMap;
use std::sync::Arc;

use arrivage_ledger::Scope;
use arrivage_model::{Arrival, ArrivalId, State};
use arrivage_processor::{Ended, Outcome, Processor, Signals, Summary, Until};
use indicatif::MultiProgress;
use tokio::sync::Notify;

use super::serve;
use crate::arguments::Process;
use crate::exit::{self, Failure};
use crate::wiring::Wiring;
use crate::{output, progress, signals};

/// `process`, in its four ways.
pub(super) async fn process(
    wiring: &Wiring,
    options: &Process,
    bars: &MultiProgress,
) -> Result<u8, Failure> {
    let service = !options.until_empty && options.arrival.is_none() && !options.one;
    let late = if service {
        exit::DONE
    } else {
        exit::TERMINATED
    };
    let drain = wiring.config.processor()?.drain;
    let signals = signals::listen(drain, late).map_err(Failure::person)?;
    let wake = Arc::new(Notify::new());
    let processor = wiring.processor(wiring.stores()?, wake)?;
    if service {
        let served = serve::serve(wiring, None, &signals.abort).await?;
        if serve::open(wiring, &options.start, &signals.stop).await? {
            processor.work(Until::Stopped, &signals).await;
        }
        served.end().await;
        return Ok(exit::DONE);
    }
    wiring
        .open(options.start.schema(), false, &signals.stop)
        .await?;
    let _shown = progress::show(&processor, bars);
    if options.until_empty {
        let summary = processor.work(Until::Empty, &signals).await;
        let code = code(&summary, &signals);
        let undone = code == exit::DONE && signals.stop.is_cancelled() && is_left(wiring).await?;
        return Ok(if undone { exit::TERMINATED } else { code });
    }
    if let Some(id) = options.arrival {
        return this_one(wiring, &processor, id, &signals).await;
    }
    let owner = options.owner.as_deref().unwrap_or_default();
    one_for(wiring, &processor, owner, &signals).await
}

/// Whether an arrival of our pipelines could be claimed now.
async fn is_left(wiring: &Wiring) -> Result<bool, Failure> {
    let backlog = wiring.ledger.backlog().await?;
    let ours = |name: &str| wiring.router.pipeline(name).is_some();
    Ok(backlog
        .iter()
        .any(|row| row.waiting > 0 && ours(&row.pipeline)))
}

/// Of several outcomes, the one that wants most. Of each arrival the last counts.
fn code(summary: &Summary, signals: &Signals) -> u8 {
    let last: BTreeMap<ArrivalId, &Outcome> = summary
        .ended
        .iter()
        .map(|ended| (ended.id, &ended.outcome))
        .collect();
    let any = |wanted: fn(&Outcome) -> bool| last.values().any(|outcome| wanted(outcome));
    if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
        return exit::FAILED;
    }
    if let Some(code) = trouble(summary) {
        return code;
    }
    if signals.stop.is_cancelled() && any(waits) {
        return exit::TERMINATED;
    }
    if any(waits) { exit::AGAIN } else { exit::DONE }
}

/// Says why the work ended before it was done, if it did.
pub(super) fn trouble(summary: &Summary) -> Option<u8> {
    if let Some(why) = &summary.blocked {
        output::say(&format!("error: {why}"));
        return Some(exit::PERSON);
    }
    if let Some(why) = &summary.away {
        output::say(&format!(
            "error: no answer for {:?}: {why}",
            Summary::PATIENCE
        ));
        return Some(exit::AGAIN);
    }
    if let Some(why) = &summary.held {
        output::say(&format!("error: after {:?}: {why}", Summary::PATIENCE));
        return Some(exit::AGAIN);
    }
    None
}

/// It was not due to be loaded: its sidecar is missing.
fn is_held(ended: &Ended) -> bool {
    matches!(ended.outcome, Outcome::Held(_))
}

fn waits(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Waiting(_) | Outcome::Away(_) | Outcome::Fenced | Outcome::Stopped
    )
}

/// `--arrival ID`.
async fn this_one(
    wiring: &Wiring,
    processor: &Processor,
    id: ArrivalId,
    signals: &Signals,
) -> Result<u8, Failure> {
    wiring.ledger.reap().await?;
    let owner = processor.owner();
    let scope = Scope::One {
        id,
        taking_over: false,
    };
    let mut turn = processor.claim_and_load(&scope, owner, signals).await?;
    if let Some(ended) = turn.ended.pop() {
        if let Outcome::Held(why) = &ended.outcome {
            output::say(&format!("arrival {id}: {why}"));
            return Ok(exit::AGAIN);
        }
        return Ok(code(&Summary::of(ended), signals));
    }
    let Some(arrival) = wiring.ledger.arrival(id).await? else {
        return Err(Failure::usage(format!(
            "there is no arrival {id}; see `arrivage arrivals`"
        )));
    };
    resting(wiring, &arrival).await
}

/// `--one --owner NAME`.
async fn one_for(
    wiring: &Wiring,
    processor: &Processor,
    owner: &str,
    signals: &Signals,
) -> Result<u8, Failure> {
    // What a stopped process left locked cannot be claimed.
    wiring.ledger.reap().await?;
    if let Some(last) = wiring.ledger.last_claim_of(owner).await? {
        let scope = Scope::One {
            id: last.id,
            taking_over: true,
        };
        let mut turn = processor.claim_and_load(&scope, owner, signals).await?;
        if let Some(ended) = turn.ended.pop() {
            if is_held(&ended) {
                return any_for(processor, owner, signals).await;
            }
            return Ok(code(&Summary::of(ended), signals));
        }
        // The claim itself may have ended it, its attempts being used up.
        let now = wiring.ledger.arrival(last.id).await?.unwrap_or(last);
        return Ok(match now.state {
            State::Failed => failed(&now),
            State::Loading => {
                output::say(&format!("arrival {} is being loaded by another", now.id));
                exit::DONE
            }
            State::Waiting => resting(wiring, &now).await?,
            _ => {
                output::say(&format!("arrival {} is {}", now.id, now.state));
                exit::DONE
            }
        });
    }
    any_for(processor, owner, signals).await
}

/// Loads one, whichever it is.
async fn any_for(processor: &Processor, owner: &str, signals: &Signals) -> Result<u8, Failure> {
    // What it found used up besides was another's, and is in the log. What waits for its
    // sidecar does not count: there may be another.
    let ended = loop {
        let mut turn = processor
            .claim_and_load(&Scope::Owner, owner, signals)
            .await?;
        let ended = turn.ended.pop();
        if signals.stop.is_cancelled() || !ended.as_ref().is_some_and(is_held) {
            break ended;
        }
    };
    match ended {
        Some(ended) => Ok(code(&Summary::of(ended), signals)),
        None => match processor.held().await? {
            Some(paused) => {
                output::say(&format!("error: {paused}"));
                Ok(exit::PERSON)
            }
            None => {
                output::say("nothing is waiting");
                Ok(exit::DONE)
            }
        },
    }
}

/// What to say of an arrival that could not be claimed.
async fn resting(wiring: &Wiring, arrival: &Arrival) -> Result<u8, Failure> {
    let Arrival { id, state, .. } = arrival;
    Ok(match state {
        State::Failed => failed(arrival),
        State::Loading => {
            output::say(&format!("arrival {id} is being loaded by another process"));
            exit::AGAIN
        }
        State::Waiting => {
            let paused = wiring
                .ledger
                .paused(std::slice::from_ref(&arrival.pipeline))
                .await?;
            match paused.into_iter().next() {
                Some(paused) => {
                    output::say(&format!("error: {paused}"));
                    exit::PERSON
                }
                None if wiring.router.pipeline(&arrival.pipeline).is_none() => {
                    let name = &arrival.pipeline;
                    output::say(&format!("error: the configuration has no pipeline {name}"));
                    exit::PERSON
                }
                None => exit::AGAIN,
            }
        }
        _ => {
            output::say(&format!("arrival {id} is {state}"));
            exit::DONE
        }
    })
}

/// Says that an arrival failed, and what to do.
pub(super) fn failed(arrival: &Arrival) -> u8 {
    let why = arrival.error.as_deref().unwrap_or("no reason is known");
    output::say(&format!(
        "error: arrival {} failed: {why}\n  once that is mended: arrivage replay {}",
        arrival.id, arrival.id
    ));
    exit::FAILED
}

/// A summary of one claim.
trait One {
    fn of(ended: Ended) -> Self;
}

impl One for Summary {
    fn of(ended: Ended) -> Self {
        let blocked = match &ended.outcome {
            Outcome::Blocked(why) => Some(why.clone()),
            _ => None,
        };
        Self {
            ended: vec![ended],
            blocked,
            ..Self::default()
        }
    }
}
