use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrivage_model::Object;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::digest::{Digest, Mark, Marked, Verifier};
use crate::store::{Body, Store};
use crate::{Backoff, Policy, StoreError};

/// Is called for every block of bytes and for every answer of the store, even
/// a refusal: as long as it is called, work goes on.
pub type Progress = Arc<dyn Fn() + Send + Sync>;

/// How hard an [`ObjectReader`] tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// So many bytes are asked for at a time.
    pub part: u64,
    /// Whether the next part is asked for while one is being read, so that the
    /// store's time to answer is not waited for between them.
    pub ahead: bool,
    /// The waits between failures without a byte in between; when its tries
    /// are used up the last error is handed on.
    pub policy: Policy,
    /// How long an object may be missing before it is gone: a notification may
    /// come before its object can be seen.
    pub appears_within: Duration,
}

impl Default for Persistence {
    fn default() -> Self {
        Self {
            part: 8 * 1024 * 1024,
            ahead: true,
            policy: Policy::default().tries(8),
            appears_within: Duration::from_secs(60),
        }
    }
}

/// What the bytes of an object are held against, besides what the store states.
#[derive(Clone, Default)]
pub struct Verifying {
    /// Stated by somebody else; only for who reads from the first byte on.
    pub digests: Vec<Digest>,
    /// How far the store's CRC came in an earlier reading, which this one goes on from.
    pub mark: Option<Mark>,
    /// Who is told how far it comes.
    pub marked: Option<Marked>,
}

/// Reads one content of one object, from any byte to its end, whatever cuts
/// the way: it goes on at the very next byte, and hands on no byte of another
/// content, none twice and none too few.
pub struct ObjectReader {
    store: Arc<dyn Store>,
    object: Object,
    persistence: Persistence,
    progress: Progress,
    position: u64,
    body: Option<Body>,
    /// The part after this one, on its way. Its body waits in the connection.
    next: Option<Ahead>,
    backoff: Backoff,
    missing_since: Option<Instant>,
    /// Before it was asked what the store states.
    verifying: Option<Verifying>,
    /// Nothing to compare where there is none.
    verifier: Option<Verifier>,
    marked: Option<Marked>,
    over: bool,
}

/// A part that was asked for before its bytes are wanted.
struct Ahead {
    start: u64,
    answer: AbortOnDropHandle<Result<Body, StoreError>>,
}

