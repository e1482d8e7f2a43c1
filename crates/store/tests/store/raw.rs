use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arrivage_model::{ETag, Location, Object};
use arrivage_store::{Patience, Persistence, Policy, S3Store, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::places::{read_all, settings};

/// Gives each connection the next of these answers, then closes it. The last
/// answer is given again and again.
async fn server(answers: Vec<String>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut answer = String::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => asked.push(byte),
                    Err(_) => return,
                }
            }
            answer = answers.next().unwrap_or(answer);
            // The client may have heard enough.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    Ok(endpoint)
}

const OK: &str = "HTTP/1.1 200 OK\r\nETag: \"tag\"\r\n";
const PARTIAL: &str = "HTTP/1.1 206 Partial Content\r\nETag: \"tag\"\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const EIGHT: &str = "Content-Length: 8\r\n";

/// Reads an object of eight bytes, `part` at a time, from such answers: heads,
/// further headers, bodies.
async fn check(part: u64, answers: &[[&str; 3]], expect: Result<&str, &str>) -> Result<()> {
    let shown = format!("{answers:#?}");
    let answers = answers
        .iter()
        .map(|[head, headers, body]| format!("{head}Connection: close\r\n{headers}\r\n{body}"));
    let endpoint = server(answers.collect()).await?;
    let store = S3Store::new(settings(&endpoint, "id", "secret", Patience::default()));
    let store: Arc<dyn Store> = Arc::new(store);
    let object = Object {
        location: Location::s3("drop", "a"),
        etag: ETag::parse("tag").expect("a tag"),
        version_id: None,
        size: Some(8),
        last_modified: None,
        sequencer: None,
    };
    let persistence = Persistence {
        ahead: true,
        part,
        policy: Policy {
            first: Duration::from_millis(1),
            cap: Duration::from_millis(1),
            tries: Some(1),
        },
        appears_within: Duration::ZERO,
    };
    let (bytes, error) = read_all(store, object, persistence).await;
    let outcome = match &error {
        None => Ok(std::str::from_utf8(&bytes)?),
        Some(StoreError::Corrupted(_)) => Err("corrupted"),
        Some(StoreError::Contradiction { .. }) => Err("contradiction"),
        Some(StoreError::Busy { .. }) => Err("busy"),
        Some(StoreError::Unavailable(_)) => Err("unavailable"),
        Some(_) => Err("something else"),
    };
    assert_eq!(outcome, expect, "{shown}\n{error:?}");
    assert!(
        error.is_none() || bytes.len() < 8,
        "all bytes, and an error"
    );
    Ok(())
}

async fn whole(head: &str, headers: &str, body: &str, expect: Result<&str, &str>) -> Result<()> {
    check(8, &[[head, headers, body]], expect).await
}

#[tokio::test]
async fn bytes_that_do_not_have_their_checksum_are_not_taken() -> Result<()> {
    let stated = |checksum: &str| format!("{EIGHT}x-amz-checksum-{checksum}\r\n");
    for right in [
        "crc32: muDarw==",
        "sha1: fCIvspJ9goryL1khNOiTJIBjfA0=",
        "sha256: 73l8gRjwLftklgfdXT+MdiMEjJwGPVMsyVxe16iYpk8=",
        // Of the parts' checksums.
        "crc32: AAAAAA==-2",
        // One that nobody knows.
        "sha3: AAAA",
    ] {
        whole(OK, &stated(right), "12345678", Ok("12345678")).await?;
    }
    for wrong in [
        "crc32: AAAAAA==",
        "crc32c: AAAAAA==",
        "crc64nvme: AAAAAAAAAAA=",
        "crc32: ?",
    ] {
        whole(OK, &stated(wrong), "12345678", Err("corrupted")).await?;
    }
    whole(OK, &stated("crc32: muDarw=="), "12345679", Err("corrupted")).await
}

