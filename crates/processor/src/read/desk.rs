//! Where the pieces of a file become chunks, each with its share of the memory: decoded by
//! one thread, or cut by it and decoded by several.

use std::collections::VecDeque;

use arrivage_model::Checkpoint;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::carried::Marks;
use super::typed::Places;
use super::{Decoding, Draft, Piece};
use crate::budget::{Reader, Share};
use crate::decode::{Chunk, ChunkTarget, Decoded, Segment, Spare, Step, Team};
use crate::fate::LoadError;

type Pieces = mpsc::Receiver<Result<Piece, LoadError>>;
type Drafts = mpsc::Sender<Result<Draft, LoadError>>;

/// Decodes a file from its checkpoint to its end. On a blocking thread only.
pub(super) fn decode(
    decoding: Decoding,
    from: &Checkpoint,
    mut pieces: Pieces,
    chunks: &Drafts,
    runtime: Handle,
) -> Result<(), LoadError> {
    let mut reader = decoding.budget.reader();
    let (share, spare) = reader.draw(&runtime);
    let target = target(&decoding, &share);
    let (plan, captures) = (decoding.plan.clone(), decoding.captures.clone());
    let mut team = Team::new(plan, captures, from, target)?;
    team.set_target(target, spare);
    let desk = Desk {
        decoding,
        runtime,
        chunks,
        reader,
        team,
        share: Some(share),
        out: VecDeque::new(),
        kept: Vec::new(),
        marks: None,
        places: None,
    };
    desk.work(&mut pieces)
}

struct Desk<'a> {
    decoding: Decoding,
    runtime: Handle,
    chunks: &'a Drafts,
    reader: Reader,
    team: Team,
    /// For what is being made here: a chunk, or a segment.
    share: Option<Share>,
    /// What others decode, in the stream's order.
    out: VecDeque<JoinHandle<Done>>,
    /// For what comes again of segments that came to nothing.
    kept: Vec<Share>,
    marks: Option<Marks>,
    places: Option<Places>,
}

/// A segment that was decoded, with its share.
type Done = (Box<Decoded>, Option<Share>);

/// What comes first.
enum First {
    Piece(Option<Result<Piece, LoadError>>),
    /// The segment that is out for longest.
    Done(Result<Done, JoinError>),
}

/// Whether something comes after it.
#[derive(PartialEq, Eq)]
enum Then {
    More,
    Nothing,
}

impl Desk<'_> {
    fn work(mut self, pieces: &mut Pieces) -> Result<(), LoadError> {
        loop {
            match self.first(pieces) {
                First::Done(done) => self.land(done)?,
                First::Piece(Some(Ok(piece))) => self.take(piece)?,
                First::Piece(other) => {
                    self.hand_on_all()?;
                    let gone = "the reader ended before its file did";
                    let gone = || LoadError::Broken(gone.to_owned());
                    return Err(other.and_then(Result::err).unwrap_or_else(gone));
                }
            }
            if self.go_on()? == Then::Nothing {
                self.log_ignored();
                return Ok(());
            }
        }
    }

    fn first(&mut self, pieces: &mut Pieces) -> First {
        let Some(out) = self.out.front_mut() else {
            return First::Piece(pieces.blocking_recv());
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                done = out => First::Done(done),
                piece = pieces.recv() => First::Piece(piece),
            }
        })
    }

    fn take(&mut self, piece: Piece) -> Result<(), LoadError> {
        match piece {
            Piece::Block { bytes, bytes_read } => self.team.push(&bytes, bytes_read),
            Piece::Enter(entry) => self.team.enter(&entry)?,
            Piece::Leave => self.team.leave(),
            Piece::Marks(marks) => self.marks = Some(marks),
            Piece::Places(places) => self.places = Some(places),
            Piece::End { bytes_read } => {
                self.team.push(&[], bytes_read);
                self.team.end();
            }
        }
        Ok(())
    }

    /// Makes of what was taken all that can be made.
    fn go_on(&mut self) -> Result<Then, LoadError> {
        loop {
            let has_helpers = self.decoding.decoders > 1 && self.reader.is_alone();
            self.team.set_helpers(has_helpers);
            match self.team.step()? {
                Step::More => return Ok(Then::More),
                Step::Land => self.wait_and_land()?,
                Step::Segment(segment) => {
                    while self.out.len() >= self.decoding.decoders {
                        self.wait_and_land()?;
                    }
                    self.give_out(*segment);
                    self.draw()?;
                }
                Step::Chunk(chunk) => {
                    let last = chunk.last;
                    let share = self.share.take();
                    self.hand_on(*chunk, share)?;
                    if last {
                        return Ok(Then::Nothing);
                    }
                    self.draw()?;
                }
            }
        }
    }

    /// What was read before an error is good.
    fn hand_on_all(&mut self) -> Result<(), LoadError> {
        while !self.out.is_empty() {
            self.wait_and_land()?;
            self.go_on()?;
        }
        Ok(())
    }

    /// Draws the share of what is made next. Shares are given back in the stream's order:
    /// so before this waits for one, all that others have decoded is handed on.
    fn draw(&mut self) -> Result<(), LoadError> {
        let (share, spare) = loop {
            if let Some(share) = self.kept.pop() {
                break (share, Spare::default());
            }
            match self.reader.try_draw() {
                Some(drawn) => break drawn,
                None if self.out.is_empty() => break self.reader.draw(&self.runtime),
                None => self.wait_and_land()?,
            }
        };
        self.team.set_target(target(&self.decoding, &share), spare);
        self.share = Some(share);
        Ok(())
    }

    fn give_out(&mut self, segment: Segment) {
        let span = tracing::Span::current();
        let share = self.share.take();
        let decode = move || (span.in_scope(|| Box::new(segment.decode())), share);
        self.out.push_back(self.runtime.spawn_blocking(decode));
    }

    fn wait_and_land(&mut self) -> Result<(), LoadError> {
        let Some(out) = self.out.front_mut() else {
            return Ok(());
        };
        let done = self.runtime.block_on(out);
        self.land(done)
    }

    /// Takes back the segment that was out for longest.
    fn land(&mut self, done: Result<Done, JoinError>) -> Result<(), LoadError> {
        self.out.pop_front();
        let (decoded, share) = done.map_err(|ended| LoadError::Broken(ended.to_string()))?;
        match self.team.land(*decoded)? {
            Some(chunk) => self.hand_on(chunk, share),
            None => {
                self.kept.extend(share);
                Ok(())
            }
        }
    }

    fn hand_on(&self, mut chunk: Chunk, share: Option<Share>) -> Result<(), LoadError> {
        if chunk.last
            && let Some(count) = &self.decoding.records
        {
            count.compare(chunk.end.records)?;
        }
        // Nobody goes on from the last one.
        if let Some(marks) = self.marks.as_ref().filter(|_| !chunk.last) {
            marks.keep_in(&mut chunk.end);
        }
        if let Some(places) = &self.places {
            places.keep_in(&mut chunk.end);
        }
        let handed_on = self.chunks.blocking_send(Ok(Draft { chunk, share }));
        // Nobody listens any more: the load has ended.
        handed_on.map_err(|_| LoadError::Stopped)
    }

    fn log_ignored(&self) {
        let columns = self.team.ignored();
        if !columns.is_empty() {
            tracing::info!(
                ?columns,
                "columns of the file that the table lacks were not loaded"
            );
        }
    }
}

