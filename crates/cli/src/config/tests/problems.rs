//! Every kind of complaint, with its whole text.

use super::parse;

/// The complaints about a text, without the file's name.
pub(super) fn check(text: &str, expect: &[&str]) {
    let errors = match parse(text, &[]) {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    };
    let lines: Vec<_> = errors
        .lines()
        .map(|line| line.strip_prefix("arrivage.toml:").expect("names the file"))
        .collect();
    assert_eq!(lines, expect, "{text}");
}

/// The same for one section; its header is line 2 and `text` begins in line 3.
pub(super) fn check_section(header: &str, text: &str, expect: &[&str]) {
    check(
        &format!("database.url = 'sqlite://a.db'\n{header}\n{text}"),
        expect,
    );
}

/// The same for a pipeline; `text` begins in line 6.
pub(super) fn check_pipeline(text: &str, expect: &[&str]) {
    let header = "[[pipeline]]\nname = 'p'\nmatch = ['{day}/*', 's3://b/**']\ntable = 't'";
    check_section(header, text, expect);
}

#[test]
fn all_problems_are_reported_together() {
    check(
        "[database]
url = 'mysql://root:hush@db/x'
[processor]
workers = 'two'
[[source]]
kind = 'web-hook'
[[pipeline]]
name = 'orders'
match = []
mode = 'replac'
[[pipeline.column]]
name = 'at'
type = 'dat'
[pipelines]",
        &[
            "2: database.url: expected postgres://… or sqlite://…",
            "4: processor.workers: expected a whole number, found a string",
            "6: source[0].kind: unknown kind \"web-hook\"; the kinds are sqs, folder, listing, webhook, nats, amqp, table",
            "7: pipeline.orders.table: missing",
            "9: pipeline.orders.match: it is empty, so no object would match",
            "10: pipeline.orders.mode: unknown mode \"replac\"; the modes are append, upsert, replace",
            "13: pipeline.orders.column[0].type: unknown type \"dat\", did you mean \"date\"?",
            "14: pipelines: unknown key, did you mean \"pipeline\"?",
        ],
    );
}

#[test]
fn what_is_no_toml_is_reported_with_its_lines() {
    check(
        "[database]\nurl = hush\n[http",
        &[
            "2: string values must be quoted, expected literal string",
            "3: unclosed table, expected `]`",
        ],
    );
    check("a = 1\na = 2", &["2: duplicate key"]);
}

#[test]
fn keys_are_those_that_are_declared() {
    check("", &["1: database: missing"]);
    check("[database]", &["1: database.url: missing"]);
    check_section("[database]", "", &["2: duplicate key"]);
    check_section(
        "[http]",
        "lisen = 'x'",
        &["3: http.lisen: unknown key, did you mean \"listen\"?"],
    );
    check_section(
        "[s3]",
        "bucket = 'x'",
        &["3: s3.bucket: unknown key; the keys are endpoint, path_style, opaque_etags, region"],
    );
    let keys = "the keys are name, match, ignore, table, mode, key, order, atomic, create_table, max_attempts, format, column, rejects, complete";
    check_pipeline(
        "sticky = true",
        &[&format!("6: pipeline.p.sticky: unknown key; {keys}")],
    );
    check_pipeline(
        "mode = 'replace'\natomic = false",
        &["7: pipeline.p.atomic: mode = \"replace\" is always atomic; leave it out"],
    );
    check_pipeline(
        "mode = 'replace'\nkey = ['id']",
        &["7: pipeline.p.key: only mode = \"upsert\" has a key"],
    );
    check_pipeline(
        "order = 'oldest'",
        &["6: pipeline.p.order: unknown order \"oldest\"; the orders are any, newest"],
    );
    check_pipeline(
        "format.kind = 'json-lines'\nformat.delimiter = ';'",
        &[
            "7: pipeline.p.format.delimiter: unknown key; the keys are kind, compression, encoding, invalid_bytes, max_record, max_expansion",
        ],
    );
    check_section(
        "[[pipeline]]",
        "'a b' = 1\nname = 'my orders'\nmatch = ['*']\ntable = 't'",
        &[&format!(
            "3: pipeline.\"my orders\".\"a b\": unknown key; {keys}"
        )],
    );
}

