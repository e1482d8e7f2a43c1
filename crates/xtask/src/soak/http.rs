//! HTTP in plain text, for a server on this machine; one request a connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the server answered; an error unless it said 200.
#[derive(Debug)]
pub(crate) struct Answer {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) fn put(endpoint: &str, path: &str, body: &[u8]) -> Result<Answer> {
    ask(endpoint, "PUT", path, body)
}

/// `body` is a form, encoded.
pub(crate) fn post(endpoint: &str, path: &str, body: &str) -> Result<Answer> {
    ask(endpoint, "POST", path, body.as_bytes())
}

/// A value in a form.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn ask(endpoint: &str, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
    let host = endpoint
        .strip_prefix("http://")
        .context("only http:// is spoken here")?;
    let mut connection = TcpStream::connect(host)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .with_context(|| format!("{method} {path}: the answer ends in its head"))?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer).into_owned();
    if !head.starts_with("HTTP/1.1 200") {
        let body = String::from_utf8_lossy(&body);
        bail!(
            "{method} {path}: {}\n{body}",
            head.lines().next().unwrap_or_default()
        );
    }
    Ok(Answer { head, body })
}
