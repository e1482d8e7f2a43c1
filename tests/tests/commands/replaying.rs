use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{arrivals, create_items, create_items_with_lineage, items, pipeline, rows};

on_both!(
    a_failed_one_goes_on_from_its_checkpoint,
    from_the_start_replaces_its_rows,
    rows_that_cannot_be_told_stay,
    filters_choose,
    filters_leave_alone_what_a_person_put_to_rest,
);

async fn a_failed_one_goes_on_from_its_checkpoint(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 0")?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\n")?;
    let failed = arrivage.run(&["load", "in/a.csv"]).await?.expect(3);
    failed.says("see `arrivage rejects 1`");
    assert_eq!(arrivals(&to).await?, "failed|too_many_rejects|1|1|1");
    let dry = arrivage.run(&["replay", "--dry-run", "1"]).await?.expect(0);
    dry.says("1 would be queued");
    assert_eq!(arrivals(&to).await?, "failed|too_many_rejects|1|1|1");

    // Nothing was mended.
    arrivage
        .run(&["replay", "1"])
        .await?
        .expect(0)
        .says("1 queued");
    assert_eq!(
        to.sql("SELECT state, error_code FROM arrivage.arrivals")
            .await?,
        "waiting|"
    );
    arrivage.run(&["process", "--until-empty"]).await?.expect(3);
    assert_eq!(arrivals(&to).await?, "failed|too_many_rejects|2|1|1");

    arrivage.configure(&to.url(), &pipeline("rejects.max_rows = 1"))?;
    arrivage
        .run(&["replay", "--state", "failed"])
        .await?
        .expect(0)
        .says("1 queued");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||3|1|1");
    assert_eq!(rows(&to).await?, "1|one");
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "1");
    Ok(())
}

async fn from_the_start_replaces_its_rows(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items_with_lineage(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\n3,three\n")?;
    arrivage.file("in/b.csv", "id,name\n1,other\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    arrivage.run(&["load", "in/b.csv"]).await?.expect(0);
    to.sql("UPDATE items SET name = 'spoilt'").await?;
    let skipped = arrivage.run(&["replay", "1"]).await?.expect(0);
    skipped
        .says("0 queued")
        .says("1 already loaded and skipped");

    arrivage
        .run(&["replay", "--from-start", "1"])
        .await?
        .expect(0)
        .says("1 queued");
    // Its rows stand until it is claimed.
    assert_eq!(rows(&to).await?, "1|spoilt\n1|spoilt\n3|spoilt");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    let lineage = "SELECT id, name, _arrival_id, _record FROM items ORDER BY _arrival_id, _record";
    assert_eq!(
        to.sql(lineage).await?,
        "1|one|1|1\n3|three|1|3\n1|spoilt|2|1"
    );
    assert_eq!(arrivals(&to).await?, "loaded||2|2|1\nloaded||1|1|0");
    assert_eq!(
        to.sql("SELECT arrival_id, record FROM arrivage.rejects")
            .await?,
        "1|2"
    );
    Ok(())
}

async fn rows_that_cannot_be_told_stay(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    for more in [&["--dry-run"][..], &[]] {
        let refused = arrivage
            .run(&[&["replay", "--from-start", "1"], more].concat())
            .await?;
        refused.expect(2).says("_arrival_id");
    }
    assert_eq!(arrivals(&to).await?, "loaded||1|1|0");
    assert_eq!(rows(&to).await?, "1|one");
    Ok(())
}

async fn filters_choose(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 0")?;
    create_items(&to).await?;
    for name in ["a", "b", "c"] {
        arrivage.file(&format!("in/{name}.csv"), "id,name\nx,y\n")?;
    }
    arrivage.run(&["load", "-r", "in"]).await?.expect(3);
    let queued = async |arguments: &[&str]| -> Result<usize> {
        let ended = run(&arrivage, arguments).await?;
        Ok(ended
            .json()
            .iter()
            .filter(|row| row["result"] == "queued")
            .count())
    };
    assert_eq!(queued(&["--state", "loaded"]).await?, 0);
    assert_eq!(queued(&["--key", "**/b.csv"]).await?, 1);
    assert_eq!(
        queued(&["--pipeline", "items", "--state", "failed"]).await?,
        3
    );
    assert_eq!(queued(&["--since", "2026-01-01"]).await?, 3);
    assert_eq!(queued(&["--until", "2026-01-01"]).await?, 0);
    arrivage
        .run(&["replay"])
        .await?
        .expect(2)
        .says("--state failed");
    arrivage
        .run(&["replay", "9"])
        .await?
        .expect(2)
        .says("there is no arrival 9");
    arrivage
        .run(&["replay", "--state", "lost"])
        .await?
        .expect(2);
    let unknown = ["replay", "--pipeline", "item"];
    let unknown = arrivage.run(&unknown).await?.expect(2);
    unknown.says("there is no pipeline item, did you mean items?");
    Ok(())
}

async fn run(arrivage: &Arrivage, arguments: &[&str]) -> Result<arrivage_tests::Ended> {
    let replay = ["replay", "--dry-run", "--json"];
    Ok(arrivage
        .run(&[&replay, arguments].concat())
        .await?
        .expect(0))
}

async fn filters_leave_alone_what_a_person_put_to_rest(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 0")?;
    create_items_with_lineage(&to).await?;
    for name in ["a", "b", "c"] {
        arrivage.file(&format!("in/{name}.csv"), format!("id,name\nx,{name}\n"))?;
    }
    arrivage.run(&["load", "-r", "in"]).await?.expect(3);
    arrivage.run(&["dismiss", "1", "1"]).await?.expect(0);
    let unloaded = arrivage
        .run(&["unload", "--json", "2", "2"])
        .await?
        .expect(0);
    assert_eq!(unloaded.json().len(), 1, "{unloaded}");
    let states = async || {
        to.sql("SELECT state FROM arrivage.arrivals ORDER BY id")
            .await
    };
    assert_eq!(states().await?, "dismissed\nunloaded\nfailed");

    for dry in [&["--dry-run"][..], &[]] {
        let all = [&["replay", "--pipeline", "items"][..], dry].concat();
        let queued = arrivage.run(&all).await?.expect(0);
        queued.says("2 dismissed or unloaded and skipped");
    }
    assert_eq!(states().await?, "dismissed\nunloaded\nwaiting");
    let named = ["replay", "--state", "dismissed", "--pipeline", "items"];
    arrivage.run(&named).await?.expect(0).says("1 queued");
    arrivage
        .run(&["replay", "2", "2"])
        .await?
        .expect(0)
        .says("1 queued");
    assert_eq!(states().await?, "waiting\nwaiting\nwaiting");
    Ok(())
}
