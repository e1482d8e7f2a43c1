//! The table refuses single records: they become rejects, found by halving.

mod postgres {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use anyhow::Result;
    use arrivage_tests::{Arrivage, Chance, Destination};

    const PIPELINE: &str =
        "[[pipeline]]\nname = \"items\"\nmatch = [\"in/**/*.csv\"]\ntable = \"items\"\n";

    /// They are taken out and brought in again in one transaction, which is all that a deferred
    /// constraint looks at.
    #[tokio::test]
    async fn rows_that_are_replaced_may_be_referred_to() -> Result<()> {
        let to = Destination::postgres().await?;
        to.sql(
            "CREATE TABLE items (id bigint PRIMARY KEY, name text, _arrival_id bigint);
             CREATE TABLE sold (id bigint REFERENCES items DEFERRABLE INITIALLY DEFERRED)",
        )
        .await?;
        let replace = format!("{PIPELINE}mode = \"replace\"\n");
        let arrivage = Arrivage::new(&to.url(), &replace)?;
        arrivage.file("in/a.csv", "id,name\n1,one\n2,two\n")?;
        arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
        to.sql("INSERT INTO sold VALUES (2)").await?;
        arrivage.file("in/a.csv", "id,name\n1,ONE\n2,TWO\n")?;
        arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
        let names = to.sql("SELECT name FROM items ORDER BY id").await?;
        assert_eq!(names, "ONE\nTWO");
        Ok(())
    }

