use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrivage_ledger::{
    Advance, Claim, Claimed, Declared, Destination, FoundBy, LedgerError, Registered, Registration,
    Scope, SharedLedger,
};
use arrivage_model::{
    Arrival, ArrivalId, Checkpoint, ColumnType, ETag, Failure, Lease, Location, Mode, Object,
    Order, Place, ReasonCode, Reject, RowColumn, Rows,
};

use super::Database;

/// A migrated ledger with the pipelines `orders` and `other` (three attempts each), and the
/// words that most cases speak in.
pub(crate) struct World<D> {
    pub(crate) database: D,
    pub(crate) ledger: SharedLedger,
}

/// Far longer than any test.
pub(crate) const LEASE: Duration = Duration::from_secs(3600);

impl<D: Database> World<D> {
    pub(crate) async fn new() -> Self {
        let world = Self::over(D::create().await);
        world.ledger.migrate().await.expect("migrates");
        world.declare().await;
        world
    }

    /// A ledger with connections of its own on a database.
    pub(crate) fn over(database: D) -> Self {
        let ledger = database.ledger();
        Self { database, ledger }
    }

    /// Makes the pipelines `orders` and `other` known.
    pub(crate) async fn declare(&self) {
        let declared = ["orders", "other"].map(|name| Declared {
            name: name.to_owned(),
            max_attempts: 3,
        });
        self.ledger.declare(&declared).await.expect("declares");
    }

    /// Registers an object of `orders`, and says which arrival it is.
    pub(crate) async fn register(&self, key: &str) -> ArrivalId {
        self.notify(found(key)).await.id()
    }

    pub(crate) async fn notify(&self, registration: Registration) -> Registered {
        let answers = self.ledger.register(&[registration]).await;
        answers.expect("registers")[0]
    }

    /// What `owner` claims of `orders` now.
    pub(crate) async fn try_claim(&self, owner: &str, scope: Scope) -> Option<Claim> {
        self.claimed(owner, scope).await.claim
    }

    /// The same, with those that it found used up.
    pub(crate) async fn claimed(&self, owner: &str, scope: Scope) -> Claimed {
        let pipelines = ["orders".to_owned()];
        let claimed = self.ledger.claim(&pipelines, &scope, owner, LEASE).await;
        claimed.expect("the claim is answered")
    }

    pub(crate) async fn claim(&self, owner: &str) -> Claim {
        let claim = self.try_claim(owner, Scope::Any).await;
        claim.expect("something is claimable")
    }

    pub(crate) async fn arrival(&self, id: ArrivalId) -> Arrival {
        let arrival = self.ledger.arrival(id).await.expect("is answered");
        arrival.expect("it is there")
    }

    /// Lets the lease run out, as if its processor had been silent for long.
    pub(crate) async fn expire(&self, id: ArrivalId) {
        self.set(id, &format!("lease_until = {}", D::moment(-1)))
            .await;
    }

    /// Changes columns of an arrival behind the ledger's back.
    pub(crate) async fn set(&self, id: ArrivalId, assignments: &str) {
        let table = self.table("arrival");
        self.database
            .sql(&format!("UPDATE {table} SET {assignments} WHERE id = {id}"))
            .await;
    }

