//! `deploy/postgres/keda.sql`, run on a ledger: the role that it makes reads the backlog, and nothing
//! else.

mod postgres {
    use std::env;
    use std::fs;
    use std::process::Command;

    use xtask::announced;
    use xtask::place::{unique_name, workspace};
    use xtask::postgres::{Cluster, create_database, drop_database, sql};

    #[test]
    fn the_role_of_keda_reads_the_backlog_as_the_chart_asks_for_it() {
        let ledger = Ledger::new();
        ledger.sql(
            "INSERT INTO arrivage.pipeline (name, max_attempts) VALUES ('orders', 5), ('other', 5);
             INSERT INTO arrivage.arrival (pipeline, store, bucket, key, etag, state, due_at, lease_id, lease_until)
             SELECT pipeline, 's3', 'drop', key, 'e', state, now() + due, gen_random_uuid(), now() + lease
             FROM (VALUES
               ('orders', 'due', 'waiting', interval '-1 s', interval '0'),
               ('orders', 'expired', 'loading', '-1 s', '-1 s'),
               ('orders', 'leased', 'loading', '-1 s', '1 h'),
               ('orders', 'later', 'waiting', '1 h', '0'),
               ('orders', 'done', 'loaded', '-1 s', '0'),
               ('other', 'due', 'waiting', '-1 s', '0')
             ) AS a (pipeline, key, state, due, lease);",
        );
        let outstanding = query_of("keda-jobs");
        assert_eq!(ledger.ask(&outstanding), Ok("3".to_owned()));
        let waiting = outstanding.replace("outstanding", "waiting");
        assert_eq!(ledger.ask(&waiting), Ok("2".to_owned()));
        assert_eq!(
            ledger.ask(&query_of("keda-deployments")),
            Ok("4".to_owned())
        );
    }

    #[test]
    fn the_role_of_keda_may_do_nothing_else() {
        let ledger = Ledger::new();
        let relations = ledger.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'arrivage'::regnamespace
             AND relkind IN ('r', 'v', 'S') AND relname <> 'backlog'",
        );
        assert!(relations.lines().count() > 8, "{relations}");
        for relation in relations.lines() {
            refused(&ledger, &format!("SELECT * FROM arrivage.\"{relation}\""));
        }
        // Anybody may call a function, but it has the rights of whoever calls it.
        refused(&ledger, "SELECT arrivage.is_overtaken(1)");
        refused(&ledger, "INSERT INTO arrivage.pipeline VALUES ('mine', 1)");
        refused(&ledger, "CREATE TABLE arrivage.mine (id int)");
        refused(&ledger, "DROP VIEW arrivage.backlog");
        assert_eq!(ledger.ask("SHOW statement_timeout"), Ok("2s".to_owned()));
    }

    #[track_caller]
    fn refused(ledger: &Ledger, statement: &str) {
        // A setting can be changed by whoever has it, a missing right cannot.
        let unbound = format!("SET transaction_read_only = off; {statement}");
        let answer = ledger.ask(&unbound).expect_err(statement);
        let refusals = ["permission denied", "must be owner"];
        assert!(
            refusals.iter().any(|words| answer.contains(words)),
            "{statement}: {answer}"
        );
    }

    /// The query of the postgresql trigger in a rendering of the chart.
    fn query_of(example: &str) -> String {
        let path = format!("deploy/kubernetes/{example}/arrivage.yaml");
        let text = fs::read_to_string(workspace().join(path)).expect("the rendered chart");
        let mut lines = text.lines().map(str::trim);
        let query = lines.find_map(|line| line.strip_prefix("query: "));
        query.expect("a query").trim_matches('"').to_owned()
    }

    /// An empty ledger in a database of its own, and the role, named like the database.
    struct Ledger {
        server: String,
        url: String,
        name: String,
        _cluster: Option<Cluster>,
    }

    impl Ledger {
        fn new() -> Self {
            let (server, cluster) = match env::var(announced::POSTGRES) {
                Ok(server) => (server, None),
                Err(_) => {
                    let cluster = Cluster::start_new().expect("PostgreSQL");
                    (cluster.url(), Some(cluster))
                }
            };
            let name = unique_name("keda").replace('-', "_");
            let url = create_database(&server, &name).expect("a database");
            let ledger = Self {
                server,
                url,
                name,
                _cluster: cluster,
            };
            ledger.sql("CREATE SCHEMA arrivage");
            let migrations = workspace().join("crates/ledger/migrations/postgres");
            let files = fs::read_dir(migrations).expect("the migrations");
            let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            files.sort();
            for file in files {
                ledger.sql(&fs::read_to_string(file).expect("a migration"));
            }
            // Twice, for it may be run again.
            for _ in 0..2 {
                ledger.make_role();
            }
            ledger
        }

        fn make_role(&self) {
            let mut psql = Command::new("psql");
            psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "password=secret"]);
            psql.args(["-v", &format!("role={}", self.name), "-d", &self.url]);
            psql.arg("-f")
                .arg(workspace().join("deploy/postgres/keda.sql"));
            let made = psql.output().expect("psql");
            let words = String::from_utf8_lossy(&made.stderr);
            assert!(made.status.success(), "{words}");
        }

        fn sql(&self, statements: &str) -> String {
            sql(&self.url, statements).expect("the superuser may do it")
        }

        /// As the role; an error is what the server says.
        fn ask(&self, statements: &str) -> Result<String, String> {
            let (_, host) = self.url.split_once('@').expect("a user and a host");
            let url = format!("postgres://{}:secret@{host}", self.name);
            let answer = sql(&url, statements).map_err(|error| format!("{error:#}"))?;
            Ok(answer.trim().to_owned())
        }
    }

    impl Drop for Ledger {
        fn drop(&mut self) {
            // What a broken test leaves goes with the server.
            let _ = drop_database(&self.server, &self.name);
            let _ = sql(&self.server, &format!("DROP ROLE \"{}\"", self.name));
        }
    }
}
