use std::time::{Duration, Instant};

use anyhow::Result;
use arrivage_testkit::{Nats, Postgres, RabbitMq, S3Server, eventually};
use arrivage_tests::{Arrivage, Destination};

/// Stands in a password, a token and a record.
const PASSWORD: &str = "canary-password";
const SECRET_KEY: &str = "canary-secret-key";
const TOKEN: &str = "canary-token";
const VALUE: &str = "canary-value";

/// What may be in nothing that is said, signatures of requests included.
const SECRETS: [&str; 6] = [
    PASSWORD,
    SECRET_KEY,
    TOKEN,
    VALUE,
    "AWS4-HMAC-SHA256 ",
    "X-Amz-Signature=",
];

fn configuration(s3: &str) -> String {
    format!(
        r#"
        [s3]
        endpoint = "{s3}"
        path_style = true

        [[source]]
        kind = "folder"
        name = "in"
        path = "in"
        settle = "0s"

        [[source]]
        kind = "listing"
        url = "s3://drop/"
        every = "1s"
        since = "2026-01-01"

        [[pipeline]]
        name = "items"
        match = ["in/*.csv", "s3://drop/**"]
        table = "items"
        "#
    )
}

#[tokio::test]
async fn no_secret_is_in_what_is_said_on_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    to.sql("CREATE TABLE items (id bigint CHECK (id < 10), name varchar(5) UNIQUE)")
        .await?;
    let s3 = S3Server::start().await?;
    s3.create_bucket("drop");
    // The server trusts whoever comes, with any password.
    let url = to
        .url()
        .replace("postgres@", &format!("postgres:{PASSWORD}@"));
    let arrivage = Arrivage::new(&url, &configuration(s3.endpoint()))?.env([
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", S3Server::REGION),
        ("ARRIVAGE_LOG", "trace"),
    ]);
    let head = std::fs::read_to_string(arrivage.path("arrivage.toml"))?;
    let token = format!("[http]\ntoken = \"{TOKEN}\"\n");
    arrivage.file("arrivage.toml", head.replace("[http]\n", &token))?;
    arrivage.file(
        "in/a.csv",
        format!("id,name\n1,one\n50,two\n2,{VALUE}\n{VALUE},x\n3,one\n"),
    )?;

    let mut running = arrivage.start(&["run", "-vv"])?;
    eventually(Duration::from_secs(30), "a loaded arrival", async || {
        let loaded = "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'";
        (to.count(loaded).await == 1).then_some(())
    })
    .await;
    // The bucket refuses our key, and the log says so.
    eventually(Duration::from_secs(30), "the refusal", async || {
        running
            .process
            .output()
            .contains("SignatureDoesNotMatch")
            .then_some(())
    })
    .await;
    let metrics = running.get("/metrics").await?.1 + &running.get("/readyz").await?.1;
    running.process.sigterm()?;
    running.process.wait(Duration::from_secs(30)).await?;
    check(&running.process.output(), &SECRETS);
    check(&metrics, &SECRETS);

    let commands: [&[&str]; 6] = [
        &["arrivals", "--json"],
        &["show", "1"],
        &["check"],
        &["load", "in/a.csv"],
        &["load", "s3://drop/a.csv"],
        &["process", "--until-empty"],
    ];
    for command in commands {
        let ended = arrivage.run(&[command, &["-vv"]].concat()).await?;
        check(&ended.to_string(), &SECRETS);
    }
    // A person who asks for the rejects wants to see the records.
    let rejects = arrivage.run(&["rejects", "1", "-vv"]).await?.expect(0);
    check(&rejects.stderr, &SECRETS);
    check(
        &to.sql("SELECT error FROM arrivage.arrivals").await?,
        &[PASSWORD, VALUE],
    );
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "4");
    Ok(())
}

