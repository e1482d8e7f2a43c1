macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal, $moment:ident;)+) => {
        /// A place in the program: all of them, and what is true when one is reached.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Point {
            $($(#[$doc])* $point,)+
        }

        #[cfg(debug_assertions)]
        impl Point {
            /// Every place.
            pub const ALL: &[Self] = &[$(Self::$point),+];

            /// As `ARRIVAGE_FAULT` and stderr name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }

            /// Whether what was asked has taken effect: only its answer can get lost here.
            #[must_use]
            pub fn is_after(self) -> bool {
                match self {
                    $(Self::$point => points!(@is_after $moment),)+
                }
            }
        }
    };
    (@is_after before) => { false };
    (@is_after after) => { true };
}

points! {
    /// A command that listens to signals has begun, and read nothing yet.
    SignalsCaught = "signals.caught", before;

    /// The transaction of a chunk is open, and nothing is in it.
    ChunkBegun = "chunk.begun", before;
    /// A chunk's rows are on their way into the table.
    ChunkCopying = "chunk.copying", before;
    /// A chunk's rows and rejects are in its transaction, and the checkpoint is not.
    ChunkCopied = "chunk.copied", before;
    /// The checkpoint has moved in the chunk's transaction.
    ChunkBeforeCommit = "chunk.before_commit", before;
    /// A chunk is committed.
    ChunkCommitted = "chunk.committed", after;

    /// Somebody begins to look for an arrival to claim.
    ClaimBegun = "claim.begun", before;
    /// An arrival is claimed.
    ClaimCommitted = "claim.committed", after;
    /// A lease is about to be renewed.
    RenewBegun = "renew.begun", before;
    /// A lease is renewed.
    RenewCommitted = "renew.committed", after;
    /// It is about to be asked what became of a chunk.
    StandingBegun = "standing.begun", before;

    /// A replay from the start has removed rows and rejects, and not moved the fence.
    RestartRemoved = "restart.removed", before;
    /// A replay from the start has moved the fence.
    RestartBeforeCommit = "restart.before_commit", before;
    /// The arrival is back at its start.
    RestartCommitted = "restart.committed", after;

    /// The arrival waits again, in a transaction.
    GiveBackBeforeCommit = "give_back.before_commit", before;
    /// The arrival waits again.
    GiveBackCommitted = "give_back.committed", after;
    /// The attempt is counted as failed, in a transaction.
    RetryLaterBeforeCommit = "retry_later.before_commit", before;
    /// The attempt is counted as failed.
    RetryLaterCommitted = "retry_later.committed", after;
    /// The arrival is failed, in a transaction.
    FailBeforeCommit = "fail.before_commit", before;
    /// The arrival is failed.
    FailCommitted = "fail.committed", after;
    /// The arrival is superseded and its rows are removed, in a transaction.
    SupersedeBeforeCommit = "supersede.before_commit", before;
    /// The arrival is superseded.
    SupersedeCommitted = "supersede.committed", after;

    /// What a source found is about to be registered.
    RegisterBegun = "register.begun", before;
    /// What a source found is registered.
    RegisterCommitted = "register.committed", after;
    /// Messages have left the queue for the time of their visibility timeout.
    QueueReceived = "queue.received", after;
    /// Messages are recorded, and about to be acknowledged.
    QueueBeforeDelete = "queue.before_delete", before;
    /// Messages are acknowledged.
    QueueDeleted = "queue.deleted", after;

    /// The migration may begin: it has its lock, and its table.
    MigratePrepared = "migrate.prepared", before;
    /// One more migration is applied, in the transaction of all.
    MigrateApplied = "migrate.applied", before;
    /// The ledger is migrated.
    MigrateCommitted = "migrate.committed", after;
}