#[test]
fn values_have_their_types() {
    check(
        "database = 'x'",
        &["1: database: expected a table, found a string"],
    );
    check(
        "database.url = 1",
        &["1: database.url: expected a string, found a whole number"],
    );
    check_section(
        "[s3]",
        "path_style = 'yes'",
        &["3: s3.path_style: expected true or false, found a string"],
    );
    check_section(
        "[processor]",
        "workers = 1.5",
        &["3: processor.workers: expected a whole number, found a number with a fraction"],
    );
    check_section(
        "[processor]",
        "workers = -1",
        &["3: processor.workers: expected a whole number from 0 to 4294967295, found -1"],
    );
    check_section(
        "[processor]",
        "memory = true",
        &["3: processor.memory: expected a size such as \"64MiB\", found true or false"],
    );
    check_section(
        "[processor]",
        "lease = 60",
        &["3: processor.lease: expected a string, found a whole number"],
    );
    check_section(
        "[pipeline]",
        "name = 'x'",
        &["2: pipeline: expected a list; each begins with [[pipeline]], found a table"],
    );
    check_section(
        "[[pipeline]]",
        "name = 'x'\nmatch = 'x'\ntable = 't'",
        &["4: pipeline.x.match: expected a list, found a string"],
    );
    check_pipeline(
        "rejects.max_ratio = 'all'",
        &["6: pipeline.p.rejects.max_ratio: expected a number, found a string"],
    );
}

#[test]
fn variables_are_written_one_way() {
    check_section(
        "[s3]",
        "region = '${A'",
        &["3: s3.region: \"${\" is never closed; write $${ for the two characters"],
    );
    check_section(
        "[s3]",
        "region = '${a b}'",
        &["3: s3.region: ${a b} names no environment variable"],
    );
}

#[test]
fn a_database_is_a_file_or_a_server() {
    let check_url = |url: &str, expect: &str| {
        check(
            &format!("database.url = '{url}'"),
            &[&format!("1: database.url: {expect}")],
        );
    };
    check_url("hush", "expected postgres://… or sqlite://…");
    check_url(
        "sqlite://",
        "SQLite needs a file, such as sqlite://arrivage.db",
    );
    check_url(
        "sqlite::memory:",
        "SQLite needs a file, such as sqlite://arrivage.db",
    );
    check_url(
        "sqlite://a.db?mode=ro",
        "sqlite:// takes a path and no parameters",
    );
    let hint = "in names and passwords write /, ?, # and @ as %2F, %3F, %23 and %40";
    for url in [
        "postgres://u:1/hush@db/x",
        "postgres://u:1?hush@db/x",
        "postgres://u:1#hush@db/x",
        "postgres://u@db/x#hush",
    ] {
        check_url(url, hint);
    }
    check_url("postgres://u:hush", &format!("invalid port number; {hint}"));
    check(
        "database = { url = 'sqlite://a.db', pooler = 'session' }",
        &["1: database.pooler: unknown pooler \"session\"; the poolers are none, transaction"],
    );
    check(
        "database = { url = 'sqlite://a.db', pooler = 'transaction' }",
        &["1: database.pooler: SQLite has no pooler"],
    );
}

#[test]
fn servers_are_addressed_soundly() {
    check_section(
        "[http]",
        "listen = ':8080'",
        &[
            "3: http.listen: \":8080\" is no address and port; write 127.0.0.1:8080, or 0.0.0.0:8080 for every network",
        ],
    );
    let needed = "http.token: needed, because others can connect to listen =";
    check_section(
        "[http]",
        "listen = '0.0.0.0:80'",
        &[&format!("2: {needed} \"0.0.0.0:80\"")],
    );
    check_section(
        "[http]",
        "token = ''\nlisten = '[::]:80'",
        &[&format!("3: {needed} \"[::]:80\"")],
    );
    check_section("[http]", "listen = 'localhost:80'", &[]);
    check_section("[http]", "listen = '[::1]:80'", &[]);
    check_section("[http]", "listen = '0.0.0.0:80'\ntoken = 'hush'", &[]);
    check_section(
        "[s3]",
        "endpoint = 'localhost:9000'",
        &["3: s3.endpoint: expected http://… or https://…"],
    );
    check_section(
        "[s3]",
        "endpoint = 'http://me:hush@minio'",
        &[
            "3: s3.endpoint: credentials do not belong here; give them as $AWS_ACCESS_KEY_ID and so on",
        ],
    );
}

