//! Stands between programs and a PostgreSQL: what they say to each other can get lost here.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// What becomes of a question, and of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes through, and so does its answer.
    Pass,
    /// It does not come through, and the connection ends.
    Cut,
    /// It comes through, its answer does not, and the connection ends.
    LoseAnswer,
    /// It comes through, and its answer comes so much later.
    HoldAnswer(Duration),
    /// Neither it nor anything after it comes through, and the connection stays.
    FallSilent,
}

/// What a program sends to the server at once.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    bytes: &'a [u8],
    /// Whether it belongs to the transaction of a chunk.
    pub in_chunk: bool,
}

impl Question<'_> {
    /// Whether it commits a transaction.
    pub fn is_commit(&self) -> bool {
        self.says("COMMIT\0")
    }

    /// Whether these words stand in it.
    pub fn says(&self, words: &str) -> bool {
        has(self.bytes, words.as_bytes())
    }
}

/// A proxy to a PostgreSQL. It takes connections as long as this process lives.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    open: Arc<Open>,
}

impl Proxy {
    /// Before the database of `url`, `postgres://USER@HOST:PORT/NAME`, which seems to be so far away
    /// (answers come that much later); every question is judged.
    pub fn start(
        url: &str,
        distance: Duration,
        judge: impl Fn(Question<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Result<Self> {
        let (user, address) = url.split_once('@').context("no user")?;
        let (server, name) = address.split_once('/').context("no database")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let open = Arc::new(Open::default());
        let proxy = Self {
            url: format!("{user}@{}/{name}", listener.local_addr()?),
            open: Arc::clone(&open),
        };
        let server = server.to_owned();
        let judge = Arc::new(judge);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                // The server is away: so is the proxy.
                let Ok(server) = TcpStream::connect(&server) else {
                    continue;
                };
                let _ = forward(client, server, distance, &open, &judge);
            }
        });
        Ok(proxy)
    }

    /// What a program is to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many connections stand.
    pub fn connections(&self) -> usize {
        self.open.lock().pairs.len()
    }

    /// Ends the connection at this place, the oldest being 0; false if there are not so many.
    pub fn cut(&self, place: usize) -> bool {
        let open = self.open.lock();
        let pair = open.pairs.values().nth(place);
        pair.is_some_and(|pair| {
            pair.end();
            true
        })
    }

    /// Ends all connections; returns how many there were.
    pub fn cut_all(&self) -> usize {
        let open = self.open.lock();
        open.pairs.values().for_each(Pair::end);
        open.pairs.len()
    }
}

/// The connections that stand.
#[derive(Debug, Default)]
struct Open(Mutex<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    next: u64,
    pairs: BTreeMap<u64, Pair>,
}

impl Open {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pairs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both halves of one connection.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn copy(&self) -> std::io::Result<Self> {
        Ok(Self {
            client: self.client.try_clone()?,
            server: self.server.try_clone()?,
        })
    }

    /// Wakes whoever reads from it. One that is closed already is closed.
    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// What the two directions of a connection know of each other.
#[derive(Debug, Default)]
struct Fate {
    loses_answer: AtomicBool,
    is_silent: AtomicBool,
    held: Mutex<Duration>,
}

impl Fate {
    fn hold(&self, time: Duration) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// How long the next answer is held, which ends with it.
    fn held(&self) -> Duration {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn forward<J>(
    client: TcpStream,
    server: TcpStream,
    distance: Duration,
    open: &Arc<Open>,
    judge: &Arc<J>,
) -> std::io::Result<()>
where
    J: Fn(Question<'_>) -> Verdict + Send + Sync + 'static,
{
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let pair = Pair { client, server };
    let (questions, answers) = (pair.copy()?, pair.copy()?);
    let number = {
        let mut open = open.lock();
        open.next += 1;
        let number = open.next;
        open.pairs.insert(number, pair);
        number
    };
    let fate = Arc::new(Fate::default());
    let (judge, same_fate) = (Arc::clone(judge), Arc::clone(&fate));
    // An error is an end of the connection too.
    thread::spawn(move || {
        let _ = pass_questions(&questions, &same_fate, &*judge);
        questions.end();
    });
    let open = Arc::clone(open);
    thread::spawn(move || {
        let _ = pass_answers(&answers, distance, &fate);
        answers.end();
        open.lock().pairs.remove(&number);
    });
    Ok(())
}

fn pass_questions(
    pair: &Pair,
    fate: &Fate,
    judge: &impl Fn(Question<'_>) -> Verdict,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut in_chunk = false;
    loop {
        let length = (&pair.client).read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if fate.is_silent.load(Ordering::SeqCst) {
            continue;
        }
        let bytes = &buffer[..length];
        // The data of a COPY comes in large pieces and is no question.
        let verdict = if length > LARGEST_QUESTION {
            Verdict::Pass
        } else {
            if has(bytes, b"BEGIN ISOLATION") {
                in_chunk = has(bytes, b"application_name = 'arrivage ");
            }
            judge(Question { bytes, in_chunk })
        };
        match verdict {
            Verdict::Pass => (&pair.server).write_all(bytes)?,
            Verdict::Cut => return Ok(()),
            Verdict::LoseAnswer => {
                fate.loses_answer.store(true, Ordering::SeqCst);
                (&pair.server).write_all(bytes)?;
            }
            Verdict::HoldAnswer(time) => {
                fate.hold(time);
                (&pair.server).write_all(bytes)?;
            }
            Verdict::FallSilent => fate.is_silent.store(true, Ordering::SeqCst),
        }
    }
}

fn pass_answers(pair: &Pair, distance: Duration, fate: &Fate) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = (&pair.server).read(&mut buffer)?;
        if length == 0 || fate.loses_answer.load(Ordering::SeqCst) {
            return Ok(());
        }
        if !fate.is_silent.load(Ordering::SeqCst) {
            thread::sleep(distance + fate.held());
            (&pair.client).write_all(&buffer[..length])?;
        }
    }
}

const LARGEST_QUESTION: usize = 8 * 1024;

fn has(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}
