//! Fault 50: credentials that end in the middle of a process's life.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use arrivage_testkit::{Fault, S3Server};
use arrivage_tests::{Arrivage, Delivery, Destination, Scene};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Gives out credentials as a pod's agent does (`AWS_CONTAINER_CREDENTIALS_FULL_URI`), each for
/// twelve seconds: the SDK asks for new ones ten seconds before an end.
struct Agent {
    url: String,
    given: Arc<AtomicUsize>,
}

impl Agent {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/credentials", listener.local_addr()?);
        let given = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let nth = count.fetch_add(1, Ordering::Relaxed) + 1;
                let mut request = [0; 4096];
                let _ = client.read(&mut request).await;
                let body = credentials(nth);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = client.write_all(answer.as_bytes()).await;
            }
        });
        Ok(Self { url, given })
    }
}

fn credentials(nth: usize) -> String {
    let ends = SystemTime::now() + Duration::from_secs(12);
    let ends = chrono::DateTime::<chrono::Utc>::from(ends).format("%FT%TZ");
    format!(
        r#"{{"AccessKeyId":"{}","SecretAccessKey":"{}","Token":"session-{nth}","Expiration":"{ends}"}}"#,
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY,
    )
}

/// The store refuses the first session once there is a second one.
#[tokio::test]
async fn credentials_that_end_are_asked_for_again_and_burn_no_attempt() -> Result<()> {
    let agent = Agent::start().await?;
    let scene = Scene::new(Destination::sqlite()?, "", "max_attempts = 1").await?;
    let given = Arc::clone(&agent.given);
    scene.server.on(move |request| {
        let first = request.header("x-amz-security-token") == Some("session-1");
        (first && given.load(Ordering::Relaxed) > 1).then(|| Fault::error(403, "ExpiredToken"))
    });
    let configuration = std::fs::read_to_string(scene.arrivage.path("arrivage.toml"))?;
    let pod = Arrivage::verbatim(&configuration)?
        .env([("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.clone())]);
    let _running = pod.start(&["run"])?;
    let first = Delivery::new(50, 2_000);
    scene.put("a.csv", first.csv());
    scene.loaded("a.csv", &first).await?;
    // Listings go on every second, so the next session comes by itself.
    arrivage_testkit::eventually(Duration::from_secs(60), "a second session", async || {
        (agent.given.load(Ordering::Relaxed) > 1).then_some(())
    })
    .await;
    let second = Delivery::new(51, 2_000);
    scene.put("b.csv", second.csv());
    let loaded = scene.loaded("b.csv", &second).await?;
    assert_eq!(loaded.attempts, 1, "{loaded:?}");
    Ok(())
}