    /// The database's name of a table or view of the ledger.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}{name}", D::LEDGER)
    }

    /// Makes the table that [`Self::destination`] loads into, and looks at it.
    pub(crate) async fn destination(&self) -> Destination {
        self.database
            .sql("CREATE TABLE orders (number bigint, _arrival_id bigint, _record bigint)")
            .await;
        self.destination_of("orders").await
    }

    pub(crate) async fn destination_of(&self, table: &str) -> Destination {
        let name = table.parse().expect("a table's name");
        Destination {
            table: self
                .ledger
                .table(&name)
                .await
                .expect("the table is loadable"),
            columns: vec![column("number", ColumnType::BigInt)],
            order: Order::Any,
            atomic: false,
            mode: Mode::Append,
        }
    }

    /// Loads one chunk of numbers that stand in consecutive records, and commits it.
    pub(crate) async fn load(
        &self,
        lease: &Lease,
        destination: &Destination,
        from: &Checkpoint,
        numbers: &[i64],
    ) -> Result<Checkpoint, LedgerError> {
        let advance = advance(from, numbers.len() as u64, 0);
        let mut chunk = self.ledger.begin(lease, destination).await?;
        chunk
            .load(&numbers_from(from.records, numbers), 0..numbers.len())
            .await?;
        chunk.commit(&advance).await?;
        Ok(advance.to)
    }

    /// Claims the arrival and loads all of it in one chunk.
    pub(crate) async fn load_whole(
        &self,
        id: ArrivalId,
        destination: &Destination,
        numbers: &[i64],
    ) {
        let scope = Scope::One {
            id,
            taking_over: false,
        };
        let claim = self.try_claim("loader", scope).await.expect("claimable");
        let advance = last(advance(&claim.checkpoint, numbers.len() as u64, 0));
        let chunk = self.ledger.begin(&claim.lease, destination).await;
        let mut chunk = chunk.expect("begins");
        let rows = numbers_from(claim.checkpoint.records, numbers);
        chunk.load(&rows, 0..rows.len()).await.expect("loads");
        chunk.commit(&advance).await.expect("commits");
    }

    /// The numbers in the table, in order.
    pub(crate) async fn numbers(&self, table: &str) -> Vec<i64> {
        let sql = format!("SELECT number FROM {table} ORDER BY number");
        let lines = self.database.sql(&sql).await;
        lines
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect()
    }

    /// How many rows a table or view of the ledger has.
    pub(crate) async fn count(&self, name: &str) -> usize {
        let sql = format!("SELECT count(*) FROM {}", self.table(name));
        self.database
            .sql(&sql)
            .await
            .trim()
            .parse()
            .expect("a count")
    }
}

/// An object of `orders` that a message told of; each call is another message.
pub(crate) fn found(key: &str) -> Registration {
    static MESSAGES: AtomicU64 = AtomicU64::new(0);
    let message = MESSAGES.fetch_add(1, Ordering::Relaxed);
    Registration {
        pipeline: "orders".to_owned(),
        object: object(key, "e1"),
        found_by: FoundBy::Message(format!("message-{message}")),
    }
}

pub(crate) fn object(key: &str, etag: &str) -> Object {
    Object {
        location: Location::s3("drop", key),
        etag: ETag::parse(etag).expect("a tag"),
        version_id: None,
        size: Some(10),
        last_modified: None,
        sequencer: None,
    }
}

pub(crate) fn column(name: &str, kind: ColumnType) -> RowColumn {
    RowColumn {
        name: name.to_owned(),
        kind,
    }
}

pub(crate) fn failure(message: &str) -> Failure {
    Failure {
        code: None,
        message: message.to_owned(),
    }
}

/// Rows of one column; the first stands in the record after `records`.
pub(crate) fn numbers_from(records: u64, numbers: &[i64]) -> Rows {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let cells: Vec<[Option<&str>; 1]> = texts.iter().map(|text| [Some(text.as_str())]).collect();
    rows_from(records, &cells)
}

pub(crate) fn rows_from<const WIDTH: usize>(records: u64, cells: &[[Option<&str>; WIDTH]]) -> Rows {
    let mut rows = Rows::new(WIDTH);
    for (nth, row) in cells.iter().enumerate() {
        for cell in row {
            match cell {
                Some(text) => rows
                    .push(|out| {
                        out.extend_from_slice(text.as_bytes());
                        Ok::<(), ()>(())
                    })
                    .expect("text"),
                None => rows.push_null(),
            }
        }
        let record = records + 1 + nth as u64;
        rows.complete(Place {
            record,
            line: record,
            byte_offset: (record - 1) * 10,
            length: 10,
        });
    }
    rows
}

pub(crate) fn reject(record: u64) -> Reject {
    Reject {
        record,
        line: record + 1,
        byte_offset: (record - 1) * 10,
        column: Some("number".to_owned()),
        code: ReasonCode::NotANumber,
        reason: "\"x\" is no number".to_owned(),
        raw: "x;'\u{FFFD}é".to_owned(),
    }
}

/// The step over so many rows and rejects; every record has ten bytes, five as stored.
pub(crate) fn advance(from: &Checkpoint, loaded: u64, rejected: u64) -> Advance {
    let records = from.records + loaded + rejected;
    Advance {
        from_records: from.records,
        from_offset: from.offset,
        to: Checkpoint {
            records,
            offset: records * 10,
            bytes_read: records * 5,
            state: Some(format!("after {records}")),
        },
        loaded: loaded.cast_signed(),
        rejected,
        reading: "as declared".to_owned(),
        last: false,
    }
}

/// The same step as the arrival's last.
pub(crate) fn last(advance: Advance) -> Advance {
    Advance {
        last: true,
        ..advance
    }
}
