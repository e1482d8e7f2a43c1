//! What `preview` prints is pasted as it is, and then the file loads.

use std::fs;

use anyhow::{Context, Result};
use arrivage_testkit::S3Server;
use arrivage_testkit::archive::{Packed, zip};
use arrivage_tests::{Arrivage, Destination, Ended, on_both};
use async_compression::tokio::write::GzipEncoder;
use serde_json::Value;

use super::written;

on_both!(
    what_a_preview_prints_loads_the_file,
    a_table_is_made_of_what_the_first_file_shows,
);

/// A file's name, its bytes, and the rows that it makes: after `SELECT`, the columns, and
/// what they show; and how many rejects there are.
type Case = (&'static str, Vec<u8>, &'static str, &'static str, u64);

async fn cases() -> Result<Vec<Case>> {
    let sales = "Vente;Magasin;Montant HT;Jour\r\n1;Besan\u{e7}on;1250,50;24/12/2026\r\n\
                 2;Orl\u{e9}ans;0,10;01/02/2026\r\n3;N\u{ee}mes;;\r\n";
    let latin: Vec<u8> = sales.chars().map(|c| c as u8).collect();
    let preamble = "Export of the day\nby the town hall, at noon\n\n\
                    id,day,amount\n1,2026-01-02,3.5\n2,2026-01-03,4\n3,oops,5,6\n";
    let no_header = "7|2026-11-22|Zoë\n8|2026-11-23|\"a|b\"\n";
    let json_lines = "{\"id\":12345678901234567890,\"user\":{\"name\":\"Zoë\"},\"on\":\"2026-01-02\"}\n\
                      {\"id\":2,\"Total (EUR)\":2.50}\n";
    let many: String = (0..30_000)
        .map(|n| format!("{n},{n}.25,item {n}\n"))
        .collect();
    let packed = written(
        GzipEncoder::new(Vec::new()),
        format!("n,x,t\n{many}").as_bytes(),
    )
    .await?;
    let utf_16 = "\u{feff}id\tname\r\n1\tZoë\r\n2\tx, y\r\n".encode_utf16();
    let fixed = "ID  NAME       EUR\n001 Zoë       2,50\n002 François 13,75\n003 Kurt     99,00\n";
    let nulls = "k,v,ok\na,NA,yes\nb,5,no\nc,-3,NA\n";
    let twice = "id,name,name\n1,a,b\n2,c,d\n";
    let array =
        "[\n {\"id\": 1, \"name\": \"a\"},\n {\"id\": 2}, {\"id\": \"x\"},\n {\"id\": 3.5}\n]\n";
    Ok(vec![
        (
            "ventes-2026.csv",
            latin,
            "vente, magasin, montant_ht, jour",
            "1|Besançon|1250.50|2026-12-24\n2|Orléans|0.10|2026-02-01\n3|Nîmes||",
            0,
        ),
        (
            "report.csv",
            preamble.into(),
            "id, day, amount",
            "1|2026-01-02|3.5\n2|2026-01-03|4",
            1,
        ),
        (
            "plain.txt",
            no_header.into(),
            "column_1, column_2, column_3",
            "7|2026-11-22|Zoë\n8|2026-11-23|a|b",
            0,
        ),
        (
            "users.jsonl",
            json_lines.into(),
            "id, \"on\", total_eur",
            "12345678901234567890|2026-01-02|\n2||2.50",
            0,
        ),
        (
            "many-1.csv.gz",
            packed.into_inner(),
            "count(*), max(n), min(x), max(t)",
            "30000|29999|0.25|item 9999",
            0,
        ),
        (
            "sheet.tsv",
            utf_16.flat_map(u16::to_le_bytes).collect(),
            "id, name",
            "1|Zoë\n2|x, y",
            0,
        ),
        (
            "bank.txt",
            fixed.into(),
            "id, name, eur",
            "001|Zoë|2.50\n002|François|13.75\n003|Kurt|99.00",
            0,
        ),
        (
            "nulls.csv",
            nulls.into(),
            "k, v, CASE WHEN ok THEN 1 WHEN NOT ok THEN 0 END",
            "a||1\nb|5|0\nc|-3|",
            0,
        ),
        (
            "export.json",
            array.into(),
            "id, name",
            "1|a\n2|\nx|\n3.5|",
            0,
        ),
        (
            "archive.zip",
            zip(&[
                Packed::new("in/", ""),
                Packed::new("empty.csv", ""),
                Packed::new("in/1.csv", "id,name\n1,Zoë\n"),
                Packed::new("in/2.csv", "name,id\nx,2\n"),
            ]),
            "id, name",
            "1|Zoë\n2|x",
            0,
        ),
        (
            "twice.csv",
            twice.into(),
            "id, name, name_2",
            "1|a|b\n2|c|d",
            0,
        ),
    ])
}

async fn what_a_preview_prints_loads_the_file(to: Destination) -> Result<()> {
    let arrivage = Arrivage::new(&to.url(), "")?;
    let mut pipelines = String::new();
    let mut expected = Vec::new();
    for (name, bytes, columns, rows, rejected) in cases().await? {
        let url = format!("in/{name}");
        arrivage.file(&url, bytes)?;
        let shown = arrivage.run(&["preview", &url]).await?.expect(0);
        let (create, pipeline) = pasted(&shown)?;
        to.sql(&create).await.with_context(|| format!("{shown}"))?;
        pipelines += &format!("{pipeline}\n");
        let told = arrivage
            .run(&["preview", "--json", &url])
            .await?
            .expect(0)
            .json();
        let table = told[0]["table"].as_str().unwrap_or_default().to_owned();
        if told[0]["whole"] == true {
            assert_eq!(told[0]["rejected"], rejected, "{shown}");
        }
        expected.push((url, table, columns, rows, rejected));
    }
    arrivage.configure(&to.url(), &pipelines)?;
    let loaded = arrivage
        .run(&["load", "--recursive", "--json", "in"])
        .await?
        .expect(0);
    let arrivals = loaded.json();
    assert_eq!(arrivals.len(), expected.len(), "{loaded}");
    for (url, table, columns, rows, rejected) in expected {
        let is_it = |arrival: &&Value| {
            arrival["url"]
                .as_str()
                .is_some_and(|found| found.ends_with(&url))
        };
        let arrival = arrivals.iter().find(is_it).with_context(|| url.clone())?;
        assert_eq!(arrival["records_rejected"], rejected, "{loaded}");
        let ordered = match columns.contains("count(") {
            true => "",
            false => " ORDER BY _record",
        };
        let found = to
            .sql(&format!("SELECT {columns} FROM {table}{ordered}"))
            .await?;
        assert_eq!(found, rows, "{url}");
    }
    Ok(())
}

/// What a person would paste of it: into the database, and into the configuration.
fn pasted(shown: &Ended) -> Result<(String, String)> {
    let out = &shown.stdout;
    let create = out.find("CREATE TABLE").context("a table")?;
    let pipeline = out.find("[[pipeline]]").context("a pipeline")?;
    Ok((out[create..pipeline].to_owned(), out[pipeline..].to_owned()))
}

#[tokio::test]
async fn a_preview_needs_no_configuration_and_writes_nothing() -> Result<()> {
    let server = S3Server::start().await?;
    server.create_bucket("drop");
    let text = written(GzipEncoder::new(Vec::new()), b"id;amount\n1;2,50\n2;x\n").await?;
    server.put("drop", "orders/2026-11-22.csv.gz", text.into_inner());
    let arrivage = Arrivage::verbatim("")?.env([
        ("AWS_ENDPOINT_URL", server.endpoint().to_string()),
        ("AWS_REGION", S3Server::REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY.to_owned()),
    ]);
    fs::remove_file(arrivage.path("arrivage.toml"))?;
    let url = "s3://drop/orders/2026-11-22.csv.gz";
    let shown = arrivage.run(&["preview", url]).await?.expect(0);
    shown
        .says("csv, UTF-8, delimiter \";\"")
        .says("gzip")
        .says("\"amount\" text")
        .says("match = [\"s3://drop/orders/*.csv.gz\"]");
    assert_eq!(
        fs::read_dir(arrivage.directory())?.count(),
        0,
        "no file was made"
    );
    let wrote = server
        .requests()
        .into_iter()
        .filter(|request| request.method != "GET" && request.method != "HEAD");
    assert_eq!(wrote.count(), 0);
    arrivage
        .run(&["preview", "s3://drop/nothing.csv"])
        .await?
        .expect(2);
    Ok(())
}

async fn a_table_is_made_of_what_the_first_file_shows(to: Destination) -> Result<()> {
    let pipeline = |name: &str, more: &str| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\nmatch = [\"{name}/*\"]\ntable = \"{name}\"\n\
             create_table = true\n{more}\n"
        )
    };
    let configuration = pipeline("sales", "format.delimiter = \"auto\"")
        + &pipeline("events", "format.kind = \"json-lines\"")
        + &pipeline("keyed", "mode = \"upsert\"\nkey = [\"id\"]");
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    let first = "Order ID;Price (EUR);Day;At;Code\n1;2.5;02/01/2026;2026-01-02;007\n2;;;;\n";
    arrivage.file("sales/1.csv", first)?;
    // Wider numbers than the first file had, and no mistakes of its types.
    let second = "Order ID;Price (EUR);Day;At;Code\n9000000000;2.55555;;2026-01-03;x\n";
    arrivage.file("sales/2.csv", second)?;
    arrivage.file(
        "events/1.jsonl",
        "{\"id\":1,\"by\":{\"a\":[1]}}\n{\"id\":2}\n",
    )?;
    arrivage.file("keyed/1.csv", "id,name\n1,a\n2,b\n")?;
    arrivage.file("keyed/2.csv", "id,name\n2,c\n")?;
    for url in [
        "sales/1.csv",
        "sales/2.csv",
        "events/1.jsonl",
        "keyed/1.csv",
        "keyed/2.csv",
    ] {
        arrivage
            .run(&["load", url])
            .await?
            .expect(0)
            .says(", 0 rejected");
    }
    let sales = "SELECT order_id, \"Price (EUR)\", day, at, code FROM sales ORDER BY order_id";
    assert_eq!(
        to.sql(sales).await?,
        "1|2.5|02/01/2026|2026-01-02|007\n2||||\n9000000000|2.55555||2026-01-03|x"
    );
    assert_eq!(
        to.count("SELECT count(*) FROM events WHERE id < 3").await,
        2
    );
    assert_eq!(
        to.sql("SELECT id, name FROM keyed ORDER BY id").await?,
        "1|a\n2|c"
    );
    if let Destination::Postgres(_) = to {
        let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = 'sales'::regclass AND attnum BETWEEN 1 AND 5";
        assert_eq!(to.sql(types).await?, "bigint, numeric, text, date, text");
    }
    Ok(())
}
