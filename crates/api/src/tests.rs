use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Asks a served router over a real socket; returns status line and body.
async fn ask(request: &str, database_ok: bool) -> (String, String) {
    let check = move || Check {
        name: "database".to_owned(),
        ok: database_ok,
        error: (!database_ok).then(|| "no answer".to_owned()),
    };
    let actions = Actions {
        token: Some("secret".to_owned()),
        readiness: Box::new(move || async move { vec![check()] }.boxed()),
        metrics: Box::new(|| async { "arrivage_up 1\n".to_owned() }.boxed()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, actions, stop.clone()));
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let (line, header) = request.split_once('\n').unwrap_or((request, "X: x"));
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    stop.cancel();
    served.await.expect("no panic").expect("served");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn probes_answer_and_say_what_does_not_work() {
    async fn check(request: &str, database_ok: bool, status: &str, body: &str) {
        let (head, answer) = ask(request, database_ok).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {head}"
        );
        assert!(answer.contains(body), "{request}: {answer}");
    }
    check("GET /healthz", false, "200", "ok").await;
    check(
        "GET /readyz",
        true,
        "200",
        r#"{"ready":true,"checks":[{"name":"database","ok":true}]}"#,
    )
    .await;
    check(
        "GET /readyz",
        false,
        "503",
        r#""ok":false,"error":"no answer""#,
    )
    .await;
    check("GET /metrics", true, "200", "arrivage_up 1").await;
    check("GET /nothing", true, "401", "http.token").await;
    check(
        "GET /nothing\nAuthorization: Bearer secrex",
        true,
        "401",
        "http.token",
    )
    .await;
    check(
        "GET /nothing\nAuthorization: Bearer secret",
        true,
        "404",
        "there is nothing at",
    )
    .await;
    check("POST /healthz", true, "405", r#""status":405"#).await;
}
