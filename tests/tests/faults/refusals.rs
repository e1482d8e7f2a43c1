//! The database refuses for a while: full, busy, in a deadlock, read-only.

mod postgres {
    use anyhow::Result;
    use arrivage_tests::{Delivery, Destination, Scene};

    /// What passes: faults 28 to 32, and the timeouts that a server's settings may hold.
    const CODES: [&str; 14] = [
        "25006", "25P03", "25P04", "40001", "40P01", "53100", "53200", "53300", "55006", "55P03",
        "57014", "57P01", "57P05", "58030",
    ];

    /// Where the ledger or the table refuses, and how often in a row.
    const PLACES: [(&str, u32); 4] = [("claim", 1), ("rows", 2), ("reject", 2), ("advance", 2)];

    /// The key `CODE-PLACE` says what an arrival meets. Sequences are not rolled back, so they
    /// count what was refused.
    const REFUSE: &str = "
        CREATE FUNCTION refuse(which bigint, place text, times int) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
          wanted text := (SELECT key FROM arrivage.arrival WHERE id = which);
        BEGIN
          IF wanted LIKE '%-' || place AND nextval(quote_ident(wanted)) <= times THEN
            RAISE EXCEPTION '% is wanted', wanted USING ERRCODE = left(wanted, 5);
          END IF;
        END $$;
        CREATE FUNCTION refuse_claim() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse(new.id, 'claim', 1); RETURN new; END $$;
        CREATE FUNCTION refuse_advance() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse(new.id, 'advance', 2); RETURN new; END $$;
        CREATE FUNCTION refuse_rows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse(new._arrival_id, 'rows', 2); RETURN new; END $$;
        CREATE FUNCTION refuse_reject() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse(new.arrival_id, 'reject', 2); RETURN new; END $$;
        CREATE TRIGGER t BEFORE UPDATE OF fence ON arrivage.arrival
          FOR EACH ROW EXECUTE FUNCTION refuse_claim();
        CREATE TRIGGER u BEFORE UPDATE OF checkpoint_records ON arrivage.arrival
          FOR EACH ROW EXECUTE FUNCTION refuse_advance();
        CREATE TRIGGER t BEFORE INSERT ON arrivage.reject
          FOR EACH ROW EXECUTE FUNCTION refuse_reject();
        CREATE TABLE orders (order_id bigint, customer text, amount numeric(12,2),
          ordered_on date, note text, _arrival_id bigint, _record bigint);
        CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_rows()";

    #[tokio::test]
    async fn what_passes_costs_no_attempt_and_no_second_read() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "max_attempts = 1").await?;
        let delivery = Delivery::new(3, 500);
        let mut keys = Vec::new();
        for code in CODES {
            keys.extend(PLACES.map(|(place, times)| (format!("{code}-{place}"), times)));
        }
        for (key, _) in &keys {
            scene.put(key, delivery.csv());
            let counter = format!("CREATE SEQUENCE \"{key}\"");
            scene.destination.sql(&counter).await?;
        }
        scene.register(i64::try_from(keys.len())?).await?;
        scene.destination.sql(REFUSE).await?;

        let mut process = scene.arrivage.start(&["process"])?;
        for (key, times) in &keys {
            let loaded = scene.loaded(key, &delivery).await?;
            assert_eq!(loaded.attempts, 1, "{loaded:?}");
            assert_eq!(
                scene.reads_from(key).len(),
                1,
                "{key} is loaded from memory"
            );
            let asked = format!("SELECT last_value FROM \"{key}\"");
            let asked = scene.destination.count(&asked).await;
            assert!(asked > i64::from(*times), "{key} was refused {asked} times");
        }
        assert_eq!(
            process.process.ended()?,
            None,
            "{}",
            process.process.output()
        );
        Ok(())
    }

    /// A failing transaction leaves no row.
    #[tokio::test]
    async fn a_full_disk_at_registration_is_waited_out() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "max_attempts = 1").await?;
        scene.arrivage.run(&["migrate"]).await?.expect(0);
        scene
            .destination
            .sql(
                "CREATE SEQUENCE asked;
                 CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                   IF nextval('asked') <= 3 THEN
                     RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100';
                   END IF;
                   RETURN new;
                 END $$;
                 CREATE TRIGGER t BEFORE INSERT ON arrivage.arrival
                   FOR EACH ROW EXECUTE FUNCTION refuse()",
            )
            .await?;
        let delivery = Delivery::new(3, 500);
        for key in ["a", "b"] {
            scene.put(key, delivery.csv());
        }
        let run = scene.arrivage.start(&["run"])?;
        for key in ["a", "b"] {
            let loaded = scene.loaded(key, &delivery).await?;
            assert_eq!(loaded.attempts, 1, "{loaded:?}");
        }
        // It is the database that was away, and nothing that was found is to blame.
        let log = run.process.output();
        let warned = log
            .lines()
            .any(|line| line.contains("WARN") && line.contains("the database did not answer: "));
        assert!(warned && !log.contains("ERROR"), "{log}");
        let blamed = "SELECT count(*) FROM arrivage.unreadable";
        assert_eq!(scene.destination.count(blamed).await, 0);
        assert!(
            scene
                .destination
                .count("SELECT last_value FROM asked")
                .await
                > 3
        );
        Ok(())
    }
}
