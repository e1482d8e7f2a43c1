use std::collections::BTreeSet;
use std::time::Duration;

use arrivage_ledger::{Claim, Destination, Replay, Scope};
use arrivage_model::{ArrivalId, Checkpoint, Lease, State};

use super::awaiting::awaited;
use super::world::{LEASE, advance, failure, found, last, numbers_from};
use super::{Database, World};

const KEY: &str = "a";

/// A claim, standing or not, and how far its holder believes it to be.
struct Held {
    lease: Lease,
    at: Checkpoint,
}

/// From, and to.
type Pair = (&'static str, &'static str);

/// The pairs of states that the table of `docs/states.md` has.
fn documented() -> BTreeSet<Pair> {
    let page = include_str!("../../../../docs/states.md");
    let mut pairs = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let Some((from, to)) = line.split('|').nth(1).and_then(|cell| cell.split_once('→'))
        else {
            continue;
        };
        let Ok(to) = to.trim().parse::<State>() else {
            continue;
        };
        let from: Vec<State> = match from.trim() {
            "any but loading" => State::ALL
                .into_iter()
                .filter(|s| *s != State::Loading)
                .collect(),
            "–" => continue,
            words => words
                .split(", ")
                .map(|word| word.parse().expect(word))
                .collect(),
        };
        pairs.extend(from.into_iter().map(|from| (from.as_str(), to.as_str())));
    }
    pairs.retain(|(from, to)| from != to);
    pairs
}

/// Whatever processors, zombies, watchers and people do to an arrival, in any order: its
/// fence never falls, it goes only the ways of the chart, and walks all of them, and its
/// rows are those that the ledger counts.
pub(crate) async fn any_walk_keeps_to_the_chart_and_the_fence_never_falls<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register(KEY).await;
    let documented = documented();
    assert!(documented.len() > 12, "{documented:?}");
    let mut walked = BTreeSet::new();
    let mut held: Vec<Held> = Vec::new();
    let mut chance: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut before = world.arrival(id).await;
    for step in 0..4000 {
        // xorshift
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let what = chance >> 32;
        take_a_step(&world, &orders, id, &mut held, what).await;

        let after = world.arrival(id).await;
        let pair = (before.state.as_str(), after.state.as_str());
        assert!(
            pair.0 == pair.1 || documented.contains(&pair),
            "step {step} ({}): {pair:?} is not in the chart",
            what % 18
        );
        assert!(after.fence >= before.fence, "step {step}: the fence fell");
        let rows = world.numbers("orders").await.len() as i64;
        assert_eq!(rows, after.records_loaded, "step {step}: {after:?}");
        if pair.0 != pair.1 {
            walked.insert(pair);
        }
        before = after;
        if step > 300 && walked == documented {
            return;
        }
    }
    let left: Vec<_> = documented.difference(&walked).collect();
    panic!("no step went {left:?}");
}

/// What a stale lease orders is refused, and what is refused changes nothing; both are
/// seen in the arrival.
async fn take_a_step<D: Database>(
    world: &World<D>,
    orders: &Destination,
    id: ArrivalId,
    held: &mut Vec<Held>,
    what: u64,
) {
    let ledger = &world.ledger;
    // The newest claim or, now and then, one that may have been overtaken.
    let nth = match what / 18 % 4 {
        0 => held.len().checked_sub(2),
        _ => held.len().checked_sub(1),
    };
    let why = failure("a step");
    let holder = nth.map(|nth| held[nth].lease);
    match (what % 18, holder) {
        (0..=3, _) => {
            if let Some(claim) = world.try_claim("owner", Scope::Any).await {
                held.push(begin(world, orders, claim).await);
            }
        }
        (4 | 5, Some(_)) => {
            let holder = &mut held[nth.expect("it was chosen")];
            if let Ok(to) = world.load(&holder.lease, orders, &holder.at, &[1, 2]).await {
                holder.at = to;
            }
        }
        (6, Some(lease)) => {
            let at = held[nth.expect("it was chosen")].at.clone();
            let mut chunk = ledger.begin(&lease, orders).await.expect("begins");
            let rows = numbers_from(at.records, &[3]);
            chunk.load(&rows, 0..1).await.expect("loads");
            let _ = chunk.commit(&last(advance(&at, 1, 0))).await;
        }
        (7, Some(lease)) => {
            let _ = match what / 18 % 3 {
                0 => ledger
                    .hold(&lease, &awaited(Duration::ZERO))
                    .await
                    .map(|_| ()),
                _ => ledger.give_back(&lease, Duration::ZERO, None).await,
            };
        }
        (8, Some(lease)) => {
            let _ = ledger.retry_later(&lease, Duration::ZERO, &why).await;
        }
        (9, Some(lease)) => {
            let _ = ledger.fail(&lease, &why).await;
        }
        (10, Some(lease)) => {
            let _ = ledger.supersede(&lease, Some(&orders.table), &why).await;
        }
        (11, _) => world.set(id, &expired::<D>()).await,
        (12, _) => {
            let hows = [
                Replay::Continue,
                Replay::FromStart,
                Replay::ContinueByForce,
                Replay::FromStartByForce,
            ];
            let how = hows[(what / 18 % 4) as usize];
            ledger.replay(&[id], how).await.expect("is answered");
        }
        (13 | 14, _) => {
            ledger.unload(id, &orders.table).await.expect("is answered");
        }
        (15, _) if (what / 18).is_multiple_of(2) => {
            ledger.cancel(&[id]).await.expect("is answered");
        }
        (15, _) => {
            ledger.dismiss(&[id]).await.expect("is answered");
        }
        (16, _) => match what / 18 % 3 {
            0 => ledger
                .load_anew(id, &found(KEY).object)
                .await
                .expect("is answered"),
            _ => {
                world.notify(found(KEY)).await;
            }
        },
        (17, _) if (what / 18).is_multiple_of(4) => {
            ledger
                .pause_by_person("orders", "a step")
                .await
                .expect("pauses");
            ledger.resume_by_person("orders").await.expect("resumes");
        }
        _ => {}
    }
}

/// As a processor begins.
async fn begin<D: Database>(world: &World<D>, orders: &Destination, claim: Claim) -> Held {
    if !claim.restart {
        return Held {
            lease: claim.lease,
            at: claim.checkpoint,
        };
    }
    let lease = world
        .ledger
        .restart(&claim.lease, &orders.table, LEASE)
        .await;
    Held {
        lease: lease.expect("it was claimed just now"),
        at: Checkpoint::default(),
    }
}

fn expired<D: Database>() -> String {
    let past = D::moment(-1);
    format!("lease_until = CASE WHEN state = 'loading' THEN {past} END")
}
