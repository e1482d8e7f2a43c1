use super::*;

fn keys(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    let key = |item: &'static str| move |row: &Value| row[item].as_str().is_some();
    assert!(items.iter().all(key("key")), "{page}");
    items.iter().filter_map(|row| row["key"].as_str()).collect()
}

#[tokio::test]
async fn arrivals_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    world
        .register(&["a.csv", "b.json", "c.csv", "d.csv", "e.json"])
        .await;
    let check = async |path: &str, expect: &[&str], next: Option<&str>| {
        let page = world.get(path).await.json();
        assert_eq!(keys(&page), expect, "{path}");
        assert_eq!(page["next"].as_str(), next, "{path}");
    };
    let all = ["e.json", "d.csv", "c.csv", "b.json", "a.csv"];
    check("/v1/arrivals", &all, None).await;
    check("/v1/arrivals?limit=2", &["e.json", "d.csv"], Some("4")).await;
    check(
        "/v1/arrivals?limit=2&after=4",
        &["c.csv", "b.json"],
        Some("2"),
    )
    .await;
    check("/v1/arrivals?limit=2&after=2", &["a.csv"], None).await;
    check("/v1/arrivals?limit=5", &all, None).await;
    check("/v1/arrivals?key=*.json", &["e.json", "b.json"], None).await;
    check("/v1/arrivals?key=*.csv&limit=1", &["d.csv"], Some("4")).await;
    check(
        "/v1/arrivals?key=*.csv&limit=1&after=4",
        &["c.csv"],
        Some("3"),
    )
    .await;
    check(
        "/v1/arrivals?key=*.json&limit=1&after=3",
        &["b.json"],
        Some("2"),
    )
    .await;
    check("/v1/arrivals?key=*.json&limit=1&after=2", &[], None).await;
    check(
        "/v1/arrivals?state=waiting&pipeline=orders&limit=1",
        &["e.json"],
        Some("5"),
    )
    .await;
    check("/v1/arrivals?state=loaded", &[], None).await;
    check("/v1/arrivals?pipeline=other", &[], None).await;
    check("/v1/arrivals?state=", &all, None).await;
}

#[tokio::test]
async fn a_wrong_parameter_is_a_problem() {
    let world = World::new().await;
    let check = async |query: &str, words: &str| {
        let answer = world.get(&format!("/v1/arrivals?{query}")).await;
        answer.is_problem(400, words);
    };
    check("state=done", "the states are waiting").await;
    check("limit=0", "limit: from 1 to 1000").await;
    check("limit=1001", "limit: from 1 to 1000").await;
    check("limit=many", "limit:").await;
    check("after=x", "is not an arrival's id").await;
    check("key=[", "key:").await;
    check("stat=waiting", "stat: there is no such parameter").await;
    check("state=waiting&state=loaded", "or it is there twice").await;
}

#[tokio::test]
async fn one_arrival_is_found_by_its_id() {
    let world = World::new().await;
    world.register(&["a b.csv"]).await;
    let arrival = world.get("/v1/arrivals/1").await.json();
    assert_eq!(arrival["url"], "s3://drop/a b.csv");
    assert_eq!(arrival["state"], "waiting");
    for id in ["2", "0", "-1", "x", "99999999999999999999"] {
        let path = format!("/v1/arrivals/{id}");
        world
            .get(&path)
            .await
            .is_problem(404, "there is no arrival");
        let path = format!("{path}/rejects");
        world
            .get(&path)
            .await
            .is_problem(404, "there is no arrival");
    }
    let rejects = world.get("/v1/arrivals/1/rejects?limit=5").await;
    assert_eq!(rejects.body, "{\"items\":[],\"next\":null}\n");
    let odd = world.get("/v1/arrivals/1/rejects?after=-1").await;
    odd.is_problem(400, "after:");
}

#[tokio::test]
async fn pipelines_are_listed_with_their_backlog() {
    let world = World::new().await;
    world.register(&["a.csv", "b.csv"]).await;
    let ledger = &world.actions.ledger;
    ledger.pause("other", "no table").await.expect("pauses");
    let page = world.get("/v1/pipelines").await.json();
    let [orders, other] = page["items"].as_array().expect("items").as_slice() else {
        panic!("{page}")
    };
    assert_eq!(page["next"], Value::Null);
    assert_eq!(orders["pipeline"], "orders");
    assert_eq!(
        (&orders["waiting"], &orders["outstanding"]),
        (&2.into(), &2.into())
    );
    assert_eq!(orders["paused_reason"], Value::Null);
    assert_eq!(other["paused_reason"], "no table");
}

#[tokio::test]
async fn while_the_ledger_is_away_a_request_may_be_said_again() {
    let world = World::new().await;
    world.actions.ledger.close().await;
    for path in ["/v1/arrivals", "/v1/arrivals/1", "/v1/pipelines"] {
        let answer = world.get(path).await;
        answer.is_problem(503, "the ledger did not answer");
        assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    }
}

#[tokio::test]
async fn what_changes_is_told_as_it_changes_until_the_server_ends() {
    let world = World::new().await;
    world.register(&["a.csv"]).await;
    let mut stream = TcpStream::connect(world.address).await.expect("listening");
    let request = "GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut told = String::new();
    let mut until = async |words: &str, told: &mut String| {
        while !told.contains(words) {
            let mut more = [0; 4096];
            let read = stream.read(&mut more).await.expect("it goes on");
            assert!(read > 0, "it ended: {told}");
            told.push_str(&String::from_utf8_lossy(&more[..read]));
        }
    };
    until("\"key\":\"a.csv\"", &mut told).await;
    until("event: pipelines", &mut told).await;
    assert!(told.contains("content-type: text/event-stream"), "{told}");
    world.register(&["b.csv"]).await;
    until("\"key\":\"b.csv\"", &mut told).await;
    assert_eq!(told.matches("event: arrival\n").count(), 2, "{told}");
    world.end().await;
}
