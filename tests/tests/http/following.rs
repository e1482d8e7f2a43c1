use anyhow::Result;
use arrivage_tests::{Destination, on_both};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{TOKEN, World};

on_both!(
    progress_is_seen_while_a_file_is_loaded,
    history_and_pipelines_are_read_page_by_page,
);

/// Events say what becomes of an arrival, to its end.
async fn progress_is_seen_while_a_file_is_loaded(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.put("items/a.csv", "id,name\n1,one\n");
    let mut client = world.start("run").await?;
    let mut stream = TcpStream::connect(&client.address).await?;
    let request =
        format!("GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let order = json!({"url": "s3://drop/items/a.csv"});
    client.post("/v1/loads", "", &order, 202).await?;
    let mut told = String::new();
    while !told.contains("\"state\":\"loaded\"") {
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await?;
        anyhow::ensure!(read > 0, "it ended: {told}");
        told += &String::from_utf8_lossy(&more[..read]);
    }
    // Whoever follows does not hold the end up.
    client.running.process.sigterm()?;
    let ended = client.running.process.wait(crate::world::SOON).await?;
    assert_eq!(ended.code(), Some(0));
    Ok(())
}

async fn history_and_pipelines_are_read_page_by_page(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    for n in 0..5 {
        world.put(
            &format!("items/{n}.csv"),
            &format!("id,name\n{n},x\nx,y\nz,y\n"),
        );
    }
    let client = world.start("run").await?;
    let order = json!({"url": "s3://drop/items/", "recursive": true});
    client.post("/v1/loads", "", &order, 202).await?;
    world.until("SELECT count(*) FROM items", "5").await;
    world
        .until(
            "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'",
            "5",
        )
        .await;

    let mut ids = Vec::new();
    let mut path = "/v1/arrivals?state=loaded&limit=2&key=items/*.csv".to_owned();
    loop {
        let page = client.get(&path, 200).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(items.iter().filter_map(|item| item["id"].as_i64()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/arrivals?state=loaded&limit=2&key=items/*.csv&after={next}");
    }
    let newest = "SELECT id FROM arrivage.arrivals ORDER BY id DESC";
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    assert_eq!(ids.join("\n"), world.to.sql(newest).await?);

    let path = format!("/v1/arrivals/{}/rejects?limit=1", ids[0]);
    let first = client.get(&path, 200).await?;
    assert_eq!(first["items"][0]["record"], 2, "{first}");
    let next = first["next"].as_str().unwrap_or_default();
    let last = client.get(&format!("{path}&after={next}"), 200).await?;
    assert_eq!(last["items"][0]["record"], 3, "{last}");
    assert_eq!(last["next"], json!(null));

    world.arrivage.run(&["pause", "others"]).await?.expect(0);
    let pipelines = client.get("/v1/pipelines", 200).await?;
    let [items, others] = pipelines["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    else {
        panic!("{pipelines}")
    };
    assert_eq!(
        (&items["pipeline"], &items["table"]),
        (&json!("items"), &json!("items"))
    );
    assert_eq!(items["mode"], "append");
    assert_eq!(items["match"][0], "s3://drop/items/**");
    assert_eq!(items["paused_reason"], json!(null));
    assert_eq!(others["paused_by_person"], true, "{others}");
    Ok(())
}