impl ObjectReader {
    /// Asks for nothing before the first [`next`](Self::next).
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        object: Object,
        from: u64,
        persistence: Persistence,
        progress: Progress,
    ) -> Self {
        Self {
            store,
            object,
            persistence,
            progress,
            position: from,
            body: None,
            next: None,
            backoff: Backoff::new(persistence.policy),
            missing_since: None,
            verifying: None,
            verifier: None,
            marked: None,
            over: false,
        }
    }

    /// Holds the bytes against what is stated of them: [`StoreError::Incomplete`] in
    /// place of the end where something does not agree. Of an object that is read in
    /// several ranges the store is asked as well.
    #[must_use]
    pub fn verifying(self, verifying: Verifying) -> Self {
        let starts = self.position == 0;
        let wanted = starts || verifying.mark.is_some_and(|mark| mark.at == self.position);
        debug_assert!(
            starts || verifying.digests.is_empty(),
            "a digest is of all bytes"
        );
        Self {
            verifying: wanted.then_some(verifying),
            ..self
        }
    }

    /// The next bytes, none of them empty; nothing after the object's last
    /// byte and after an error. May be dropped and called again at any time.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        while !self.over {
            match self.step().await {
                Ok(Some(block)) if block.is_empty() => {}
                Ok(Some(block)) => {
                    self.verify(&block);
                    return Some(Ok(block));
                }
                Ok(None) => {
                    self.over = true;
                    let verified = self.verifier.take();
                    let verified = verified.map(|it| it.finish(&self.object.location));
                    if let Some(Err(error)) = verified {
                        return Some(Err(error));
                    }
                }
                Err(error) => {
                    self.body = None;
                    self.next = None;
                    if let Err(error) = self.cope(error).await {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// The same as a stream, for tokio-util's `StreamReader`.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::unfold(self, |mut reader| async {
            let block = reader.next().await?;
            Some((block, reader))
        })
        .boxed()
    }

    /// Where the next byte stands in the object.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What is read, as far as it is known by now: its size, and its version
    /// where the pin moved.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// A block, an empty one if there was something else to do, or the end.
    async fn step(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(size) = self.object.size else {
            self.look().await?;
            return Ok(Some(Bytes::new()));
        };
        if self.verifying.is_some() {
            self.ask_what_is_stated(size).await?;
            return Ok(Some(Bytes::new()));
        }
        let Some(body) = &mut self.body else {
            if self.position == size && size > 0 {
                return Ok(None);
            }
            self.open(size).await?;
            return Ok(Some(Bytes::new()));
        };
        match body.chunks.next().await {
            Some(Ok(block)) => {
                self.take(block.len() as u64, size)?;
                self.ask_ahead(size);
                Ok(Some(block))
            }
            Some(Err(error)) => Err(error),
            None if self.position < body.range.end => Err(StoreError::cut("the body ended early")),
            None => {
                self.body = None;
                let ended = self.position == size;
                Ok((!ended).then(Bytes::new))
            }
        }
    }

    /// Learns what the notification did not say.
    async fn look(&mut self) -> Result<(), StoreError> {
        let version = self.object.version_id.as_ref();
        let now = self.store.head(&self.object.location, version).await?;
        (self.progress)();
        if now.etag != self.object.etag {
            return Err(StoreError::Changed(self.object.location.clone()));
        }
        if now.size.is_none() {
            return Err(self.contradiction("it does not say how long it is".to_owned()));
        }
        self.object.size = now.size;
        self.object.last_modified = self.object.last_modified.or(now.last_modified);
        Ok(())
    }

    /// One answer with all bytes is compared by the store.
    async fn ask_what_is_stated(&mut self, size: u64) -> Result<(), StoreError> {
        let stated = match size > self.persistence.part {
            true => self.store.digests(&self.object).await?,
            false => Vec::new(),
        };
        (self.progress)();
        let Some(verifying) = self.verifying.take() else {
            return Ok(());
        };
        let mut digests = verifying.digests;
        digests.extend(stated);
        self.marked = verifying.marked;
        self.verifier = Some(match verifying.mark.filter(|_| self.position > 0) {
            Some(mark) => Verifier::going_on(digests, mark),
            None => Verifier::new(digests),
        });
        Ok(())
    }

    fn verify(&mut self, block: &[u8]) {
        let Some(verifier) = &mut self.verifier else {
            return;
        };
        verifier.update(block);
        if let (Some(marked), Some(mark)) = (&self.marked, verifier.mark(self.position)) {
            marked(mark);
        }
    }

    async fn open(&mut self, size: u64) -> Result<(), StoreError> {
        if self.position > size {
            let place = self.position;
            return Err(self.contradiction(format!("it has {size} bytes, and {place} were read")));
        }
        let body = match &mut self.next {
            Some(next) if next.start == self.position => {
                let answer = (&mut next.answer).await;
                self.next = None;
                answer.unwrap_or_else(|_| Err(StoreError::cut("it was given up")))?
            }
            _ => {
                self.next = None;
                let range = self.part(self.position, size);
                self.store.read(&self.object, range).await?
            }
        };
        (self.progress)();
        if body.range.start != self.position || body.total != size || body.range.end > size {
            let what = format!("{:?} of {} came instead of {size}", body.range, body.total);
            return Err(self.contradiction(what));
        }
        self.body = Some(body);
        Ok(())
    }

    fn part(&self, start: u64, size: u64) -> Range<u64> {
        start..size.min(start.saturating_add(self.persistence.part.max(1)))
    }

    /// Asks for the part after the one that is being read.
    fn ask_ahead(&mut self, size: u64) {
        let Some(body) = &self.body else { return };
        let start = body.range.end;
        if !self.persistence.ahead || self.next.is_some() || start >= size {
            return;
        }
        let (store, object) = (Arc::clone(&self.store), self.object.clone());
        let range = self.part(start, size);
        let asking = async move { store.read(&object, range).await };
        let answer = AbortOnDropHandle::new(tokio::spawn(asking.in_current_span()));
        self.next = Some(Ahead { start, answer });
    }

    fn take(&mut self, length: u64, size: u64) -> Result<(), StoreError> {
        (self.progress)();
        if length > size - self.position {
            return Err(self.contradiction(format!("more than its {size} bytes came")));
        }
        if length > 0 {
            self.position += length;
            self.backoff.reset();
            self.missing_since = None;
        }
        Ok(())
    }

    /// Waits, if waiting can help; else hands the error back.
    async fn cope(&mut self, error: StoreError) -> Result<(), StoreError> {
        (self.progress)();
        let error = match error {
            StoreError::Gone(_) => match self.move_pin().await {
                Ok(true) => return Ok(()),
                Ok(false) => error,
                Err(error) => error,
            },
            error => error,
        };
        let delay = match &error {
            StoreError::Gone(_) => self.delay_until_gone(),
            StoreError::Busy { .. }
            | StoreError::Unavailable(_)
            | StoreError::Contradiction { .. } => self.backoff.next_delay(error.retry_after()),
            StoreError::Changed(_)
            | StoreError::Denied { .. }
            | StoreError::Archived(_)
            | StoreError::Refused { .. }
            | StoreError::Corrupted(_)
            | StoreError::Incomplete { .. }
            | StoreError::Misconfigured { .. } => None,
        };
        let Some(delay) = delay else {
            return Err(error);
        };
        tracing::debug!(
            object.location = %self.object.location,
            object.position = self.position,
            delay_ms = delay.as_millis(),
            error = &error as &dyn std::error::Error,
            "reading goes on after a pause"
        );
        sleep(delay).await;
        (self.progress)();
        Ok(())
    }

    /// When the version is gone but the key holds the same content, that is
    /// what is read from here on.
    async fn move_pin(&mut self) -> Result<bool, StoreError> {
        if self.object.version_id.is_none() {
            return Ok(false);
        }
        let now = match self.store.head(&self.object.location, None).await {
            Ok(now) => now,
            Err(StoreError::Gone(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        if now.etag != self.object.etag {
            return Err(StoreError::Changed(self.object.location.clone()));
        }
        if now.version_id == self.object.version_id {
            return Ok(false);
        }
        self.object.version_id = now.version_id;
        Ok(true)
    }

    /// The tries of other failures do not limit this: only time does.
    fn delay_until_gone(&mut self) -> Option<Duration> {
        let since = *self.missing_since.get_or_insert_with(Instant::now);
        let left = self
            .persistence
            .appears_within
            .checked_sub(since.elapsed())?;
        let delay = self
            .backoff
            .next_delay(None)
            .unwrap_or(self.persistence.policy.cap);
        Some(delay.min(left)).filter(|delay| !delay.is_zero())
    }

    fn contradiction(&self, what: String) -> StoreError {
        StoreError::Contradiction {
            location: self.object.location.clone(),
            what,
        }
    }
}

#[cfg(test)]
mod tests;
