//! PgBouncer's transaction mode in small: a backend for each transaction, whichever is free.

use std::collections::VecDeque;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Fewer than the clients have connections.
const BACKENDS: usize = 3;

/// What PgBouncer takes at the start of a session, and sets on whatever backend.
const TRACKED: [&str; 7] = [
    "user",
    "database",
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "standard_conforming_strings",
];

/// What a session would have to be kept for.
const LEFT_BEHIND: &str = "
    SELECT 'statement ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors
    UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() c
    UNION ALL SELECT 'lock' FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
    UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'setting ' || name FROM pg_settings
      WHERE source = 'session' AND setting IS DISTINCT FROM reset_val";

/// A pooler, as long as the test runs.
pub(crate) struct Pooler {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    user: String,
    database: String,
    free: Semaphore,
    idle: Mutex<VecDeque<Backend>>,
    transactions: AtomicUsize,
    refused: AtomicUsize,
}

/// A session of the server, and what it said of itself when it began.
struct Backend {
    socket: Messages,
    greeting: Vec<u8>,
}

impl Pooler {
    /// Before the database of `url`, `postgres://USER@HOST:PORT/NAME`.
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let wrong = || Error::other("not the URL of a test's database");
        let (user, address) = url.split_once('@').ok_or_else(wrong)?;
        let (server, database) = address.split_once('/').ok_or_else(wrong)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            user: user.trim_start_matches("postgres://").to_owned(),
            database: database.to_owned(),
            free: Semaphore::new(BACKENDS),
            idle: Mutex::default(),
            transactions: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let pooler = Self {
            url: format!("{user}@{}/{database}", listener.local_addr()?),
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // An error is the end of the connection, for the client too.
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Ok(pooler)
    }

    /// What the program is to connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often a backend was handed out.
    pub(crate) fn transactions(&self) -> usize {
        self.shared.transactions.load(Ordering::SeqCst)
    }

    /// How many clients were refused for what they asked for at the start of their session.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// What the clients left in the sessions that they shared, which must be nothing, and how many
    /// sessions there are.
    pub(crate) async fn left_behind(&self) -> Result<(usize, Vec<String>)> {
        let backends: Vec<_> = lock(&self.shared.idle).drain(..).collect();
        let sessions = backends.len();
        let mut found = Vec::new();
        for mut backend in backends {
            let query = [LEFT_BEHIND.as_bytes(), b"\0"].concat();
            backend.socket.send(&message(b'Q', &query)).await?;
            loop {
                let answer = backend.socket.next().await?;
                match answer[0] {
                    b'D' => found.push(String::from_utf8_lossy(&answer[11..]).into_owned()),
                    b'Z' => break,
                    _ => {}
                }
            }
        }
        Ok((sessions, found))
    }
}

fn lock(idle: &Mutex<VecDeque<Backend>>) -> std::sync::MutexGuard<'_, VecDeque<Backend>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut client = Messages::of(client);
    let asked = client.startup().await?;
    if let Some(other) = asked.iter().find(|name| !TRACKED.contains(&name.as_str())) {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        let fields = format!("SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {other}\0\0");
        return client.send(&message(b'E', fields.as_bytes())).await;
    }
    let (permit, backend) = shared.borrow().await?;
    client.send(&backend.greeting).await?;
    lock(&shared.idle).push_back(backend);
    drop(permit);
    loop {
        let first = client.next().await?;
        if first[0] == b'X' {
            return Ok(());
        }
        let (_permit, mut backend) = shared.borrow().await?;
        shared.transactions.fetch_add(1, Ordering::SeqCst);
        // A client that goes in mid-transaction takes the backend with it.
        transaction(first, &mut client, &mut backend.socket).await?;
        lock(&shared.idle).push_back(backend);
    }
}

/// Forwards until the server is idle, and has answered all that it was asked.
async fn transaction(first: Vec<u8>, client: &mut Messages, backend: &mut Messages) -> Result<()> {
    let mut unanswered = 0;
    let mut question = first;
    loop {
        unanswered += usize::from(matches!(question[0], b'Q' | b'S'));
        backend.send(&question).await?;
        loop {
            tokio::select! {
                asked = client.next() => {
                    question = asked?;
                    break;
                }
                answer = backend.next() => {
                    let answer = answer?;
                    client.send(&answer).await?;
                    unanswered -= usize::from(answer[0] == b'Z');
                    if answer[0] == b'Z' && answer[5] == b'I' && unanswered == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl Shared {
    /// The one that is idle for longest, so that no client has the same twice.
    async fn borrow(&self) -> Result<(tokio::sync::SemaphorePermit<'_>, Backend)> {
        let permit = self.free.acquire().await.map_err(Error::other)?;
        let idle = lock(&self.idle).pop_front();
        match idle {
            Some(backend) => Ok((permit, backend)),
            None => Ok((permit, self.connect().await?)),
        }
    }

    async fn connect(&self) -> Result<Backend> {
        let socket = TcpStream::connect(&self.server).await?;
        socket.set_nodelay(true)?;
        let mut socket = Messages::of(socket);
        let names = [("user", &self.user), ("database", &self.database)];
        let mut words = 196_608_i32.to_be_bytes().to_vec();
        for (name, value) in names {
            words.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
        words.push(0);
        socket.send(&message(0, &words)[1..]).await?;
        let mut greeting = Vec::new();
        loop {
            let said = socket.next().await?;
            greeting.extend_from_slice(&said);
            if said[0] == b'Z' {
                return Ok(Backend { socket, greeting });
            }
        }
    }
}

fn message(kind: u8, words: &[u8]) -> Vec<u8> {
    let length = i32::try_from(words.len() + 4).expect("a short message");
    [&[kind], &length.to_be_bytes()[..], words].concat()
}

/// A connection, message by message.
struct Messages {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Messages {
    fn of(socket: TcpStream) -> Self {
        Self {
            socket,
            read: Vec::new(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).await
    }

    /// The next whole message; safe to drop while it waits.
    async fn next(&mut self) -> Result<Vec<u8>> {
        self.take(1).await
    }

    /// The names of the settings that a client begins with, small; TLS is refused.
    async fn startup(&mut self) -> Result<Vec<String>> {
        loop {
            let words = self.take(0).await?;
            let (code, words) = words[4..].split_at(4);
            if code == 80_877_103_i32.to_be_bytes() {
                self.send(b"N").await?;
                continue;
            }
            let texts = words.split(|byte| *byte == 0);
            let names = texts.step_by(2).filter(|name| !name.is_empty());
            let name = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase();
            return Ok(names.map(name).collect());
        }
    }

    /// A message whose length comes after so many bytes.
    async fn take(&mut self, before: usize) -> Result<Vec<u8>> {
        loop {
            if let Some(length) = self.read.get(before..before + 4) {
                let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
                let end = before + length as usize;
                if self.read.len() >= end {
                    let rest = self.read.split_off(end);
                    return Ok(std::mem::replace(&mut self.read, rest));
                }
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(Error::other("closed"));
            }
        }
    }
}
