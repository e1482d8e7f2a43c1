use super::*;

#[tokio::test]
async fn a_load_answers_with_its_arrivals() {
    let world = World::new().await;
    world.register(&["a.csv", "b.csv"]).await;
    let answer = world
        .post("/v1/loads", "", r#"{"url": "s3://drop/both"}"#)
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let arrivals = &answer.json()["arrivals"];
    assert_eq!(
        (&arrivals[0]["id"], &arrivals[1]["id"]),
        (&1.into(), &2.into())
    );
    assert_eq!(arrivals[0]["key"], "a.csv");
    let body = r#"{"url": "s3://drop/", "recursive": true, "pipeline": "orders"}"#;
    assert_eq!(world.post("/v1/loads", "", body).await.status, 202);
    assert_eq!(
        world.asked()[1],
        "load LoadOrder { url: Some(\"s3://drop/\"), recursive: true, pipeline: \
         Some(\"orders\"), parameters: {} }"
    );
    let body = r#"{"pipeline": "orders", "parameters": {"day": "2026-11-22"}}"#;
    assert_eq!(world.post("/v1/loads", "", body).await.status, 202);
    assert_eq!(
        world.asked()[2],
        "load LoadOrder { url: None, recursive: false, pipeline: Some(\"orders\"), \
         parameters: {\"day\": \"2026-11-22\"} }"
    );
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_says_why() {
    let world = World::new().await;
    let check = async |body: &str, status: u16, words: &str| {
        let answer = world.post("/v1/loads", "", body).await;
        answer.is_problem(status, words);
    };
    check(r#"{"url": "s3://nowhere/a"}"#, 422, "no pipeline").await;
    check(r#"{"url": "s3://away/a"}"#, 503, "busy").await;
    assert_eq!(world.asked().len(), 2);
    check("{}", 422, "name a url, or a pipeline").await;
    check(
        r#"{"pipeline": "p", "recursive": true}"#,
        422,
        "recursive goes with a url",
    )
    .await;
    let both = r#"{"url": "s3://a/b", "pipeline": "p", "parameters": {"day": "1"}}"#;
    check(both, 422, "without a url").await;
    let number = r#"{"pipeline": "p", "parameters": {"day": 1}}"#;
    check(number, 422, "invalid type").await;
    check(
        r#"{"url": "s3://a/b", "recusrive": true}"#,
        422,
        "unknown field",
    )
    .await;
    check(r#"{"url": 5}"#, 422, "invalid type").await;
    check("{\"url\": ", 400, "not JSON").await;
    check("", 400, "not JSON").await;
    check(&format!("\"{}\"", "x".repeat(1 << 20)), 413, "at most").await;
    assert_eq!(world.asked().len(), 2);
}

/// What a page of another origin may post from a person's browser.
#[tokio::test]
async fn forms_and_texts_are_no_orders() {
    let world = World::with(|actions| actions.token = None, Limits::default()).await;
    let paths = [
        "/v1/loads",
        "/v1/reconciliations",
        "/v1/arrivals/1/replay",
        "/v1/arrivals/1/cancel",
    ];
    for path in paths {
        for kind in [
            "X: x",
            "Content-Type: text/plain",
            "Content-Type: application/x-www-form-urlencoded",
        ] {
            let head = format!("POST {path} HTTP/1.1\n{kind}");
            let answer = world.send(&head, r#"{"url": "s3://drop/a"}"#).await;
            answer.is_problem(415, "application/json");
        }
    }
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn an_order_under_a_key_is_carried_out_once() {
    let world = World::new().await;
    world.register(&["a.csv", "b.csv"]).await;
    let order = async |key: &str, url: &str| {
        let body = format!("{{\"url\": \"{url}\"}}");
        let headers = format!("\nIdempotency-Key: {key}");
        world.post("/v1/loads", &headers, &body).await
    };
    let first = order("run-1", "s3://drop/both").await;
    assert_eq!(first.status, 202);
    let again = order("run-1", "s3://drop/both").await;
    assert_eq!((again.status, again.body), (202, first.body));
    assert_eq!(world.asked().len(), 1, "it was ordered twice");
    let other = order("run-1", "s3://drop/a").await;
    other.is_problem(422, "another order came under this Idempotency-Key");
    assert_eq!(order("run-2", "s3://drop/a").await.status, 202);
    // What was refused was not taken.
    order("run-3", "s3://away/a").await.is_problem(503, "busy");
    assert_eq!(order("run-3", "s3://drop/a").await.status, 202);
    order("", "s3://drop/a")
        .await
        .is_problem(400, "Idempotency-Key");
    order(&"x".repeat(256), "s3://drop/a")
        .await
        .is_problem(400, "Idempotency-Key");
    order("é", "s3://drop/a")
        .await
        .is_problem(400, "Idempotency-Key");
}

#[tokio::test]
async fn a_replay_is_ordered_for_one_arrival() {
    let world = World::new().await;
    world.register(&["a.csv", "b.csv"]).await;
    let answer = world.post("/v1/arrivals/1/replay", "", "{}").await;
    assert_eq!((answer.status, &answer.json()["id"]), (202, &1.into()));
    let body = r#"{"from_start": true, "force": true}"#;
    assert_eq!(
        world.post("/v1/arrivals/2/replay", "", body).await.status,
        202
    );
    assert_eq!(
        world.asked(),
        [
            "replay 1 ReplayOrder { from_start: false, force: false }",
            "replay 2 ReplayOrder { from_start: true, force: true }"
        ]
    );
    let answer = world.post("/v1/arrivals/2/replay", "", "{}").await;
    answer.is_problem(409, "being loaded");
    let answer = world.post("/v1/arrivals/3/replay", "", "{}").await;
    answer.is_problem(404, "there is no arrival 3");
    let answer = world
        .post("/v1/arrivals/1/replay", "", r#"{"force": 1}"#)
        .await;
    answer.is_problem(422, "invalid type");
}

#[tokio::test]
async fn a_load_is_cancelled_for_one_arrival() {
    let world = World::new().await;
    world.register(&["a.csv", "b.csv"]).await;
    let answer = world.post("/v1/arrivals/1/cancel", "", "{}").await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &1.into()));
    assert_eq!(world.asked(), ["cancel 1"]);
    let answer = world.post("/v1/arrivals/2/cancel", "", "{}").await;
    answer.is_problem(409, "it is loaded");
    let answer = world.post("/v1/arrivals/3/cancel", "", "{}").await;
    answer.is_problem(404, "there is no arrival 3");
    let answer = world.post("/v1/arrivals/1/cancel", "", r#"{"force": true}"#);
    answer.await.is_problem(422, "unknown field");
}

#[tokio::test]
async fn a_reconciliation_says_what_it_looks_through() {
    let world = World::new().await;
    for (body, asked) in [("{}", "None"), (r#"{"url": "inbox"}"#, "Some(\"inbox\")")] {
        let answer = world.post("/v1/reconciliations", "", body).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.body, "{\"places\":[\"s3://drop/\"]}\n");
        let last = world.asked().pop();
        assert_eq!(last, Some(format!("reconcile {asked}")));
    }
}