#[test]
fn sizes_and_durations_make_sense() {
    let check_processor = |text: &str, expect: &str| {
        check_section("[processor]", text, &[&format!("3: processor.{expect}")]);
    };
    check_processor("workers = 0", "workers: too little; at least 1");
    check_processor("connections = 0", "connections: too little; at least 1");
    check_processor("decoders = 0", "decoders: too little; at least 1");
    check_processor("max_attempts = 0", "max_attempts: too little; at least 1");
    check_processor("memory = '64'", "memory: too little; at least 16MiB");
    check_processor(
        "memory = '64M'",
        "memory: \"64M\" is no size; write a number with KiB, MiB, GiB, kB, MB or GB",
    );
    check_processor("stall = '0s'", "stall: too little; at least 1s");
    check_processor("poll = '0s'", "poll: too little; at least 10ms");
    check_processor(
        "poll = '10'",
        "poll: \"10\" is no duration; write numbers with ms, s, m, h or d, such as 90s or 1h30m",
    );
    let check_retention = |text: &str, expect: &[&str]| {
        let text = format!("url = 'postgres://db/x'\nretention = '{text}'");
        check(&format!("[database]\n{text}"), expect);
    };
    check_retention("0s", &["3: database.retention: too little; at least 1h"]);
    check_retention("59m", &["3: database.retention: too little; at least 1h"]);
    check_retention("1h", &[]);
    check_retention("3650d", &[]);
    check_retention(
        "40000d",
        &["3: database.retention: \"40000d\" is longer than a century; leave it out"],
    );
    check_processor("drain = '400d'", "drain: \"400d\" is longer than a year");
    check_processor(
        "lease = '9s'",
        "lease: too little; at least 10s with SQLite",
    );
    let postgres =
        |lease: &str| format!("processor.lease = '{lease}'\ndatabase.url = 'postgres://db/x'");
    check(
        &postgres("2s"),
        &["1: processor.lease: too little; at least 3s"],
    );
    check(&postgres("3s"), &[]);
    check_pipeline(
        "max_attempts = 0",
        &["6: pipeline.p.max_attempts: too little; at least 1"],
    );
    check_pipeline(
        "format.max_record = 0",
        &["6: pipeline.p.format.max_record: too little; at least 1 byte"],
    );
    check_pipeline(
        "format.max_record = '2GiB'",
        &["6: pipeline.p.format.max_record: too much; at most 1GiB"],
    );
    check_pipeline(
        "format.max_expansion = 0",
        &["6: pipeline.p.format.max_expansion: too little; at least 1"],
    );
    check_pipeline(
        "rejects.max_ratio = 1.5",
        &["6: pipeline.p.rejects.max_ratio: a ratio is from 0 to 1"],
    );
}