#[tokio::test]
async fn no_login_of_a_broker_is_in_what_is_said_with_rabbitmq_and_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    let login = format!("authorization {{ user: me, password: \"{PASSWORD}\" }}\n");
    let nats = Nats::configured(&login).await?;
    let rabbitmq = RabbitMq::shared().await?;
    let amqp = rabbitmq
        .url()
        .replace("guest:guest", &format!("guest:{PASSWORD}"));
    let events = to
        .url()
        .replace("postgres@", &format!("postgres:{PASSWORD}@"));
    let sources = format!(
        "[[source]]\nkind = \"nats\"\nurl = \"{}\"\nstream = \"NOWHERE\"\n\n\
         [[source]]\nkind = \"amqp\"\nurl = \"{amqp}\"\nqueue = \"nobody\"\n\n\
         [[source]]\nkind = \"table\"\nurl = \"{events}\"\ntable = \"nowhere\"\n",
        nats.url()
            .replace("nats://", &format!("nats://me:{PASSWORD}@"))
    );
    let arrivage = Arrivage::new(&to.url(), &sources)?.env([("ARRIVAGE_LOG", "trace")]);
    arrivage.run(&["migrate"]).await?.expect(0);
    // Each of them was reached, with its login.
    let problems = [
        "there is no stream NOWHERE",
        "does not let us in",
        "there is no table nowhere",
    ];
    let checked = arrivage.run(&["check", "-vv"]).await?;
    check(&checked.to_string(), &SECRETS);
    problems
        .iter()
        .fold(checked, |checked, problem| checked.says(problem));
    let mut running = arrivage.start(&["watch", "-vv"])?;
    eventually(
        Duration::from_secs(60),
        "what is wrong with each",
        async || {
            let (_, ready) = running.get("/readyz").await.ok()?;
            problems
                .iter()
                .all(|problem| ready.contains(problem))
                .then_some(())
        },
    )
    .await;
    check(&running.get("/metrics").await?.1, &SECRETS);
    check(&running.get("/readyz").await?.1, &SECRETS);
    running.process.sigterm()?;
    running.process.wait(Duration::from_secs(30)).await?;
    check(&running.process.output(), &SECRETS);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_said_at_once_and_not_shown_on_postgres() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let database = cluster.database().await?;
    let rules = database.sql("SHOW hba_file").await?;
    database
        .sql(&format!(
            "CREATE ROLE clerk LOGIN PASSWORD 'right';
             COPY (VALUES ('host all clerk 127.0.0.1/32 scram-sha-256'),
               ('host all all 127.0.0.1/32 trust')) TO '{rules}';
             SELECT pg_reload_conf()"
        ))
        .await?;
    let url = database
        .url()
        .replace("postgres@", &format!("clerk:{PASSWORD}@"));
    let arrivage = Arrivage::new(&url, &configuration("http://127.0.0.1:1"))?;
    arrivage.file("in/a.csv", "id,name\n")?;
    let commands: [&[&str]; 5] = [
        &["load", "in/a.csv"],
        &["migrate"],
        &["check"],
        &["arrivals"],
        &["process", "--until-empty"],
    ];
    for command in commands {
        let started = Instant::now();
        let ended = arrivage.run(&[command, &["-vv"]].concat()).await?.expect(2);
        assert!(started.elapsed() < Duration::from_secs(5), "{ended}");
        check(&ended.to_string(), &[PASSWORD]);
        ended.says("password authentication failed");
    }
    Ok(())
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_not_shown() -> Result<()> {
    let urls = [
        format!("postgres://clerk:{PASSWORD}@host:port/database"),
        format!("postgres://clerk:{PASSWORD}@host:99999/database"),
        format!("mysql://clerk:{PASSWORD}@host/database"),
        format!("postgres:/clerk:{PASSWORD}@host/database"),
        format!("postgres://clerk:{PASSWORD}/half@host/database"),
    ];
    for url in urls {
        let arrivage = Arrivage::new(&url, "")?;
        for command in ["check", "arrivals"] {
            let ended = arrivage.run(&[command, "-vv"]).await?;
            check(&ended.to_string(), &[PASSWORD]);
            ended.expect(2);
        }
    }
    Ok(())
}

#[track_caller]
fn check(said: &str, secrets: &[&str]) {
    for secret in secrets {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in what it says");
    }
}