    /// Fault 33: one record of three is refused, whatever refuses it, in both modes.
    #[tokio::test]
    async fn a_refused_record_becomes_a_reject_with_its_sqlstate() -> Result<()> {
        let raises = |code: &str| {
            format!(
                "CREATE TABLE items (id bigint PRIMARY KEY, name text);
                 CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                   IF new.id = 2 THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF;
                   RETURN new;
                 END $$;
                 CREATE TRIGGER t BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        };
        let two = "CREATE TABLE names (name text PRIMARY KEY);
             INSERT INTO names VALUES ('one'), ('three');";
        let table = [
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text UNIQUE);
                 INSERT INTO items VALUES (7, 'two')"
                    .to_owned(),
                "23505",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text,
                   UNIQUE (name) DEFERRABLE INITIALLY DEFERRED);
                 INSERT INTO items VALUES (7, 'two')"
                    .to_owned(),
                "23505",
            ),
            (
                format!(
                    "{two} CREATE TABLE items (id bigint PRIMARY KEY, name text REFERENCES names)"
                ),
                "23503",
            ),
            (
                format!(
                    "{two} CREATE TABLE items (id bigint PRIMARY KEY,
                       name text REFERENCES names DEFERRABLE INITIALLY DEFERRED)"
                ),
                "23503",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text CHECK (name <> 'two'))"
                    .to_owned(),
                "23514",
            ),
            (
                "CREATE DOMAIN word AS text CHECK (value <> 'two');
                 CREATE TABLE items (id bigint PRIMARY KEY, name text, w word
                   GENERATED ALWAYS AS (name) STORED)"
                    .to_owned(),
                "23514",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text,
                   n text NOT NULL GENERATED ALWAYS AS (nullif(name, 'two')) STORED)"
                    .to_owned(),
                "23502",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text,
                   EXCLUDE USING btree (name WITH =));
                 INSERT INTO items VALUES (7, 'two')"
                    .to_owned(),
                "23P01",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text) PARTITION BY RANGE (id);
                 CREATE TABLE low PARTITION OF items FOR VALUES FROM (1) TO (2);
                 CREATE TABLE high PARTITION OF items FOR VALUES FROM (3) TO (9)"
                    .to_owned(),
                "23514",
            ),
            (
                "CREATE TABLE items (id bigint PRIMARY KEY, name text,
                   q integer GENERATED ALWAYS AS ((id / (id - 2))::integer) STORED)"
                    .to_owned(),
                "22012",
            ),
            (raises("P0001"), "P0001"),
            (raises("P0002"), "P0002"),
            (raises("P0004"), "P0004"),
            (raises("21000"), "21000"),
            (raises("UR001"), "UR001"),
        ];
        for mode in ["append", "upsert"] {
            for (target, code) in &table {
                // An upsert's arbiter may be no deferrable index, and there is none.
                check(mode, target, code).await?;
            }
        }
        Ok(())
    }

    async fn check(mode: &str, target: &str, code: &str) -> Result<()> {
        let to = Destination::postgres().await?;
        to.sql(target).await?;
        let more = match mode {
            "upsert" => "mode = \"upsert\"\nkey = [\"id\"]\n",
            _ => "",
        };
        let arrivage = Arrivage::new(&to.url(), &format!("{PIPELINE}max_attempts = 1\n{more}"))?;
        arrivage.file("in/a.csv", "id,name\n1,one\n2,two\n3,three\n")?;
        let loaded = arrivage.run(&["load", "in/a.csv"]).await?;
        assert_eq!(loaded.code, Some(0), "{mode}: {target}: {loaded}");
        let rows = to
            .sql("SELECT id FROM items WHERE id < 7 ORDER BY id")
            .await?;
        assert_eq!(rows, "1\n3", "{mode}: {target}");
        let rejects = "SELECT record, line, reason_code, raw, reason FROM arrivage.rejects";
        let rejects = to.sql(rejects).await?;
        assert!(
            rejects.starts_with("2|3|constraint|2,two|"),
            "{mode}: {target}: {rejects}"
        );
        assert!(rejects.contains(code), "{mode}: {target}: {rejects}");
        Ok(())
    }

    /// A COPY for the whole, and two for each halving of what is refused.
    #[tokio::test]
    async fn the_guilty_records_are_found_in_a_logarithmic_number_of_copies() -> Result<()> {
        const RECORDS: u64 = 4096;
        let mut chance = Chance::new(33);
        let scattered: BTreeSet<u64> = (0..10).map(|_| 1 + chance.below(RECORDS)).collect();
        let side_by_side: BTreeSet<u64> = (2000..2010).collect();
        let table = [
            (BTreeSet::new(), 1),
            (BTreeSet::from([1]), 1 + 2 * 12),
            (BTreeSet::from([RECORDS]), 1 + 2 * 12),
            (BTreeSet::from([2_345]), 1 + 2 * 12),
            (scattered, 1 + 10 * 2 * 12),
            (side_by_side, 1 + 10 * 2 * 12 / 4),
        ];
        for (bad, most) in table {
            let to = Destination::postgres().await?;
            to.sql(
                "CREATE TABLE items (id bigint CHECK (id > 0), name text, _record bigint);
                 CREATE SEQUENCE copies;
                 CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN PERFORM nextval('copies'); RETURN NULL; END $$;
                 CREATE TRIGGER t BEFORE INSERT ON items EXECUTE FUNCTION count_it()",
            )
            .await?;
            let arrivage = Arrivage::new(&to.url(), PIPELINE)?;
            let mut csv = "id,name\n".to_owned();
            for record in 1..=RECORDS {
                let id = if bad.contains(&record) { 0 } else { record };
                writeln!(csv, "{id},x")?;
            }
            arrivage.file("in/a.csv", csv)?;
            arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
            let copies = to.count("SELECT last_value FROM copies").await;
            assert!(copies <= most, "{bad:?}: {copies} times COPY");
            let rejects = "SELECT string_agg(record::text, ' ' ORDER BY record)
                FROM arrivage.rejects WHERE reason LIKE '%23514%'";
            let expect: Vec<String> = bad.iter().map(u64::to_string).collect();
            assert_eq!(to.sql(rejects).await?, expect.join(" "));
            let rows = "SELECT count(*) FROM items WHERE id = _record";
            assert_eq!(
                to.count(rows).await,
                i64::try_from(RECORDS)? - bad.len() as i64
            );
        }
        Ok(())
    }
}
