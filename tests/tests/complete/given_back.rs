//! Rejects as a file that can be mended and dropped again.

use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::world::World;

on_both!(rejects_are_mended_and_dropped_again);

async fn rejects_are_mended_and_dropped_again(to: Destination) -> Result<()> {
    let format = "format.encoding = \"windows-1252\"\nformat.delimiter = \";\"\n\
                  format.skip_lines = 1\nformat.skip_last = 1\n";
    let world = World::new(to, format).await?;
    let file =
        b"Export \xe9\nid;amount;note\n1;1.00;a\nx2;2.00;\"b;\xe9\"\n3;3,00;c\n4;4.00;d\nTotal\n";
    world.arrivage.file("in/a.csv", file)?;
    let (ended, _) = world.load("a.csv").await?;
    ended.expect(0);
    // Not text: the bytes are as they were.
    let given = world
        .arrivage
        .command(&["rejects", "1", "--raw"])
        .output()?;
    assert!(given.status.success(), "{given:?}");
    assert_eq!(
        given.stdout.escape_ascii().to_string(),
        b"\nid;amount;note\nx2;2.00;\"b;\xe9\"\n3;3,00;c\n-\n"
            .escape_ascii()
            .to_string()
    );

    let mended: Vec<u8> = given
        .stdout
        .into_iter()
        .filter(|byte| *byte != b'x')
        .collect();
    let mended = String::from_utf8_lossy(&mended).replace("3,00", "3.00");
    world.arrivage.file("in/mended.csv", mended)?;
    let (ended, arrival) = world.load("mended.csv").await?;
    ended.expect(0);
    assert_eq!(arrival["records_rejected"], 0);
    let rows = world
        .to
        .sql("SELECT id FROM items WHERE amount = id ORDER BY id");
    assert_eq!(rows.await?, "1\n2\n3\n4");

    let both = world
        .arrivage
        .run(&["rejects", "1", "--raw", "--json"])
        .await?;
    both.expect(2);
    Ok(())
}
