use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::items::{THREE, arrivals, create_items, items, pipeline, rows};

on_both!(
    a_file_is_loaded_once,
    a_folder_is_loaded_with_all_below_it,
    a_partial_upload_in_a_folder_is_left_alone,
    what_cannot_be_loaded_is_said,
    a_file_that_failed_stays_failed,
    several_load_one_file_together,
);

async fn a_file_is_loaded_once(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    let a = arrivage.file("in/a.csv", THREE)?;
    let a = a.to_str().unwrap_or_default();
    arrivage
        .run(&["load", a])
        .await?
        .expect(0)
        .says("3 records loaded");
    let again = arrivage
        .run(&["load", a])
        .await?
        .expect(0)
        .says("already loaded: arrival 1, ");
    let finished = to.sql("SELECT finished_at FROM arrivage.arrivals").await?;
    assert!(
        again.stderr.contains(&finished[..10]),
        "the day it was loaded: {again}"
    );
    // However it is called.
    arrivage
        .run(&["load", "in/../in/a.csv"])
        .await?
        .expect(0)
        .says("already loaded: arrival 1, ");

    arrivage.file("in/b.csv", "id,name\n4,four\n")?;
    let both = arrivage
        .run(&["load", "--json", "in/a.csv", "in/b.csv"])
        .await?
        .expect(0);
    let urls: Vec<_> = both
        .json()
        .iter()
        .map(|row| row["key"].to_string())
        .collect();
    assert_eq!(urls.len(), 1, "what was loaded now: {both}");
    assert!(urls[0].ends_with("in/b.csv\""), "{both}");
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three\n4|four");
    let places = "SELECT store, bucket, url = '/' || key FROM arrivage.arrivals GROUP BY 1, 2, 3";
    assert!(to.sql(places).await?.starts_with("folder|local|"));

    // Another content of the same file is another arrival.
    arrivage.file("in/a.csv", "id,name\n5,five\n")?;
    arrivage
        .run(&["load", a])
        .await?
        .expect(0)
        .says("1 records loaded");
    assert_eq!(
        arrivals(&to).await?,
        "loaded||1|3|0\nloaded||1|1|0\nloaded||1|1|0"
    );
    Ok(())
}

async fn a_folder_is_loaded_with_all_below_it(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\n")?;
    arrivage.file("in/deep/er/b.csv", "id,name\n2,two\n")?;
    arrivage.file("in/deep/c.txt", "nothing for a pipeline")?;
    arrivage
        .run(&["load", "in"])
        .await?
        .expect(2)
        .says("--recursive");
    arrivage
        .run(&["load", "--recursive", "in"])
        .await?
        .expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two");
    arrivage
        .run(&["load", "-r", "in"])
        .await?
        .expect(0)
        .says("already loaded");
    assert_eq!(rows(&to).await?, "1|one\n2|two");
    Ok(())
}

async fn a_partial_upload_in_a_folder_is_left_alone(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    arrivage.configure(&to.url(), &pipeline("").replace("*.csv", "*.csv*"))?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\n")?;
    for name in [
        "b.csv.part",
        "c.csv.filepart",
        "d.csv.tmp",
        ".e.csv",
        "~f.csv",
    ] {
        arrivage.file(&format!("in/{name}"), "id,name\n2,tw")?;
    }
    arrivage.run(&["load", "-r", "in"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one");
    Ok(())
}

async fn what_cannot_be_loaded_is_said(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage
        .run(&["load", "in/none.csv"])
        .await?
        .expect(2)
        .says("in/none.csv cannot be read");
    arrivage.run(&["load"]).await?.expect(2);
    arrivage
        .run(&["load", "ftp://drop/a.csv"])
        .await?
        .expect(2)
        .says("ftp://drop/a.csv");
    arrivage.file("in/a.txt", THREE)?;
    arrivage
        .run(&["load", "in/a.txt"])
        .await?
        .expect(2)
        .says("no pipeline matches");
    arrivage
        .run(&["load", "-r", "in"])
        .await?
        .expect(2)
        .says("no object that a pipeline takes");
    let unknown = arrivage
        .run(&["load", "--pipeline", "itens", "in/a.txt"])
        .await?
        .expect(2);
    unknown.says("there is no pipeline itens; the configuration has: items");
    assert_eq!(arrivals(&to).await?, "");
    arrivage
        .run(&["load", "--pipeline", "items", "in/a.txt"])
        .await?
        .expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||1|3|0");
    Ok(())
}

async fn a_file_that_failed_stays_failed(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 1")?;
    create_items(&to).await?;
    arrivage.file("in/good.csv", THREE)?;
    arrivage.file("in/bad.csv", "id,name\none,1\n4,four\ntwo,2\n")?;
    let failed = arrivage.run(&["load", "-r", "in"]).await?.expect(3);
    failed
        .says("arrivage replay")
        .says("3 records loaded, 0 rejected");
    assert_eq!(
        arrivals(&to).await?,
        "failed|too_many_rejects|1|1|2\nloaded||1|3|0"
    );
    arrivage.run(&["load", "in/bad.csv"]).await?.expect(3);
    assert_eq!(
        arrivals(&to).await?,
        "failed|too_many_rejects|1|1|2\nloaded||1|3|0"
    );
    Ok(())
}

async fn several_load_one_file_together(to: Destination) -> Result<()> {
    const RECORDS: usize = 50_000;

    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    let content: String = (0..RECORDS).map(|id| format!("{id},x\n")).collect();
    arrivage.file("in/a.csv", format!("id,name\n{content}"))?;
    let load = || arrivage.run(&["load", "in/a.csv"]);
    let (a, b, c) = tokio::try_join!(load(), load(), load())?;
    for ended in [a, b, c] {
        ended.expect(0).says("in/a.csv");
    }
    let rows = to
        .sql("SELECT count(*), count(DISTINCT id) FROM items")
        .await?;
    assert_eq!(rows, format!("{RECORDS}|{RECORDS}"));
    assert_eq!(arrivals(&to).await?, format!("loaded||1|{RECORDS}|0"));
    Ok(())
}
