use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Destination};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_line_of_a_json_log_is_json() -> Result<()> {
    let to = Destination::sqlite()?;
    let configuration = "[[source]]\nkind = \"folder\"\nname = \"in\"\npath = \"in\"\nsettle = \"0s\"\n\
        [[pipeline]]\nname = \"items\"\nmatch = [\"in/*\"]\ntable = \"items\"\ncreate_table = true\n\
        column = [{ name = \"id\", type = \"bigint\" }]";
    let arrivage = Arrivage::new(&to.url(), configuration)?;
    // A name is data, and adds no line of its own.
    arrivage.file("in/a\n2026-11-22T00:00:00Z ERROR forged.csv", "id\n1\n")?;
    arrivage.file("in/broken.gz", b"\x1F\x8Bno gzip at all")?;
    let settled = "SELECT count(*) FROM arrivage.arrivals WHERE state IN ('loaded', 'failed')";

    let mut running = arrivage.start(&["run", "--log-format", "json", "-v"])?;
    eventually(SOON, "two arrivals at rest", async || {
        (to.count(settled).await == 2).then_some(())
    })
    .await;
    running.process.sigterm()?;
    running.process.wait(SOON).await?;
    let output = running.process.output();
    for line in output.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for name in ["timestamp", "level", "message"] {
            assert!(value[name].is_string(), "{line}");
        }
    }
    assert!(output.contains("\"arrival.id\":"), "{output}");
    Ok(())
}

#[tokio::test]
async fn a_name_with_a_line_break_forges_no_log_line() -> Result<()> {
    let to = Destination::sqlite()?;
    let configuration = "[[pipeline]]\nname = \"items\"\nmatch = [\"in/*\"]\ntable = \"items\"\n\
        create_table = true\ncolumn = [{ name = \"id\", type = \"bigint\" }]";
    let arrivage = Arrivage::new(&to.url(), configuration)?;
    arrivage.file("in/a\nforged.csv", "id\n1\n")?;
    arrivage.file("in/b\nforged.gz", b"\x1F\x8Bno gzip at all")?;
    let mut outputs = vec![arrivage.run(&["load", "-v", "-r", "in"]).await?.expect(3)];
    for command in [
        &["arrivals"][..],
        &["show", "1"],
        &["replay", "2", "--dry-run"],
    ] {
        outputs.push(arrivage.run(command).await?.expect(0));
    }
    for ended in outputs {
        let said = ended.stdout.lines().chain(ended.stderr.lines());
        let forged: Vec<&str> = said.filter(|line| line.starts_with("forged")).collect();
        assert!(forged.is_empty(), "{ended}");
    }
    Ok(())
}