/// Stores keep the header as it was said at the upload; the bytes alone tell what they are.
#[tokio::test]
async fn what_a_content_encoding_says_changes_no_byte() -> Result<()> {
    for encoding in ["gzip", "aws-chunked", "br", "identity"] {
        let headers = format!("{EIGHT}Content-Encoding: {encoding}\r\n");
        whole(OK, &headers, "12345678", Ok("12345678")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_checksum_of_the_whole_is_not_that_of_a_part() -> Result<()> {
    let part = |place: &str| {
        format!(
            "Content-Length: 4\r\nContent-Range: bytes {place}/8\r\nx-amz-checksum-crc32: muDarw==\r\n"
        )
    };
    let answers = [
        [PARTIAL, &part("0-3"), "1234"],
        [PARTIAL, &part("4-7"), "5678"],
    ];
    check(4, &answers, Ok("12345678")).await?;

    // A server that ignores the range gives the whole.
    let stated = |checksum: &str| format!("{EIGHT}x-amz-checksum-crc32: {checksum}\r\n");
    let (right, wrong) = (stated("muDarw=="), stated("AAAAAA=="));
    let first = [PARTIAL, &part("0-3"), "1234"];
    check(4, &[first, [OK, &right, "12345678"]], Ok("12345678")).await?;
    check(4, &[first, [OK, &wrong, "12345678"]], Err("corrupted")).await
}

#[tokio::test]
async fn trailers_are_no_bytes() -> Result<()> {
    let headers = format!("{CHUNKED}Trailer: x-end\r\nx-amz-checksum-crc32: muDarw==\r\n");
    let body = "8\r\n12345678\r\n0\r\nx-end: yes\r\n\r\n";
    whole(OK, &headers, body, Ok("12345678")).await
}

#[tokio::test]
async fn a_length_that_is_not_that_of_the_body_is_noticed() -> Result<()> {
    whole(OK, CHUNKED, "8\r\n12345678\r\n0\r\n\r\n", Ok("12345678")).await?;
    whole(OK, CHUNKED, "4\r\n1234\r\n0\r\n\r\n", Err("unavailable")).await?;
    whole(
        OK,
        CHUNKED,
        "9\r\n123456789\r\n0\r\n\r\n",
        Err("contradiction"),
    )
    .await?;
    whole(OK, CHUNKED, "8\r\n12345678\r\n", Err("unavailable")).await?;
    whole(OK, EIGHT, "", Err("unavailable")).await?;
    whole(
        OK,
        "Content-Length: 9\r\n",
        "123456789",
        Err("contradiction"),
    )
    .await?;
    whole(OK, "Content-Length: 7\r\n", "1234567", Err("contradiction")).await?;
    // Without any length, only the announced size tells.
    whole(OK, "", "12345678", Ok("12345678")).await?;
    whole(OK, "", "1234", Err("unavailable")).await?;
    whole(OK, "", "123456789", Err("contradiction")).await
}

#[tokio::test]
async fn listed_keys_are_decoded_if_the_server_encoded_them() -> Result<()> {
    let list = async |encoding: &str| {
        let body = format!(
            "<ListBucketResult>{encoding}<IsTruncated>false</IsTruncated>\
             <Contents><Key>a+b%2Bc%20d%0Ae&amp;</Key><ETag>&quot;t&quot;</ETag></Contents>\
             </ListBucketResult>"
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let endpoint = server(vec![answer]).await?;
        let store = S3Store::new(settings(&endpoint, "id", "secret", Patience::default()));
        let page = store.list("drop", "", None).await?;
        assert_eq!(page.objects[0].etag.as_str(), "t");
        anyhow::Ok(page.objects[0].location.key.clone())
    };
    let encoded = list("<EncodingType>url</EncodingType>").await?;
    assert_eq!(encoded, "a b+c d\ne&");
    assert_eq!(list("").await?, "a+b%2Bc%20d%0Ae&");
    Ok(())
}

#[tokio::test]
async fn what_is_no_answer_of_an_object_store_is_no_object() -> Result<()> {
    let html = "Content-Type: text/html\r\nContent-Length: 8\r\n";
    whole(
        "HTTP/1.1 200 OK\r\n",
        html,
        "<html/>.",
        Err("contradiction"),
    )
    .await?;
    whole("HTTP/1.1 503 Sorry\r\n", html, "<html/>.", Err("busy")).await?;
    whole("HTTP/1.1 502 Bad Gateway\r\n", "", "", Err("busy")).await?;
    whole("SSH-2.0-OpenSSH_9.2\r\n", "", "", Err("unavailable")).await?;
    let half = "Content-Length: 4\r\n";
    check(4, &[[PARTIAL, half, "1234"]], Err("contradiction")).await?;

    for body in ["<html/>.", "        ", "<ListBuc"] {
        let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{EIGHT}\r\n{body}");
        let endpoint = server(vec![answer]).await?;
        let store = S3Store::new(settings(&endpoint, "id", "secret", Patience::default()));
        let page = store.list("drop", "", None).await;
        assert!(
            matches!(page, Err(StoreError::Unavailable(_))),
            "{body}: {page:?}"
        );
    }
    Ok(())
}
