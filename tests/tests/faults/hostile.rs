//! Fault 82: keys, names and values that look like SQL.

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

const PIPELINE: &str = r#"
[[pipeline]]
name = "items"
match = ["in/**"]
table = "o'r\"d; DROP TABLE victims"
"#;

on_both! { what_looks_like_sql_is_text }

async fn what_looks_like_sql_is_text(to: Destination) -> Result<()> {
    to.sql(
        r#"CREATE TABLE victims (id bigint);
           CREATE TABLE "o'r""d; DROP TABLE victims" (id bigint, "a""b'; --" text)"#,
    )
    .await?;
    let arrivage = Arrivage::new(&to.url(), PIPELINE)?;
    let names = [
        "'; DROP TABLE victims; --.csv",
        r#"$1 ?1 \ "quoted" “smart” %s %00.csv"#,
        "𝔘nicode ' OR ''='.csv",
    ];
    let csv = "id,\"a\"\"b'; --\"\n\
        1,'); DROP TABLE victims; --\n2,\\.\n3,$1\nx'; DROP TABLE victims,y\n";
    for name in names {
        arrivage.file(&format!("in/{name}"), csv)?;
    }
    let load = arrivage.run(&["load", "in", "--recursive"]).await?;
    load.expect(0);
    let rows = r#"SELECT id, "a""b'; --", count(*) FROM "o'r""d; DROP TABLE victims"
        GROUP BY 1, 2 ORDER BY 1"#;
    let expect = "1|'); DROP TABLE victims; --|3\n2|\\.|3\n3|$1|3";
    assert_eq!(to.sql(rows).await?, expect);
    let rejects = "SELECT raw, count(*) FROM arrivage.rejects GROUP BY raw";
    assert_eq!(to.sql(rejects).await?, "x'; DROP TABLE victims,y|3");
    for name in names {
        let glob = format!("**/{}", name.replace('\\', "*"));
        let found = arrivage
            .run(&["arrivals", "--json", "--key", &glob])
            .await?;
        assert_eq!(found.expect(0).json().len(), 1, "{name}");
    }
    // What is shown to a person, and asked by one.
    let key = "'; DROP TABLE victims; --";
    let commands: [&[&str]; 3] = [
        &["arrivals", "--pipeline", key],
        &["arrivals", "--key", key],
        &["replay", "--dry-run", "--key", key],
    ];
    for command in commands {
        let ended = arrivage.run(command).await?;
        assert!(matches!(ended.code, Some(0 | 2)), "{ended}");
    }
    assert_eq!(to.sql("SELECT count(*) FROM victims").await?, "0");
    Ok(())
}
