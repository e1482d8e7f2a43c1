use arrivage_model::{
    Arrival, ArrivalId, Checkpoint, Lease, Location, Mode, Object, Order, Pattern, Reject,
    RowColumn, Rows, State, Table,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A pipeline as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Consecutive claims without progress before an arrival fails.
    pub max_attempts: u32,
}

/// What a source found, and the pipeline that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The pipeline that takes it.
    pub pipeline: String,
    /// The content.
    pub object: Object,
    /// How it was found.
    pub found_by: FoundBy,
}

/// How an object was found; decides what happens when it is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// A message of a queue, by its id. Another id than the last recorded one is
    /// a new message and queues a resting arrival again.
    Message(String),
    /// A sender that calls us, and tells no redelivery from a new message: queues
    /// a resting arrival again once it has rested for a minute, so that what is
    /// said again because our answer got lost does nothing.
    Webhook,
    /// A listing or a rescan; never queues anything again.
    Listing,
    /// A person named it (`arrivage load`); counts as no notification, and queues
    /// nothing again by itself.
    Person,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is a new arrival.
    New(ArrivalId),
    /// It was known, and stays as it is.
    Known(ArrivalId, State),
    /// It had come to rest, and is queued again.
    Requeued(ArrivalId),
    /// It is loaded, and so is a later content of its key. In an upsert, a HEAD
    /// decides whether it stands there again.
    LoadedBefore(ArrivalId),
}

impl Registered {
    /// The arrival.
    #[must_use]
    pub fn id(self) -> ArrivalId {
        match self {
            Self::New(id) | Self::Known(id, _) | Self::Requeued(id) | Self::LoadedBefore(id) => id,
        }
    }
}

/// A notification that nobody could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The source that received it.
    pub source: String,
    /// What it said, cut to [`Unreadable::MAX_BODY`] bytes.
    pub body: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Unreadable {
    /// How much of a notification is kept, in bytes.
    pub const MAX_BODY: usize = 64 * 1024;
}

/// An object that no pipeline takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Where it is.
    pub location: Location,
    /// In bytes, where known.
    pub size: Option<u64>,
    /// The source that found it.
    pub source: String,
    /// When; set by the ledger.
    pub seen_at: Option<DateTime<Utc>>,
}

/// Which arrivals a claim may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any that is due.
    Any,
    /// Any that is due; the ledger keeps which one this owner took, for its next
    /// start.
    Owner,
    /// One of these that is due.
    Among(Vec<ArrivalId>),
    /// This one, even before it is due. `taking_over`: also while this owner's
    /// own lease on it still stands, as after a crash.
    One {
        /// The arrival.
        id: ArrivalId,
        /// Also while the same owner's lease stands.
        taking_over: bool,
    },
}

/// How much may be claimed along with an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    /// At most so many further arrivals.
    pub most: usize,
    /// None of them larger than this, in bytes of the object.
    pub bytes: u64,
}

/// What a claim came to.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The arrival to load, if there is one.
    pub claim: Option<Claim>,
    /// Those whose last attempt ended without a word, with none left: they have
    /// failed now, as their claims could not say.
    pub used_up: Vec<Arrival>,
}

/// A claimed arrival: the right to load it, and where to go on.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The right.
    pub lease: Lease,
    /// Its row, as the claim left it.
    pub arrival: Arrival,
    /// Where to go on.
    pub checkpoint: Checkpoint,
    /// What its committed records were read with ([`Pipeline::reading`], hashed);
    /// nothing before the first chunk.
    ///
    /// [`Pipeline::reading`]: arrivage_model::Pipeline::reading
    pub reading: Option<String>,
    /// A replay from the start is ordered: [`Ledger::restart`] comes first.
    ///
    /// [`Ledger::restart`]: crate::Ledger::restart
    pub restart: bool,
    /// A newer content of its key is loaded, or being loaded.
    pub overtaken: bool,
    /// Consecutive claims without progress, this one included.
    pub barren: u32,
}

