//! zip archives of other programs.

use super::{SECOND, contents, failure, first};

#[tokio::test]
async fn archives_of_other_programs_are_read() {
    let check = async |what: &str, archive: &[u8], expect: &[(&str, &[u8])]| {
        let found = contents(archive).await;
        let found: Vec<_> = found
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        assert_eq!(found, expect, "{what}");
    };
    let first = first();
    let long = format!("in/{}.csv", "a".repeat(120));
    check(
        "Info-ZIP: stored and deflated, a folder, a link, a hidden file",
        include_bytes!("fixtures/infozip.zip"),
        &[
            ("in/first.csv", &first),
            ("in/deep/second.csv", SECOND),
            ("in/empty.csv", b""),
            (&long, b"id,name\n9002,long\n"),
        ],
    )
    .await;
    let two: [(&str, &[u8]); 2] = [("first.csv", &first), ("été/second.csv", SECOND)];
    check(
        "a comment with a mark",
        include_bytes!("fixtures/python.zip"),
        &two,
    )
    .await;
    check("stored", include_bytes!("fixtures/stored.zip"), &two).await;
    let descriptors = include_bytes!("fixtures/descriptors.zip");
    check("lengths behind", descriptors, &two).await;
    check("large numbers", include_bytes!("fixtures/zip64.zip"), &two).await;
    let both = include_bytes!("fixtures/zip64-descriptors.zip");
    check("large numbers, lengths behind", both, &two).await;
    let streamed = include_bytes!("fixtures/streamed.zip");
    check("from a pipe", streamed, &[("-", &first)]).await;
}

#[tokio::test]
async fn what_is_not_read_is_refused_with_its_reason() {
    let check = async |archive: &[u8], expect: &str| {
        let found = failure(archive).await;
        assert!(found.starts_with(expect), "{found}");
    };
    check(
        include_bytes!("fixtures/encrypted.zip"),
        "unsupported: its entry in/first.csv is encrypted",
    )
    .await;
    check(
        include_bytes!("fixtures/bzip2.zip"),
        "unsupported: its entry in/first.csv is compressed by the method bzip2 (12)",
    )
    .await;
}
