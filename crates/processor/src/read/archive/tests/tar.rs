//! tar archives of other programs.

use arrivage_testkit::archive::{Packed, tar, tar_header};
use async_compression::tokio::write::{BzEncoder, GzipEncoder, Lz4Encoder, XzEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt;

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
    let short: [(&str, &[u8]); 3] = [
        ("in/first.csv", &first),
        ("in/deep/second.csv", SECOND),
        ("in/empty.csv", b""),
    ];
    let all: Vec<(&str, &[u8])> = short
        .into_iter()
        .chain([(&*long, &b"id,name\n9002,long\n"[..])])
        .collect();
    check("GNU", include_bytes!("fixtures/gnu.tar"), &all).await;
    check("POSIX", include_bytes!("fixtures/posix.tar"), &all).await;
    check("ustar", include_bytes!("fixtures/ustar.tar"), &short).await;
    check("before POSIX", include_bytes!("fixtures/v7.tar"), &short).await;
    let accents = format!("{}.csv", "é".repeat(70));
    check(
        "Python",
        include_bytes!("fixtures/python.tar"),
        &[("first.csv", &first), (&accents, SECOND)],
    )
    .await;
    let hard = b"id,name\n1,first 1\n";
    let found = contents(include_bytes!("fixtures/hard.tar")).await;
    assert_eq!(found.len(), 1, "the other name is a link");
    assert_eq!(found[0].0, "in/hard.csv");
    assert!(found[0].1.starts_with(hard));
}

#[tokio::test]
async fn it_may_be_compressed_in_any_way() {
    let archive = include_bytes!("fixtures/gnu.tar");
    let expect = contents(archive).await;
    macro_rules! check {
        ($encoder:ident) => {
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(archive).await.expect("into memory");
            encoder.shutdown().await.expect("into memory");
            let packed = encoder.into_inner();
            assert!(packed.len() < archive.len());
            assert_eq!(contents(&packed).await, expect, stringify!($encoder));
            let half = failure(&packed[..packed.len() - 1]).await;
            assert!(half.starts_with("truncated: "), "{half}");
        };
    }
    check!(GzipEncoder);
    check!(ZstdEncoder);
    check!(BzEncoder);
    check!(XzEncoder);
    check!(Lz4Encoder);
}

#[tokio::test]
async fn what_is_not_read_is_refused_with_its_reason() {
    let check = async |archive: &[u8], expect: &str| {
        let found = failure(archive).await;
        assert!(found.starts_with(expect), "{found}");
    };
    let sparse = "is sparse, which is not read";
    for archive in [
        &include_bytes!("fixtures/sparse-gnu.tar")[..],
        include_bytes!("fixtures/sparse-posix.tar"),
    ] {
        let found = failure(archive).await;
        assert!(
            found.starts_with("unsupported: ") && found.contains(sparse),
            "{found}"
        );
    }
    let whole = tar(&[Packed::new("a.csv", "id\n1\n")]);
    let one = |kind: u8| [&tar_header("x", 0, kind)[..], &whole].concat();
    check(&one(b'M'), "unsupported: its entry x is of the type 'M'").await;
    let mut sum = whole.clone();
    sum[0] = b'b';
    check(
        &sum,
        "corrupt: a header does not have its checksum, at byte 0",
    )
    .await;
    let behind = [&whole[..], b"x"].concat();
    check(&behind, "corrupt: something follows its end mark").await;
    let two = [&whole[..], &whole].concat();
    check(&two, "corrupt: something follows its end mark").await;
    let long = [&tar_header("x", 2 << 20, b'x')[..], &whole].concat();
    check(&long, "unsupported: a header of it is 2097152 bytes long").await;
    let nested = tar(&[Packed::new("in.tar", whole.clone())]);
    check(&nested, "unsupported: its entry in.tar is tar, and").await;
    let folders = [&tar_header("d/", 0, b'5')[..], &[0; 1024]].concat();
    check(
        &folders,
        "unsupported: no file is in the archive, only d/ (a folder)",
    )
    .await;
}

#[tokio::test]
async fn an_archive_that_is_cut_anywhere_is_truncated() {
    let archive = tar(&[
        Packed::new("a.csv", "id\n1\n"),
        Packed::new("b.csv", vec![b'x'; 600]),
    ]);
    for length in 512..archive.len() {
        let found = failure(&archive[..length]).await;
        assert!(found.starts_with("truncated: "), "{length}: {found}");
    }
    assert_eq!(contents(&archive).await.len(), 2);
}
