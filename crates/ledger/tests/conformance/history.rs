use arrivage_ledger::{Backlog, Filter, Ignored, Registration, Request};
use arrivage_model::{Arrival, ArrivalId, Checkpoint, Location, Pattern, State};

use super::world::{LEASE, advance, failure, found, reject};
use super::{Database, World};

fn ids(arrivals: &[Arrival]) -> Vec<ArrivalId> {
    arrivals.iter().map(|arrival| arrival.id).collect()
}

pub(crate) async fn arrivals_are_listed_newest_first_and_filtered<D: Database>() {
    let world = World::<D>::new().await;
    let a = world.register("in/a.csv").await;
    let b = world.register("in/deep/b.csv").await;
    let c = Registration {
        pipeline: "other".to_owned(),
        ..found("c.csv")
    };
    let c = world.notify(c).await.id();
    let claim = world.claim("owner").await;
    world
        .ledger
        .fail(&claim.lease, &failure("broken"))
        .await
        .expect("fails");
    world
        .set(a, &format!("registered_at = {}", D::moment(-7200)))
        .await;

    // An earlier version took such a tag.
    world.set(a, "etag = 'a\"b'").await;
    assert_eq!(world.arrival(a).await.etag.as_str(), "a\"b");

    let list = async |filter: Filter, limit: usize| {
        ids(&world.ledger.arrivals(&filter, limit).await.expect("lists"))
    };
    let key = |glob: &str| Filter {
        key: Some(Pattern::new(glob).expect("a glob")),
        ..Filter::default()
    };
    assert_eq!(list(Filter::default(), 10).await, [c, b, a]);
    assert_eq!(list(Filter::default(), 2).await, [c, b]);
    assert!(list(Filter::default(), 0).await.is_empty());
    assert_eq!(
        list(
            Filter {
                before: Some(b),
                ..Filter::default()
            },
            10
        )
        .await,
        [a]
    );
    let state = |state| Filter {
        state: Some(state),
        ..Filter::default()
    };
    assert_eq!(list(state(State::Failed), 10).await, [a]);
    assert!(list(state(State::Loaded), 10).await.is_empty());
    let other = Filter {
        pipeline: Some("other".to_owned()),
        ..Filter::default()
    };
    assert_eq!(list(other, 10).await, [c]);
    assert_eq!(list(key("in/*.csv"), 10).await, [a]);
    assert_eq!(list(key("in/**/*.csv"), 10).await, [b, a]);
    let registered = world.arrival(b).await.registered_at;
    let since = Filter {
        since: Some(registered),
        ..Filter::default()
    };
    assert_eq!(list(since, 10).await, [c, b]);
    let until = Filter {
        until: Some(registered),
        ..Filter::default()
    };
    assert_eq!(list(until, 10).await, [a]);
    let both = Filter {
        state: Some(State::Waiting),
        ..key("in/**")
    };
    assert_eq!(list(both, 10).await, [b]);
    assert!(
        world
            .ledger
            .arrival(ArrivalId(4711))
            .await
            .expect("is answered")
            .is_none()
    );
}

pub(crate) async fn a_key_pattern_finds_the_few_among_many<D: Database>() {
    let world = World::<D>::new().await;
    let batch: Vec<Registration> = (0..3000).map(|nth| found(&format!("{nth}.csv"))).collect();
    let answers = world.ledger.register(&batch).await.expect("registers");
    let filter = Filter {
        key: Some(Pattern::new("*999.csv").expect("a glob")),
        ..Filter::default()
    };
    let mut expect = [2999, 1999, 999].map(|nth: usize| answers[nth].id());
    expect.sort_by_key(|id| std::cmp::Reverse(*id));
    let all = world.ledger.arrivals(&filter, 10).await.expect("lists");
    assert_eq!(ids(&all), expect);
    let some = world.ledger.arrivals(&filter, 2).await.expect("lists");
    assert_eq!(ids(&some), expect[..2]);
}

pub(crate) async fn rejects_are_read_page_by_page<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let (id, other) = (world.register("a").await, world.register("b").await);
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &orders)
        .await
        .expect("begins");
    let rejects: Vec<_> = (1..=1200).map(reject).collect();
    chunk.reject(&rejects).await.expect("rejects");
    chunk
        .commit(&advance(&Checkpoint::default(), 0, 1200))
        .await
        .expect("commits");

    let page = async |after: u64, limit: usize| {
        let rejects = world.ledger.rejects(id, after, limit).await.expect("lists");
        rejects
            .iter()
            .map(|reject| reject.record)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(3, 2).await, [4, 5]);
    assert_eq!(page(1199, 10).await, [1200]);
    assert!(page(1200, 10).await.is_empty());
    assert!(
        world
            .ledger
            .rejects(other, 0, 10)
            .await
            .expect("lists")
            .is_empty()
    );

    let first = &world.ledger.rejects(id, 0, 1).await.expect("lists")[0];
    let given = reject(1);
    assert_eq!(first.arrival_id, id);
    assert_eq!((first.line, first.byte_offset), (2, 0));
    assert_eq!(
        (&first.column_name, &first.raw),
        (&given.column, &given.raw)
    );
    assert_eq!(first.reason_code, "not_a_number");
    assert_eq!(first.reason, given.reason);
    assert_eq!(world.arrival(id).await.records_rejected, 1200);
}

