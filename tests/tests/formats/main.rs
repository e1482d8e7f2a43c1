//! Files in the formats of partners, from the configuration to the rows.

mod archives;
mod previewing;
mod records;
mod typed;

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};
use async_compression::tokio::write::{BzEncoder, GzipEncoder, Lz4Encoder, XzEncoder};
use tokio::io::{AsyncWrite, AsyncWriteExt};

on_both!(
    a_file_is_read_as_its_format_says,
    lines_of_a_fixed_width_are_read_by_position,
    columns_that_the_table_lacks_are_kept,
    a_file_that_expands_too_much_fails,
    a_name_says_nothing_of_compression,
);

/// Pipeline `items` loads `in/*` into the table `items`.
fn items(to: &Destination, more: &str) -> Result<Arrivage> {
    let pipeline = "[[pipeline]]\nname = \"items\"\nmatch = [\"in/*\"]\ntable = \"items\"\n";
    Arrivage::new(&to.url(), &format!("{pipeline}{more}"))
}

async fn written<W: AsyncWrite + Unpin>(mut encoder: W, text: &[u8]) -> Result<W> {
    encoder.write_all(text).await?;
    encoder.shutdown().await?;
    Ok(encoder)
}

async fn a_file_is_read_as_its_format_says(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (order_id bigint, numero text)")
        .await?;
    let arrivage = items(
        &to,
        "[pipeline.format]\nencoding = \"utf-16be\"\ndelimiter = \"auto\"\nskip_lines = 1\n\
         skip_last = 1\ntrailer = \"--*\"\nrepeated_header = \"skip\"\n",
    )?;
    let text = "Orders; of today\r\nOrder ID;Numéro\r\n1;un\r\n--\r\nOrder ID;Numéro\r\n\
                2;\"deux; 2\"\r\nx;trois\r\nTotal;3\r\n";
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let packed = written(XzEncoder::new(Vec::new()), &utf_16).await?;
    arrivage.file("in/orders.csv", packed.into_inner())?;
    let loaded = arrivage.run(&["load", "in/orders.csv"]).await?;
    loaded.expect(0);
    let rows = "SELECT order_id, numero FROM items ORDER BY order_id";
    assert_eq!(to.sql(rows).await?, "1|un\n2|deux; 2");
    // The place in the decompressed stream, in UTF-16.
    let at = text.split("x;trois").next().unwrap_or_default();
    let offset = 2 * at.encode_utf16().count();
    let rejects = "SELECT record, line, byte_offset, reason_code, raw FROM arrivage.rejects";
    assert_eq!(
        to.sql(rejects).await?,
        format!("3|7|{offset}|not_a_number|x;trois")
    );
    Ok(())
}

async fn lines_of_a_fixed_width_are_read_by_position(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text, amount text)")
        .await?;
    let arrivage = items(
        &to,
        "[pipeline.format]\nkind = \"fixed-width\"\nencoding = \"windows-1252\"\n\
         [[pipeline.column]]\nname = \"amount\"\ntype = \"numeric(7,2)\"\nfrom = \"11-\"\ndecimal = \",\"\n\
         [[pipeline.column]]\nname = \"id\"\nfrom = \"1-4\"\n\
         [[pipeline.column]]\nname = \"name\"\nfrom = \"5-10\"\n",
    )?;
    let text = b"0001Zo\xeb   12,50\r\n0002Fran\xe7o\r\n000\r\n";
    let packed = written(Lz4Encoder::new(Vec::new()), text).await?;
    arrivage.file("in/items.txt", packed.into_inner())?;
    arrivage.run(&["load", "in/items.txt"]).await?.expect(0);
    let rows = "SELECT id, name, amount FROM items ORDER BY id";
    assert_eq!(to.sql(rows).await?, "1|Zoë|12.50\n2|Franço|");
    let rejects = "SELECT record, reason_code FROM arrivage.rejects";
    assert_eq!(to.sql(rejects).await?, "3|ragged");
    Ok(())
}

async fn columns_that_the_table_lacks_are_kept(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, _extra jsonb)")
        .await?;
    let arrivage = items(&to, "format.extra_columns = \"keep\"\n")?;
    let packed = written(BzEncoder::new(Vec::new()), b"name,id\nx,1\n,2\n").await?;
    arrivage.file("in/items.csv", packed.into_inner())?;
    arrivage.run(&["load", "in/items.csv"]).await?.expect(0);
    let rows = to.sql("SELECT id, _extra FROM items ORDER BY id").await?;
    assert_eq!(
        rows.replace(": ", ":"),
        "1|{\"name\":\"x\"}\n2|{\"name\":null}"
    );
    Ok(())
}

async fn a_name_says_nothing_of_compression(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint)").await?;
    let arrivage = items(&to, "")?;
    let gzip = written(GzipEncoder::new(Vec::new()), b"id\n1\n").await?;
    arrivage.file("in/packed.csv", gzip.into_inner())?;
    arrivage.file("in/plain.csv.gz", "id\n2\n")?;
    arrivage.file("in/plain.zip", "id\n3\n")?;
    arrivage.run(&["load", "-r", "in"]).await?.expect(0);
    assert_eq!(to.sql("SELECT id FROM items ORDER BY id").await?, "1\n2\n3");
    Ok(())
}

async fn a_file_that_expands_too_much_fails(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint)").await?;
    let arrivage = items(&to, "format.max_expansion = 100\n")?;
    // Expansion is judged after 64 MiB.
    let mut zeros = b"id\n".to_vec();
    zeros.resize(80 << 20, b'0');
    let fast = async_compression::Level::Fastest;
    let xz = written(XzEncoder::with_quality(Vec::new(), fast), &zeros).await?;
    let lz4 = written(Lz4Encoder::with_quality(Vec::new(), fast), &zeros).await?;
    for (name, packed) in [("xz", xz.into_inner()), ("lz4", lz4.into_inner())] {
        arrivage.file(&format!("in/{name}"), packed)?;
        let url = format!("in/{name}");
        let loaded = arrivage.run(&["load", "--json", &url]).await?;
        let arrival = loaded.json().pop().unwrap_or_default();
        assert_eq!(arrival["error_code"], "expands_too_much", "{name}");
        loaded.expect(3);
    }
    assert_eq!(to.count("SELECT count(*) FROM items").await, 0);
    Ok(())
}
