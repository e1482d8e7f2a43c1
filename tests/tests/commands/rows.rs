use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::items::{arrivals, items, rows};

on_both!(
    what_the_table_refuses_is_rejected,
    a_table_that_refuses_too_much_fails_the_file,
    the_last_record_of_a_key_wins
);

async fn what_the_table_refuses_is_rejected(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    to.sql(
        "CREATE TABLE names (name text PRIMARY KEY);
         INSERT INTO names VALUES ('one'), ('two');
         CREATE TABLE items (
           id bigint NOT NULL UNIQUE CHECK (id < 100),
           name text REFERENCES names (name))",
    )
    .await?;
    let content = "id,name\n1,one\n200,two\n1,two\n2,three\n,one\n3,two\n4,one\n";
    arrivage.file("in/a.csv", content)?;
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(0)
        .says("3 records loaded, 4 rejected");
    assert_eq!(rows(&to).await?, "1|one\n3|two\n4|one");
    let rejects = "SELECT record, line, reason_code, raw FROM arrivage.rejects ORDER BY record";
    assert_eq!(
        to.sql(rejects).await?,
        "2|3|constraint|200,two\n3|4|constraint|1,two\n4|5|constraint|2,three\n5|6|missing|,one"
    );
    let reasons = to
        .sql("SELECT reason FROM arrivage.rejects ORDER BY record")
        .await?;
    for (reason, state) in reasons.lines().zip(["23514", "23505", "23503"]) {
        assert!(reason.contains(state), "{reason}");
    }
    // A row that stood there before refuses as well.
    arrivage.file("in/b.csv", "id,name\n4,one\n5,one\n")?;
    arrivage
        .run(&["load", "in/b.csv"])
        .await?
        .expect(0)
        .says("1 records loaded, 1 rejected");
    assert_eq!(rows(&to).await?, "1|one\n3|two\n4|one\n5|one");
    Ok(())
}

async fn a_table_that_refuses_too_much_fails_the_file(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 10")?;
    to.sql("CREATE TABLE items (id bigint CHECK (id < 0), name text)")
        .await?;
    let refused: String = (0..50).map(|id| format!("{id},x\n")).collect();
    arrivage.file("in/a.csv", format!("id,name\n{refused}"))?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(3);
    let arrival = arrivals(&to).await?;
    assert!(
        arrival.starts_with("failed|too_many_rejects|1|0|"),
        "{arrival}"
    );
    assert_eq!(rows(&to).await?, "");
    Ok(())
}

async fn the_last_record_of_a_key_wins(to: Destination) -> Result<()> {
    let arrivage = items(&to, "mode = \"upsert\"\nkey = [\"id\"]")?;
    to.sql("CREATE TABLE items (id bigint PRIMARY KEY, name text)")
        .await?;
    arrivage.file("in/a.csv", "id,name\n1,a\n2,b\n1,c\n3,d\n1,e\n")?;
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(0)
        .says("5 records loaded");
    assert_eq!(rows(&to).await?, "1|e\n2|b\n3|d");
    arrivage.file("in/b.csv", "id,name\n2,z\n4,\n")?;
    arrivage.run(&["load", "in/b.csv"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|e\n2|z\n3|d\n4|");
    // An upsert can start over without lineage columns.
    arrivage
        .run(&["replay", "--from-start", "1"])
        .await?
        .expect(0);
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|e\n2|b\n3|d\n4|");
    assert_eq!(arrivals(&to).await?, "loaded||2|5|0\nloaded||1|2|0");
    Ok(())
}

#[tokio::test]
async fn whatever_the_database_says_of_one_row_rejects_it_on_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    let arrivage = items(&to, "max_attempts = 1")?;
    to.sql(
        "CREATE TABLE items (id bigint, name text);
         CREATE INDEX ON items (name);
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
           IF new.id = 2 THEN
             RAISE EXCEPTION 'the second is not wanted' USING ERRCODE = 'UR001';
           END IF;
           RETURN new;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await?;
    // Too long for an index, however it is compressed.
    let long = to
        .sql("SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n")
        .await?;
    arrivage.file(
        "in/a.csv",
        format!("id,name\n1,one\n2,two\n3,{long}\n4,four\n"),
    )?;
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(0)
        .says("2 records loaded, 2 rejected");
    assert_eq!(rows(&to).await?, "1|one\n4|four");
    let reasons = to
        .sql("SELECT reason FROM arrivage.rejects ORDER BY record")
        .await?;
    let states = ["UR001", "54000"];
    assert!(
        reasons
            .lines()
            .zip(states)
            .all(|(reason, state)| reason.contains(state)),
        "{reasons}"
    );
    Ok(())
}