fn target(decoding: &Decoding, share: &Share) -> ChunkTarget {
    ChunkTarget {
        bytes: share.bytes(),
        records: decoding.most_records,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use bytes::Bytes;

    use super::*;
    use crate::budget::Budget;
    use crate::decode::tests::plan;

    const SHARE: usize = 64 * 1024;
    const RECORDS: u64 = 40_000;

    /// Near the end, records weigh more than their length lets expect.
    fn name(id: u64) -> String {
        let length = if id < RECORDS - 4000 { 100 } else { 0 };
        "x".repeat(length)
    }

    /// Decodes with so many threads in a budget of so many shares, and keeps two drafts
    /// at a time, as connections do. `end`: what comes behind the file, but for its end.
    fn drafts(
        decoders: usize,
        shares: u64,
        end: Option<LoadError>,
    ) -> (Vec<Chunk>, Result<(), LoadError>) {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        let lines: String = (1..=RECORDS)
            .map(|id| format!("{id},{}\n", name(id)))
            .collect();
        let file = Bytes::from(format!("id,name\n{lines}"));
        let decoding = Decoding {
            plan: Arc::new(plan("id integer, name text")),
            captures: Default::default(),
            records: None,
            most_records: u64::MAX,
            budget: Budget::new(shares * SHARE as u64, SHARE, SHARE),
            decoders,
        };
        let (pieces, pieces_out) = mpsc::channel(4);
        let (chunks, mut chunks_out) = mpsc::channel(1);
        let handle = runtime.handle().clone();
        let decoded = thread::spawn(move || {
            decode(
                decoding,
                &Checkpoint::default(),
                pieces_out,
                &chunks,
                handle,
            )
        });
        let read = thread::spawn(move || {
            for at in (0..file.len()).step_by(10_000) {
                let bytes = file.slice(at..file.len().min(at + 10_000));
                let bytes_read = (at + bytes.len()) as u64;
                let piece = Piece::Block { bytes, bytes_read };
                pieces.blocking_send(Ok(piece)).expect("it is decoded");
            }
            let bytes_read = file.len() as u64;
            let end = end.map_or(Ok(Piece::End { bytes_read }), Err);
            pieces.blocking_send(end).expect("it is decoded");
        });
        let mut found = Vec::new();
        let mut kept: VecDeque<Draft> = VecDeque::new();
        while let Some(draft) = chunks_out.blocking_recv() {
            kept.push_back(draft.expect("it can be read"));
            if kept.len() > 1 {
                found.extend(kept.pop_front().map(|draft| draft.chunk));
            }
        }
        found.extend(kept.into_iter().map(|draft| draft.chunk));
        read.join().expect("it ends");
        (found, decoded.join().expect("it ends"))
    }

    #[test]
    fn more_decoders_than_shares_wait_for_nothing_that_waits_for_them() {
        for decoders in [1, 2, 8] {
            let (chunks, ended) = drafts(decoders, 4, None);
            ended.expect("it can be read");
            let (last, before) = chunks.split_last().expect("one at least");
            assert!(last.last && before.len() > 20, "{}", before.len());
            assert_eq!(last.end.records, RECORDS);
            let mut at = 0;
            for chunk in &chunks {
                assert_eq!(chunk.start, at, "in the file's order");
                at = chunk.end.offset;
            }
            let rows: usize = chunks.iter().map(|chunk| chunk.rows.len()).sum();
            assert_eq!(rows as u64, RECORDS);
        }
    }

    #[test]
    fn what_was_read_before_an_error_is_handed_on() {
        for decoders in [1, 8] {
            let broken = LoadError::Broken("by the test".to_owned());
            let (chunks, ended) = drafts(decoders, 1000, Some(broken));
            assert!(matches!(ended, Err(LoadError::Broken(_))), "{ended:?}");
            let most = chunks
                .iter()
                .map(Chunk::records)
                .max()
                .expect("one at least");
            let last = chunks.last().map_or(0, |chunk| chunk.end.records);
            assert!(last + most >= RECORDS, "{last} of {RECORDS}, by {decoders}");
        }
    }
}
