//! The objects themselves: the program reads them, and does nothing else to them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context, Result};

use crate::manifest::Content;

/// Whether the bytes in the bucket, or in the folder, are those that were delivered.
pub(crate) fn is_untouched(
    content: &Content,
    endpoint: &str,
    bucket: &str,
    inbox: &str,
) -> Result<bool> {
    let delivered = fs::read(&content.source)?;
    if content.is_in_folder() {
        let found = fs::read(Path::new(inbox).join(&content.key));
        return Ok(found.is_ok_and(|found| found == delivered));
    }
    let found = get(endpoint, &format!("/{bucket}/{}", content.key))?;
    Ok(found.is_some_and(|found| found == delivered))
}

/// None unless the server says 200.
fn get(endpoint: &str, path: &str) -> Result<Option<Vec<u8>>> {
    let host = endpoint.strip_prefix("http://").context("an http:// URL")?;
    let mut connection = TcpStream::connect(host)?;
    let question = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = head.context("an answer has a head")? + 4;
    let found = answer.starts_with(b"HTTP/1.1 200");
    Ok(found.then(|| answer.split_off(body)))
}
