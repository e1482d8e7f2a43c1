//! Columns that no field of the file fills.

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

on_both!(
    captures_facts_and_constants_fill_columns,
    files_that_are_loaded_together_have_their_own_facts,
);

async fn captures_facts_and_constants_fill_columns(to: Destination) -> Result<()> {
    to.sql(
        "CREATE TABLE items (id bigint, shop text, day date, key text, url text, etag text, \
         at timestamptz, arrival bigint, country text, rate text)",
    )
    .await?;
    let column =
        |name: &str, keys: &str| format!("[[pipeline.column]]\nname = \"{name}\"\n{keys}\n");
    let columns = [
        column("shop", "from = \"{shop}\""),
        column("day", "from = \"{day}\"\nformat = \"%Y%m%d\""),
        column("key", "from = \"{object.key}\""),
        column("url", "from = \"{object.url}\""),
        column("etag", "from = \"{object.etag}\""),
        column("at", "from = \"{object.last_modified}\""),
        column("arrival", "from = \"{arrival.id}\""),
        column("country", "constant = \"FR\""),
        column(
            "rate",
            "constant = \"1,50\"\ndecimal = \",\"\ntype = \"numeric(4,2)\"",
        ),
    ];
    for (kind, text) in [
        ("csv", "id\n1\n2\n"),
        ("json-lines", "{\"id\":1}\n{\"id\":2}\n"),
    ] {
        let configuration = format!(
            "[[source]]\nkind = \"folder\"\nname = \"inbox\"\npath = \"in\"\n\
             [[pipeline]]\nname = \"items\"\nmatch = [\"in/{{shop}}/{{day}}.*\"]\ntable = \"items\"\n\
             format.kind = \"{kind}\"\n{}",
            columns.concat()
        );
        let arrivage = Arrivage::new(&to.url(), &configuration)?;
        let path = format!("in/{kind}/20261122.txt");
        arrivage.file(&path, text)?;
        let ended = arrivage.run(&["load", "--json", &path]).await?.expect(0);
        let arrival = ended.json().pop().unwrap_or_default();
        let id = arrival["id"].to_string();
        let found = format!(
            "SELECT id, shop, day, key, url, country, rate FROM items WHERE arrival = {id} ORDER BY id"
        );
        let same = format!(
            "{kind}|2026-11-22|{kind}/20261122.txt|folder://inbox/{kind}/20261122.txt|FR|1.50"
        );
        let expect = format!("1|{same}\n2|{same}");
        assert_eq!(to.sql(&found).await?, expect);
        // As the ledger has them.
        let facts = format!(
            "SELECT count(*) FROM items i JOIN arrivage.arrivals a ON a.id = i.arrival AND a.etag = i.etag \
             WHERE i.arrival = {id} AND i.at IS NOT NULL"
        );
        assert_eq!(to.count(&facts).await, 2);
    }
    Ok(())
}

/// Small files share transactions, and no facts.
async fn files_that_are_loaded_together_have_their_own_facts(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, shop text, key text, arrival bigint)")
        .await?;
    let columns = [
        ("shop", "{shop}"),
        ("key", "{object.key}"),
        ("arrival", "{arrival.id}"),
    ];
    let columns = columns
        .map(|(name, from)| format!("[[pipeline.column]]\nname = \"{name}\"\nfrom = \"{from}\"\n"));
    let configuration = format!(
        "[[source]]\nkind = \"folder\"\nname = \"inbox\"\npath = \"in\"\n\
         [[pipeline]]\nname = \"items\"\nmatch = [\"in/{{shop}}/*\"]\ntable = \"items\"\n{}",
        columns.concat()
    );
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    for shop in ["lyon", "nice", "paris"] {
        arrivage.file(&format!("in/{shop}/a.csv"), "id\n1\n")?;
    }
    let loaded = arrivage.run(&["load", "--recursive", "in"]).await?;
    loaded.expect(0);
    let own = "SELECT i.shop FROM items i JOIN arrivage.arrivals a ON a.id = i.arrival AND a.key = i.key \
               WHERE i.key = i.shop || '/a.csv' ORDER BY i.shop";
    assert_eq!(to.sql(own).await?, "lyon\nnice\nparis");
    Ok(())
}