pub(crate) async fn ignored_objects_are_listed_newest_first<D: Database>() {
    let world = World::<D>::new().await;
    let ignored = |location: Location, size| Ignored {
        location,
        size,
        source: "inbox".to_owned(),
        seen_at: None,
    };
    let first = ignored(Location::s3("drop", "a b.bin"), Some(7));
    let second = ignored(Location::folder("inbox", "é.tmp"), None);
    world
        .ledger
        .keep_ignored(&[first.clone(), second.clone()])
        .await
        .expect("keeps");
    let listed = world.ledger.ignored(10).await.expect("lists");
    assert!(listed.iter().all(|object| object.seen_at.is_some()));
    let bare: Vec<_> = listed
        .into_iter()
        .map(|o| Ignored { seen_at: None, ..o })
        .collect();
    assert_eq!(bare, [second.clone(), first]);
    assert_eq!(
        world.ledger.ignored(1).await.expect("lists")[0].location,
        second.location
    );
    let urls = format!("SELECT url FROM {} ORDER BY id", world.table("ignored"));
    let urls = world.database.sql(&urls).await;
    assert_eq!(urls.trim(), "s3://drop/a b.bin\nfolder://inbox/é.tmp");
}

pub(crate) async fn the_backlog_shows_every_declared_pipeline<D: Database>() {
    let world = World::<D>::new().await;
    let row = |pipeline: &str, waiting, loading| Backlog {
        pipeline: pipeline.to_owned(),
        waiting,
        loading,
        outstanding: waiting + loading,
    };
    let check = async |orders: Backlog| {
        let backlog = world.ledger.backlog().await.expect("is answered");
        assert_eq!(backlog, [orders, row("other", 0, 0)]);
    };
    check(row("orders", 0, 0)).await;
    for key in ["a", "b", "c"] {
        world.register(key).await;
    }
    check(row("orders", 3, 0)).await;
    let claim = world.claim("owner").await;
    check(row("orders", 2, 1)).await;
    world.expire(claim.arrival.id).await;
    check(row("orders", 3, 0)).await;
    let claim = world.claim("owner").await;
    world
        .ledger
        .give_back(&claim.lease, LEASE, None)
        .await
        .expect("gives back");
    check(row("orders", 2, 0)).await;
    world.claim("owner").await;
    world
        .ledger
        .pause("orders", "its table is missing")
        .await
        .expect("pauses");
    check(row("orders", 0, 1)).await;
    world.ledger.resume("orders").await.expect("resumes");
    check(row("orders", 1, 1)).await;
    let view = format!("SELECT * FROM {} ORDER BY pipeline", world.table("backlog"));
    let view = world.database.sql(&view).await;
    assert_eq!(view.trim(), "orders|1|1|2\nother|0|0|0");
}

pub(crate) async fn a_pipeline_is_forgotten_only_when_nothing_is_outstanding<D: Database>() {
    let world = World::<D>::new().await;
    let names = async || {
        let backlog = world.ledger.backlog().await.expect("is answered");
        backlog
            .into_iter()
            .map(|row| row.pipeline)
            .collect::<Vec<_>>()
    };
    let id = world.register("a").await;
    world
        .ledger
        .retain(&["third".to_owned()])
        .await
        .expect("retains");
    assert_eq!(names().await, ["orders"], "it has something to do");
    world.claim("owner").await;
    world.ledger.retain(&[]).await.expect("retains");
    assert_eq!(names().await, ["orders"], "it does something");
    world.set(id, "state = 'failed'").await;
    world
        .ledger
        .retain(&["orders".to_owned()])
        .await
        .expect("retains");
    assert_eq!(names().await, ["orders"], "it is configured");
    world.ledger.retain(&[]).await.expect("retains");
    assert!(names().await.is_empty());
}

pub(crate) async fn arrivals_are_found_by_their_ids<D: Database>() {
    let world = World::<D>::new().await;
    let a = world.register("a.csv").await;
    world.register("b.csv").await;
    let c = world.register("c.csv").await;
    let among = async |wanted: &[ArrivalId]| {
        ids(&world.ledger.arrivals_among(wanted).await.expect("answers"))
    };
    assert_eq!(among(&[c, ArrivalId(4711), a, a]).await, [a, c]);
    assert!(among(&[]).await.is_empty());
}

pub(crate) async fn an_order_stands_once_under_its_key<D: Database>() {
    let world = World::<D>::new().await;
    let request = |key: &str, fingerprint: &str, arrivals: &[i64]| Request {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        arrivals: arrivals.iter().copied().map(ArrivalId).collect(),
    };
    let keep = async |request: &Request| {
        world
            .ledger
            .keep_request(request)
            .await
            .expect("keeps what stands")
    };
    let first = request("run'1", "f", &[3, 1]);
    assert_eq!(world.ledger.request("run'1").await.expect("answers"), None);
    assert_eq!(keep(&first).await, first);
    assert_eq!(keep(&request("run'1", "other", &[9])).await, first);
    let other = request("RUN'1", "f", &[]);
    assert_eq!(keep(&other).await, other);
    let found = world.ledger.request("run'1").await.expect("answers");
    assert_eq!(found, Some(first));

    // Two at once get the same.
    let racing: Vec<Request> = (0..8).map(|n| request("race", "f", &[n])).collect();
    let kept = racing.iter().map(keep);
    let kept = futures::future::join_all(kept).await;
    assert!(kept.iter().all(|stands| *stands == kept[0]), "{kept:?}");
}
