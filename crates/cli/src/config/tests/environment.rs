//! What depends on the environment: variables, secrets, where the file is.

use super::*;

#[test]
fn a_database_shows_without_its_password() {
    let check = |url: &str, shown: &str, whole: &str| {
        let config = sound(&format!("database.url = '{url}'"));
        let database = config.database().expect("sound");
        assert_eq!(database.url.to_string(), shown);
        assert_eq!(database.url.expose(), whole);
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    };
    let whole = "postgres://me:hush@db:5433/sales?sslmode=require&password=hush";
    check(whole, "postgres://me@db:5433/sales", whole);
    let whole = "postgresql://me:hush%40x@db/sales";
    check(whole, "postgresql://me@db/sales", whole);
    check(
        "postgres:///sales?host=/run/postgresql",
        "postgres:///sales",
        "postgres:///sales?host=/run/postgresql",
    );
    check(
        "sqlite://a.db",
        "sqlite:///etc/arrivage/a.db",
        "sqlite:///etc/arrivage/a.db",
    );
    check(
        "sqlite://../a.db",
        "sqlite:///etc/a.db",
        "sqlite:///etc/a.db",
    );
    check(
        "sqlite:///var/a.db",
        "sqlite:///var/a.db",
        "sqlite:///var/a.db",
    );
}

#[test]
fn a_variable_is_missed_by_those_who_need_it() {
    let text = "database.url = '${DB}'
        [http]
        listen = '0.0.0.0:80'
        token = '${TOKEN:-}'
        [[source]]
        kind = 'sqs'
        queue_url = '${QUEUE}'
        region = '${REGION:-}'
        [[source]]
        kind = 'folder'
        name = 'inbox'
        path = 'inbox'
        [[pipeline]]
        name = 'p'
        match = ['inbox/*']
        table = 't'";
    let config = parse(text, &[("DB", "postgres://me:hush@db/x")]).expect("all else is sound");
    config.database().expect("set");
    config.router().expect("folders and pipelines are known");
    let queue = "arrivage.toml:7: source[0].queue_url: the environment variable QUEUE is not set";
    let token = "arrivage.toml:4: http.token: needed, because others can connect to listen = \"0.0.0.0:80\"";
    let sources = config.sources().expect_err("not set");
    assert_eq!(sources.to_string(), queue);
    let http = config.http().expect_err("empty");
    assert_eq!(http.to_string(), token);
    let both = config
        .require(&[Section::Sources, Section::Http])
        .expect_err("both");
    assert_eq!(both.to_string(), format!("{token}\n{queue}"));

    let all = [
        ("DB", "sqlite://x.db"),
        ("TOKEN", "hush"),
        ("QUEUE", "http://q/1/a"),
    ];
    let config = parse(text, &all).expect("sound");
    config.require(&Section::ALL).expect("all set");
    assert!(!format!("{config:?}").contains("hush"));
    match &config.sources().expect("set")[0] {
        Source::Sqs(source) => assert_eq!((source.name.as_str(), &source.region), ("a", &None)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_is_not_known_keeps_objects_from_being_routed() {
    let text = "database.url = 'sqlite://a.db'
        [[source]]
        kind = 'folder'
        name = 'inbox'
        path = '${INBOX}'";
    let config = parse(text, &[]).expect("all else is sound");
    let error = config.router().expect_err("the folder is not known");
    let expect = "arrivage.toml:5: source.inbox.path: the environment variable INBOX is not set";
    assert_eq!(error.to_string(), expect);
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "database.url = 'sqlite://a.db'").expect("writes");
        path
    };
    let (flag, variable) = (write("flag.toml"), write("variable.toml"));
    let env = |name: &str| (name == "ARRIVAGE_CONFIG").then(|| variable.display().to_string());
    let config = Config::load(Some(&flag), &env).expect("there");
    assert_eq!(config.file(), flag);
    let expect = format!("sqlite://{}", folder.path().join("a.db").display());
    assert_eq!(config.database().expect("sound").url.to_string(), expect);
    assert_eq!(Config::load(None, &env).expect("there").file(), variable);

    let check = |flag: Option<&Path>, variable: &str, expect: &str| {
        let error = Config::load(flag, &|_| Some(variable.to_owned())).expect_err(expect);
        assert_eq!(error.to_string(), expect);
    };
    check(
        Some(Path::new("/none/a.toml")),
        "",
        "/none/a.toml, which --config names, cannot be read: No such file or directory (os error 2)",
    );
    check(
        None,
        "/none/b.toml",
        "/none/b.toml, which $ARRIVAGE_CONFIG names, cannot be read: No such file or directory (os error 2)",
    );
    check(
        None,
        "",
        "there is no arrivage.toml here: name a configuration with --config FILE or \
         $ARRIVAGE_CONFIG, or write one; samples/arrivage.toml is a start",
    );
}
