//! Archives, from the configuration to the rows.

use anyhow::Result;
use arrivage_testkit::archive::{Packed, tar, zip};
use arrivage_tests::{Destination, Scene, on_both};

use super::items;

on_both!(
    the_files_in_an_archive_are_loaded_one_after_the_other,
    an_archive_that_cannot_be_read_is_named_with_its_entry,
    small_archives_share_transactions,
);

async fn the_files_in_an_archive_are_loaded_one_after_the_other(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text, CONSTRAINT few CHECK (id < 100))")
        .await?;
    let arrivage = items(&to, "")?;
    let files = [
        Packed::new("in/", ""),
        Packed::new("in/1.csv", "id,name\n1,a\nx,b\n"),
        Packed::new("in/2.csv", "\u{feff}name,id\nc,3\nd,400\n").stored(),
        Packed::new("__MACOSX/in/._2.csv", "\0"),
        Packed::new("empty.csv", ""),
        Packed::new("3.csv", "id\n5\ny"),
    ];
    let rows = "SELECT id, name FROM items ORDER BY id";
    for (name, archive) in [("files.zip", zip(&files)), ("files", tar(&files))] {
        let url = format!("in/{name}");
        arrivage.file(&url, archive)?;
        let loaded = arrivage.run(&["load", "--json", &url]).await?.expect(0);
        let arrival = loaded.json().pop().unwrap_or_default();
        let size = &arrival["size"];
        assert_eq!(
            &arrival["bytes_read"], size,
            "every byte was needed: {arrival}"
        );
        assert_eq!(arrival["checkpoint_records"], 6, "{arrival}");
        assert_eq!(to.sql(rows).await?, "1|a\n3|c\n5|", "{name}");
        let id = arrival["id"].to_string();
        let rejects = async |columns: &str| {
            let query = format!(
                "SELECT {columns} FROM arrivage.rejects WHERE arrival_id = {id} ORDER BY record"
            );
            to.sql(&query).await
        };
        assert_eq!(
            rejects("record, line, byte_offset, reason_code, raw").await?,
            "2|3|12|not_a_number|x,b\n4|3|31|constraint|d,400\n6|3|42|not_a_number|y",
            "{name}"
        );
        let reasons = rejects("reason").await?;
        let entries = ["(entry in/1.csv)", "(entry in/2.csv)", "(entry 3.csv)"];
        for (reason, entry) in reasons.lines().zip(entries) {
            assert!(reason.ends_with(entry), "{reason}");
        }
        // Their headers differ: no one file can give them back.
        let raw = arrivage.run(&["rejects", &id, "--raw"]).await?;
        assert!(raw.stderr.contains("written in different ways"), "{raw}");
        to.sql("DELETE FROM items").await?;
    }
    Ok(())
}

async fn an_archive_that_cannot_be_read_is_named_with_its_entry(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint)").await?;
    let arrivage = items(&to, "")?;
    let two = [
        Packed::new("1.csv", "id\n1\n"),
        Packed::new("2.csv", "id\n2\n"),
    ];
    let mut broken = zip(&two);
    // The checksum of the one that is listed first, which lies last.
    let directory = broken.windows(4).position(|bytes| bytes == b"PK\x01\x02");
    broken[directory.expect("a directory") + 16] ^= 1;
    let whole = tar(&two);
    let nested = zip(&[Packed::new("in.tar", whole.clone())]);
    let no_header = zip(&[
        Packed::new("1.csv", "id\n1\n"),
        Packed::new("2.csv", "no\n2\n"),
    ]);
    let cases: [(&str, &[u8], &str, &str); 6] = [
        ("sum", &broken, "corrupt", "2.csv"),
        ("cut", &broken[..40], "truncated", "directory"),
        ("cut-tar", &whole[..1600], "truncated", "2.csv"),
        ("nested", &nested, "unsupported", "in.tar"),
        ("header", &no_header, "header", "(entry 2.csv)"),
        ("nothing", &zip(&[]), "unsupported", "no file"),
    ];
    for (name, archive, code, words) in cases {
        let url = format!("in/{name}");
        arrivage.file(&url, archive)?;
        let loaded = arrivage.run(&["load", "--json", &url]).await?.expect(3);
        let arrival = loaded.json().pop().unwrap_or_default();
        assert_eq!(arrival["error_code"], code, "{name}: {arrival}");
        let error = arrival["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{name}: {error}");
        assert_eq!(arrival["state"], "failed", "{name}");
    }
    Ok(())
}

async fn small_archives_share_transactions(to: Destination) -> Result<()> {
    let scene = Scene::new(to, "", "").await?;
    let mut deliveries = Vec::new();
    for nth in 0..40 {
        let delivery = arrivage_tests::Delivery::in_entries(nth, 30, 3);
        let entries = delivery.entries();
        let files = entries.iter().enumerate();
        let files: Vec<_> = files
            .map(|(number, entry)| Packed::new(&format!("{number}.csv"), *entry))
            .collect();
        let key = format!("{nth:02}.zip");
        let archive = if nth % 2 == 0 {
            zip(&files)
        } else {
            tar(&files)
        };
        scene.put(&key, &archive);
        deliveries.push((key, delivery));
    }
    scene.register(40).await?;
    scene
        .arrivage
        .run(&["process", "--until-empty"])
        .await?
        .expect(0);
    for (key, delivery) in &deliveries {
        let loaded = scene.loaded(key, delivery).await?;
        assert_eq!((loaded.attempts, loaded.fence), (1, 1), "{loaded:?}");
    }
    if let Destination::Postgres(_) = scene.destination {
        let commits = "SELECT count(DISTINCT xmin::text) FROM orders";
        let commits = scene.destination.count(commits).await;
        assert!(commits <= 10, "{commits} transactions for 40 archives");
    }
    Ok(())
}
