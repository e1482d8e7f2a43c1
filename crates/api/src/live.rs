use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::Filter;
use arrivage_model::{Arrival, ArrivalId, State as ArrivalState};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::{Actions, Shared, pipelines};

/// Clients at the same time: each of them asks the ledger every second.
const AT_ONCE: usize = 16;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How many of the newest arrivals are looked at, and of those that are loading.
const LOOK: usize = 100;

/// Who may follow.
#[derive(Clone)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Seats {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let free = Arc::new(Semaphore::new(AT_ONCE));
        Self { free, stop }
    }
}

/// What changes, as it changes: server-sent events, an `arrival` with its row, and
/// `pipelines` with every pipeline's. Changes within a second come as one.
#[utoipa::path(get, path = "/v1/live", tag = "arrivals", responses(
    (status = 200, description = "Events.", body = String, content_type = "text/event-stream"),
    (status = 503, description = "Too many follow already.", body = Problem)))]
pub(crate) async fn live(
    State(actions): Shared,
    seats: Seats,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Ok(seat) = seats.free.try_acquire_owned() else {
        return Err(Problem::away(format!("{AT_ONCE} clients follow already")));
    };
    let follower = Follower {
        actions,
        arrivals: BTreeMap::new(),
        pipelines: String::new(),
        is_first: true,
        _seat: seat,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let events = follower.look().await;
        Some((stream::iter(events), follower))
    });
    let events = events
        .flatten()
        .map(Ok)
        .take_until(seats.stop.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// What a client has been told.
struct Follower {
    actions: Arc<Actions>,
    arrivals: BTreeMap<ArrivalId, (ArrivalState, String)>,
    pipelines: String,
    is_first: bool,
    _seat: OwnedSemaphorePermit,
}

impl Follower {
    async fn look(&mut self) -> Vec<Event> {
        if !self.is_first {
            tokio::time::sleep(PERIOD).await;
        }
        self.is_first = false;
        match self.changes().await {
            Ok(events) => events,
            Err(problem) => {
                let words = serde_json::to_string(&problem).unwrap_or_default();
                vec![Event::default().event("problem").data(words)]
            }
        }
    }

    async fn changes(&mut self) -> Result<Vec<Event>, Problem> {
        let ledger = &self.actions.ledger;
        let loading = Filter {
            state: Some(ArrivalState::Loading),
            ..Filter::default()
        };
        let mut rows = ledger.arrivals(&Filter::default(), LOOK).await?;
        rows.extend(ledger.arrivals(&loading, LOOK).await?);
        // Those that were loading are told of once more.
        let open = self.arrivals.iter().filter(|(id, (state, _))| {
            *state == ArrivalState::Loading && rows.iter().all(|row| row.id != **id)
        });
        let open: Vec<ArrivalId> = open.map(|(id, _)| *id).collect();
        if !open.is_empty() {
            rows.extend(ledger.arrivals_among(&open).await?);
        }
        let pipelines = pipelines::rows(ledger, &self.actions.router).await?;

        let mut events = Vec::new();
        let mut told = BTreeMap::new();
        rows.sort_by_key(|row: &Arrival| row.id);
        rows.dedup_by_key(|row| row.id);
        for row in rows {
            let text = serde_json::to_string(&row).unwrap_or_default();
            if self
                .arrivals
                .get(&row.id)
                .is_none_or(|(_, known)| *known != text)
            {
                events.push(Event::default().event("arrival").data(&text));
            }
            told.insert(row.id, (row.state, text));
        }
        self.arrivals = told;
        let pipelines = serde_json::to_string(&pipelines).unwrap_or_default();
        if self.pipelines != pipelines {
            events.push(Event::default().event("pipelines").data(&pipelines));
            self.pipelines = pipelines;
        }
        Ok(events)
    }
}
