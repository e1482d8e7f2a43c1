use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn probes_answer_whoever_asks_and_say_what_does_not_work() {
    let broken = |actions: &mut Actions| {
        actions.readiness = Box::new(|()| {
            let check = Check {
                name: "database".to_owned(),
                ok: false,
                error: Some("no answer".to_owned()),
            };
            async move { vec![check] }.boxed()
        });
    };
    let (well, broken) = (
        World::new().await,
        World::with(broken, Limits::default()).await,
    );
    let check = async |world: &World, path: &str, status: u16, body: &str| {
        let answer = world.send(&format!("GET {path} HTTP/1.1"), "").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.head);
        assert!(answer.body.contains(body), "{path}: {}", answer.body);
    };
    check(&broken, "/healthz", 200, "ok").await;
    let ready = r#"{"ready":true,"checks":[{"name":"database","ok":true}]}"#;
    check(&well, "/readyz", 200, ready).await;
    check(&broken, "/readyz", 503, r#""ok":false,"error":"no answer""#).await;
    check(&well, "/metrics", 200, "arrivage_up 1").await;
    well.end().await;
}

#[tokio::test]
async fn all_else_needs_the_token() {
    let world = World::new().await;
    let paths = [
        "GET /",
        "GET /openapi.json",
        "GET /v1/arrivals",
        "GET /v1/arrivals/1/rejects",
        "POST /v1/loads",
        "DELETE /v1/loads",
        "GET /v1/live",
        "GET /nothing",
        "GET /notifications/",
        "GET //healthz",
    ];
    for path in paths {
        for shown in [
            "X: x",
            "Authorization: Bearer secrex",
            "Authorization: Bearer",
            "Authorization: Bearer secret2",
            "Authorization: secret",
            "Authorization: Bearer hush",
            "Authorization: Basic secret",
        ] {
            let answer = world.send(&format!("{path} HTTP/1.1\n{shown}"), "").await;
            answer.is_problem(401, "http.token");
            assert!(
                answer.head.contains("www-authenticate: bearer"),
                "{}",
                answer.head
            );
        }
    }
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn without_a_token_in_the_configuration_anybody_may() {
    let world = World::with(|actions| actions.token = None, Limits::default()).await;
    let answer = world.send("GET /v1/arrivals HTTP/1.1", "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let world = World::new().await;
    world
        .get("/nothing")
        .await
        .is_problem(404, "nothing at /nothing");
    world
        .get("/v1/loads")
        .await
        .is_problem(405, "does not take");
    let answer = world.post("/v1/arrivals", "", "{}").await;
    answer.is_problem(405, "does not take");
    world.get("/v1/arrivals/%FF").await.is_problem(400, "");
}

#[tokio::test]
async fn a_client_that_does_not_say_what_it_wants_is_let_go() {
    let limits = Limits {
        connections: 2,
        head: Duration::from_millis(200),
    };
    let world = World::with(|_| (), limits).await;
    let mut slow = Vec::new();
    for begun in ["", "GET /healthz HTTP/1.1\r\nX: "] {
        let mut stream = TcpStream::connect(world.address).await.expect("listening");
        stream.write_all(begun.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    // Every connection is taken; this one comes when they are let go.
    let answer = world.send("GET /healthz HTTP/1.1", "").await;
    assert_eq!(answer.status, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        // Ended, or reset.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_server_ends() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.expect("listening");
    let head = "POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\n\
        Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut go_on = [0; 25];
    stream
        .read_exact(&mut go_on)
        .await
        .expect("asked for the body");
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    world.stop.cancel();
    stream.write_all(b"{}").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.end().await;
}

#[tokio::test]
async fn beyond_so_many_requests_the_others_wait_for_their_turn() {
    let gate = Arc::new(Semaphore::new(0));
    let (inside, closed) = (Arc::new(Semaphore::new(0)), Arc::clone(&gate));
    let entered = Arc::clone(&inside);
    let slow = move |actions: &mut Actions| {
        actions.load = Box::new(move |_| {
            let (entered, closed) = (Arc::clone(&entered), Arc::clone(&closed));
            async move {
                entered.add_permits(1);
                let _open = closed.acquire().await;
                Ok(Vec::new())
            }
            .boxed()
        });
    };
    let world = Arc::new(World::with(slow, Limits::default()).await);
    let order = |world: &Arc<World>| {
        let world = Arc::clone(world);
        let body = r#"{"url": "s3://drop/a"}"#;
        tokio::spawn(async move { world.post("/v1/loads", "", body).await.status })
    };
    let orders: Vec<_> = (0..crate::door::AT_ONCE).map(|_| order(&world)).collect();
    let all = u32::try_from(orders.len()).expect("a small number");
    let taken = soon("every request", inside.acquire_many(all)).await;
    taken.expect("open").forget();

    let late = order(&world);
    // Probes never wait; and by now the late one has come.
    assert_eq!(world.send("GET /healthz HTTP/1.1", "").await.status, 200);
    assert_eq!(inside.available_permits(), 0, "it did not wait");
    gate.add_permits(1000);
    for order in orders.into_iter().chain([late]) {
        assert_eq!(order.await.expect("no panic"), 202);
    }
}

#[test]
fn no_token_shows_itself() {
    assert_eq!(format!("{:?}", Token::new("hush")), "Token(***)");
}
