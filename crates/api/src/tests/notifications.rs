use super::*;

/// A notification with these headers; the body is `body`.
async fn bring(world: &World, headers: &str, body: &str) -> Answer {
    let head = format!("POST /notifications HTTP/1.1{headers}");
    world.send(&head, body).await
}

#[tokio::test]
async fn a_sender_shows_its_token_bare_or_as_bearer() {
    let world = World::new().await;
    let check = async |shown: &str, status: u16| {
        let answer = bring(&world, shown, "{}").await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.head);
    };
    check("\nAuthorization: hush", 200).await;
    check("\nAuthorization: Bearer hush", 200).await;
    check("", 401).await;
    check("\nAuthorization: hus", 401).await;
    check("\nAuthorization: Bearer husj", 401).await;
    check("\nAuthorization: Bearer secret", 401).await;
    check("\nAuthorization: bearer hush2", 401).await;
    assert_eq!(world.asked(), ["take {}", "take {}"]);
}

#[tokio::test]
async fn a_probe_is_answered_without_a_token_and_does_nothing() {
    let world = World::new().await;
    // MinIO's, and RustFS's.
    for path in ["/notifications", "/"] {
        let answer = world.send(&format!("HEAD {path} HTTP/1.1"), "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    let answer = world.send("GET /notifications HTTP/1.1", "").await;
    answer.is_problem(405, "does not take");
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn the_answer_says_what_the_sender_does_next() {
    let world = World::new().await;
    let bring = async |body| bring(&world, "\nAuthorization: hush", body).await;
    let answer = bring("{\"Records\": []}").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"new\":1}\n")
    );
    bring("odd").await.is_problem(422, "it is not JSON");
    let answer = bring("later").await;
    answer.is_problem(503, "the ledger did not take it");
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let world = World::new().await;
    let head = "POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\n";
    // Not a byte of the body is ever sent.
    let stated = format!("{head}Content-Length: 1048577\r\n\r\n");
    let answer = world.exchange(stated.as_bytes()).await;
    answer.is_problem(413, "at most 1048576 bytes");
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let unstated = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}1\r\nx\r\n");
    let answer = world.exchange(unstated.as_bytes()).await;
    answer.is_problem(413, "at most 1048576 bytes");
    assert_eq!(world.asked(), [""; 0]);

    let just =
        format!("{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n");
    assert_eq!(world.exchange(just.as_bytes()).await.status, 200);

    // Whoever may not come in is told that first.
    let stranger = stated.replace("Authorization: hush\r\n", "");
    world
        .exchange(stranger.as_bytes())
        .await
        .is_problem(401, "token");
}

#[tokio::test]
async fn only_json_as_it_is_is_read() {
    let world = World::new().await;
    let check = async |header: &str, status: u16| {
        let headers = format!("\nAuthorization: hush\n{header}");
        let answer = bring(&world, &headers, "{}").await;
        assert_eq!(answer.status, status, "{header}: {}", answer.body);
    };
    check("Content-Type: application/json", 200).await;
    check("Content-Type: application/json; charset=utf-8", 200).await;
    check("Content-Type: application/cloudevents+json", 200).await;
    check("Content-Type: application/cloudevents-batch+json", 200).await;
    check(
        "Content-Type: text/json\nce-specversion: 1.0\nce-id: 1",
        200,
    )
    .await;
    // SNS says so.
    check("Content-Type: text/plain; charset=UTF-8", 200).await;
    check("Content-Type: application/x-www-form-urlencoded", 415).await;
    check("Content-Type: application/avro", 415).await;
    check("Content-Encoding: gzip", 415).await;
    check("Content-Encoding: identity", 200).await;
}

#[tokio::test]
async fn without_a_webhook_source_there_is_nobody() {
    let world = World::with(|actions| actions.webhook = None, Limits::default()).await;
    let answer = bring(&world, "\nAuthorization: hush", "{}").await;
    answer.is_problem(404, "no source of kind webhook");
    let answer = world.send("HEAD /notifications HTTP/1.1", "").await;
    assert_eq!(answer.status, 404);
}