#[test]
fn sources_are_told_apart() {
    let check_source = |text: &str, expect: &[&str]| check_section("[[source]]", text, expect);
    check_source(
        "name = 'x'",
        &[
            "2: source.x.kind: missing; the kinds are sqs, folder, listing, webhook, nats, amqp, table",
        ],
    );
    check_source("kind = 'sqs'", &["2: source[0].queue_url: missing"]);
    check_source(
        "kind = 'sqs'\nqueue_url = 'drop'",
        &["4: source[0].queue_url: expected http://… or https://…"],
    );
    check_source(
        "kind = 'sqs'\nqueue_url = 'http://q/drop'\nunreadable = 'drop'",
        &["5: source[0].unreadable: unknown value \"drop\"; the values are record, leave"],
    );
    check_source(
        "kind = 'folder'",
        &["2: source[0].name: missing", "2: source[0].path: missing"],
    );
    let name = "a folder's name has no / and is not \"local\", which means the whole file system";
    check_source(
        "kind = 'folder'\npath = 'x'\nname = 'local'",
        &[&format!("5: source.local.name: {name}")],
    );
    check_source(
        "kind = 'folder'\npath = ''\nname = 'a/b'",
        &[
            "4: source.\"a/b\".path: it is empty",
            &format!("5: source.\"a/b\".name: {name}"),
        ],
    );
    check_source(
        "kind = 'listing'\nurl = 'inbox'\nevery = '0s'",
        &[
            "4: source[0].url: \"inbox\" is no place to list; write s3://bucket/ or s3://bucket/prefix",
            "5: source[0].every: too little; at least 1s",
        ],
    );
    check_source(
        "kind = 'listing'\nurl = 's3://b'\nsince = 'May'",
        &[
            "5: source[0].since: \"May\" is no date such as \"2026-01-31\" and no time such as \"2026-01-31T08:00:00Z\"",
        ],
    );
    check_source(
        "kind = 'listing'\nurl = 's3://b/'\n[[source]]\nkind = 'listing'\nurl = 's3://b'",
        &["5: source[1]: line 2 has the same name, \"s3://b/\""],
    );
    check_source(
        "kind = 'folder'\nname = 'a'\npath = 'x'\n[[source]]\nkind = 'folder'\nname = 'b'\npath = './x/'",
        &["6: source.b: line 2 has the same path, \"/etc/arrivage/x\""],
    );
}

#[test]
fn a_webhook_is_one_and_needs_a_token_where_others_can_connect() {
    let check_source = |text: &str, expect: &[&str]| check_section("[[source]]", text, expect);
    let webhook = "kind = 'webhook'";
    check_source(webhook, &[]);
    check_source("kind = 'webhook'\ntoken = 'hush'\nname = 'minio'", &[]);
    let two = "kind = 'webhook'\nname = 'a'\n[[source]]\nkind = 'webhook'\nname = 'b'";
    check_source(two, &["5: source.b: line 2 has the same kind, \"webhook\""]);
    check_source(
        "kind = 'webhook'\nunreadable = 'drop'",
        &["4: source[0].unreadable: unknown value \"drop\"; the values are record, leave"],
    );
    let needed = "needed, because others can connect to listen = \"0.0.0.0:80\"";
    let open = "token = 'x'\nlisten = '0.0.0.0:80'\n[[source]]\nkind = 'webhook'\ntoken = ";
    check_section(
        "[http]",
        &format!("{open}''"),
        &[&format!("7: source[0].token: {needed}")],
    );
    check_section("[http]", &format!("{open}'hush'"), &[]);
    let without = open.replace("\ntoken = ", "");
    check_section(
        "[http]",
        &without,
        &[&format!("5: source[0].token: {needed}")],
    );
}

#[test]
fn brokers_need_their_place_and_show_no_password() {
    let check_source = |text: &str, expect: &[&str]| check_section("[[source]]", text, expect);
    let escape = "in names and passwords write /, ?, # and @ as %2F, %3F, %23 and %40";
    check_source(
        "kind = 'nats'\nurl = 'nats://me:hush@nats:4222'\nstream = 'DROP'",
        &[],
    );
    check_source(
        "kind = 'nats'\nurl = 'http://me:hush@nats'\nstream = 'a.b'",
        &[
            &format!("4: source[0].url: expected nats://… or tls://…; {escape}"),
            "5: source[0].stream: a name of NATS has no blanks and none of . * > / \\",
        ],
    );
    check_source("kind = 'amqp'\nurl = 'amqp://mq/%2F'\nqueue = 'drop'", &[]);
    check_source(
        "kind = 'amqp'\nurl = 'amqp://me:1/hush@mq'",
        &[
            "2: source[0].queue: missing",
            &format!("4: source[0].url: expected amqp://… or amqps://…; {escape}"),
        ],
    );
    check_source(
        "kind = 'table'\nurl = 'postgres://db/events'\ntable = 'public.events'\npoll = '1ms'",
        &["6: source[0].poll: too little; at least 10ms"],
    );
}

#[test]
fn names_are_ignored_by_what_follows_their_last_slash() {
    check_pipeline("ignore = []", &[]);
    check_pipeline(
        "ignore = ['*.part', 'in/*.tmp']",
        &["6: pipeline.p.ignore[1]: a name has no /; match says where objects are"],
    );
}
