//! The lease is not renewed, and the load that it is for goes on all the same.

mod postgres {
    use std::time::Duration;

    use anyhow::{Context, Result};
    use arrivage_testkit::eventually;
    use arrivage_tests::{Delivery, Destination, Scene};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const KEY: &str = "orders.csv";
    const SOON: Duration = Duration::from_secs(30);

    /// Longer than the lease: its second half is loaded by two processes, of which one may.
    const PACE: Duration = Duration::from_secs(5);

    /// Nobody is frozen and nothing is cut, so it is the fence of each chunk alone that keeps the
    /// first process from committing another one.
    #[tokio::test]
    async fn who_cannot_renew_commits_nothing_once_another_has_claimed() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let delivery = Delivery::new(9, 30_000);
        scene.put_slow(KEY, delivery.csv(), PACE);
        scene.register(1).await?;
        let through_proxy = scene.arrivage_with(&without_renewals(&scene).await?)?;
        let first = through_proxy.start(&["process"])?;
        let before = scene.wait_for_records(KEY, 1).await;
        let _second = scene.arrivage.start(&["process"])?;

        let taken = scene
            .wait(KEY, "taken over", |arrival| arrival.fence == 2)
            .await;
        assert!(
            before.checkpoint_records < taken.checkpoint_records,
            "{taken:?}"
        );
        eventually(SOON, "the first process to be fenced", async || {
            let output = first.process.output();
            output.contains("another process has it now").then_some(())
        })
        .await;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!((loaded.attempts, loaded.fence), (2, 2), "{loaded:?}");
        Ok(())
    }

    /// The URL of the scene's database through a proxy that lets no renewal pass.
    async fn without_renewals(scene: &Scene) -> Result<String> {
        let url = scene.destination.url();
        let (user, address) = url
            .split_once('@')
            .context("postgres://USER@HOST:PORT/NAME")?;
        let (server, name) = address
            .split_once('/')
            .context("postgres://USER@HOST:PORT/NAME")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let proxied = format!("{user}@{}/{name}", listener.local_addr()?);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await?;
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::try_join!(
                        forward(from_client, to_server, b"ledger::renew"),
                        forward(from_server, to_client, b"\0nothing of the kind\0"),
                    )
                });
            }
        });
        Ok(proxied)
    }

    /// Hands everything on, until the words come: then nothing any more, as if the network were cut.
    async fn forward(
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        words: &[u8],
    ) -> std::io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            if bytes[..length]
                .windows(words.len())
                .any(|window| window == words)
            {
                return std::future::pending().await;
            }
            to.write_all(&bytes[..length]).await?;
        }
    }
}