/// Where the rows of a chunk go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The table.
    pub table: Table,
    /// The columns of each row, in order; lineage columns are added where the
    /// table has them.
    pub columns: Vec<RowColumn>,
    /// How rows meet those that are there.
    pub mode: Mode,
    /// Whether an older content may come after a newer one.
    pub order: Order,
    /// The rows are gathered beside the table, and shown together by the last chunk.
    pub atomic: bool,
}

/// The step that one chunk makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Records up to where the chunk begins.
    pub from_records: u64,
    /// Where the chunk begins, in bytes of the decompressed stream.
    pub from_offset: u64,
    /// Where it ends.
    pub to: Checkpoint,
    /// Rows of the chunk; less than none when more gathered ones were refused.
    pub loaded: i64,
    /// Rejects of the chunk.
    pub rejected: u64,
    /// What the records were read with, hashed.
    pub reading: String,
    /// It is the last one: the arrival is loaded.
    pub last: bool,
}

/// A file that is small enough to share a transaction with others: all of it.
#[derive(Clone, Debug)]
pub struct Whole<'a> {
    /// The right to load it.
    pub lease: Lease,
    /// The records that can be loaded.
    pub rows: &'a Rows,
    /// The records that cannot.
    pub rejects: &'a [Reject],
    /// From its start to its end.
    pub advance: Advance,
}

/// How an arrival stands, seen by one that held its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Fence and lease id are still this lease's.
    pub held: bool,
    /// Its state.
    pub state: State,
    /// Records up to the checkpoint.
    pub records: u64,
    /// Decompressed bytes up to the checkpoint.
    pub offset: u64,
}

/// Which arrivals a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// With a key that this glob matches.
    pub key: Option<Pattern>,
    /// Registered at or after.
    pub since: Option<DateTime<Utc>>,
    /// Registered before.
    pub until: Option<DateTime<Utc>>,
    /// Older than this one: for the next page.
    pub before: Option<ArrivalId>,
}

/// How arrivals are queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// From the checkpoint; a loaded one stays loaded.
    Continue,
    /// From the start: its rows and rejects go when it is claimed. One that is
    /// loading stays.
    FromStart,
    /// The same, also for one that is loading: its processor is fenced.
    FromStartByForce,
    /// From the checkpoint, also for one that is loading: its processor is
    /// fenced.
    ContinueByForce,
}

/// What became of an order to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is queued.
    Queued,
    /// It is loaded, and the order was not to start over.
    AlreadyLoaded,
    /// A processor loads it now, and the order was without force.
    Loading,
    /// There is no such arrival.
    Unknown,
}

/// A record that was read but not loaded: the columns of `arrivage.rejects`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedRecord {
    /// The arrival that it came with.
    pub arrival_id: ArrivalId,
    /// 1 is the first after the header.
    pub record: i64,
    /// The line where it begins.
    pub line: i64,
    /// Where it begins in the decompressed stream.
    pub byte_offset: i64,
    /// The guilty column, where it is one.
    pub column_name: Option<String>,
    /// Why, for scripts.
    pub reason_code: String,
    /// Why, for people.
    pub reason: String,
    /// The record as it stood in the file, cut.
    pub raw: String,
    /// When.
    pub rejected_at: DateTime<Utc>,
}

/// An order that was taken under a key, so that the same one, said again, is not
/// taken twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the caller named it.
    pub key: String,
    /// Of what was ordered: another order under the same key is a mistake.
    pub fingerprint: String,
    /// What was answered.
    pub arrivals: Vec<ArrivalId>,
}

impl Request {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 255;

    /// How many are kept; the oldest go.
    pub const KEPT: i64 = 10_000;
}

/// What a pipeline has to do: a row of `arrivage.backlog`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// The pipeline.
    pub pipeline: String,
    /// Due now, or loading under an expired lease; 0 while it is paused.
    pub waiting: i64,
    /// Loading under a lease that stands.
    pub loading: i64,
    /// Both.
    pub outstanding: i64,
}

/// At most `length` bytes of the text, cut between two characters.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}
