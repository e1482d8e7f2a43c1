-- The ledger. Times are text in UTC with milliseconds (2026-01-31T12:00:00.000Z), always
-- the database's clock, and compare as text; last_modified is the store's, in microseconds.

CREATE TABLE arrivage_pipeline (
  name          TEXT NOT NULL PRIMARY KEY,
  max_attempts  INTEGER NOT NULL CHECK (max_attempts > 0),
  paused_reason TEXT,
  paused_by_person BOOLEAN NOT NULL DEFAULT 0 CHECK (paused_by_person IN (0, 1)),
  declared_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) WITHOUT ROWID;

CREATE TABLE arrivage_arrival (
  -- AUTOINCREMENT: rows in the targets name their arrival, so no id comes twice.
  id                      INTEGER PRIMARY KEY AUTOINCREMENT,
  pipeline                TEXT NOT NULL,
  store                   TEXT NOT NULL CHECK (store IN ('s3', 'folder')),
  bucket                  TEXT NOT NULL,
  key                     TEXT NOT NULL,
  etag                    TEXT NOT NULL,
  version_id              TEXT,
  size                    INTEGER,
  last_modified           TEXT,
  sequencer               TEXT,
  state                   TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN
    ('waiting', 'loading', 'loaded', 'failed', 'superseded', 'dismissed', 'unloaded')),
  attempts                INTEGER NOT NULL DEFAULT 0,
  barren                  INTEGER NOT NULL DEFAULT 0 CHECK (barren >= 0),
  fence                   INTEGER NOT NULL DEFAULT 0,
  lease_id                TEXT,
  owner                   TEXT,
  lease_until             TEXT,
  due_at                  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  bytes_read              INTEGER NOT NULL DEFAULT 0,
  records_loaded          INTEGER NOT NULL DEFAULT 0,
  records_rejected        INTEGER NOT NULL DEFAULT 0,
  checkpoint_records      INTEGER NOT NULL DEFAULT 0,
  checkpoint_offset       INTEGER NOT NULL DEFAULT 0,
  checkpoint_state        TEXT,
  reading                 TEXT,
  restart                 BOOLEAN NOT NULL DEFAULT 0 CHECK (restart IN (0, 1)),
  duplicate_notifications INTEGER NOT NULL DEFAULT 0,
  last_message            TEXT,
  error_code              TEXT,
  error                   TEXT,
  registered_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  started_at              TEXT,
  finished_at             TEXT,
  CHECK (state <> 'loading' OR (lease_id IS NOT NULL AND lease_until IS NOT NULL)),
  -- The place first: a reconcile walks a place in the order of its keys.
  UNIQUE (store, bucket, key, etag, pipeline)
);

-- What a claim walks, oldest first, and what the backlog counts: one pipeline at a time.
CREATE INDEX arrivage_arrival_waiting ON arrivage_arrival (pipeline, due_at, id)
  WHERE state = 'waiting';
-- What the load history shows, and where the few that are loading are found.
CREATE INDEX arrivage_arrival_history ON arrivage_arrival (state, id);

CREATE TABLE arrivage_reject (
  arrival_id  INTEGER NOT NULL,
  record      INTEGER NOT NULL,
  line        INTEGER NOT NULL,
  byte_offset INTEGER NOT NULL,
  column_name TEXT,
  reason_code TEXT NOT NULL,
  reason      TEXT NOT NULL,
  raw         TEXT NOT NULL,
  rejected_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (arrival_id, record)
);

-- Which arrival a named owner (a Kubernetes Job) claimed last.
CREATE TABLE arrivage_owner (
  name       TEXT NOT NULL PRIMARY KEY,
  arrival_id INTEGER NOT NULL,
  claimed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) WITHOUT ROWID;

CREATE TABLE arrivage_unreadable_notification (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT NOT NULL,
  body        TEXT NOT NULL,
  reason      TEXT NOT NULL,
  received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE TABLE arrivage_ignored_object (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  store   TEXT NOT NULL,
  bucket  TEXT NOT NULL,
  key     TEXT NOT NULL,
  size    INTEGER,
  source  TEXT NOT NULL,
  seen_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- What an atomic load has gathered is not loaded yet.
CREATE VIEW arrivage_arrivals AS
SELECT id, pipeline,
  CASE
    WHEN store = 's3' THEN 's3://' || bucket || '/' || key
    WHEN bucket = 'local' THEN '/' || key
    ELSE 'folder://' || bucket || '/' || key
  END AS url,
  store, bucket, key, etag, version_id, size, last_modified, sequencer, state, attempts, fence,
  owner, lease_until, due_at, bytes_read,
  CASE WHEN records_loaded > 0 AND state <> 'loaded'
    AND EXISTS (SELECT 1 FROM sqlite_schema s WHERE s.name = 'arrivage_staging_' || arrivage_arrival.id)
    THEN 0 ELSE records_loaded END AS records_loaded,
  records_rejected, checkpoint_records, checkpoint_offset, duplicate_notifications, error_code, error, registered_at, started_at,
  finished_at
FROM arrivage_arrival;

CREATE VIEW arrivage_rejects AS
SELECT arrival_id, record, line, byte_offset, column_name, reason_code, reason, raw, rejected_at
FROM arrivage_reject;

CREATE VIEW arrivage_backlog AS
SELECT pipeline, waiting, loading, waiting + loading AS outstanding
FROM (
  SELECT p.name AS pipeline,
    CASE WHEN p.paused_reason IS NOT NULL THEN 0 ELSE
      (SELECT count(*) FROM arrivage_arrival a
       WHERE a.pipeline = p.name AND a.state = 'waiting'
         AND a.due_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
      + (SELECT count(*) FROM arrivage_arrival a
         WHERE a.pipeline = p.name AND a.state = 'loading'
           AND a.lease_until <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    END AS waiting,
    (SELECT count(*) FROM arrivage_arrival a
     WHERE a.pipeline = p.name AND a.state = 'loading'
       AND a.lease_until > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) AS loading
  FROM arrivage_pipeline p
);

CREATE VIEW arrivage_unreadable AS
SELECT id, source, body, reason, received_at FROM arrivage_unreadable_notification;

CREATE VIEW arrivage_ignored AS
SELECT id,
  CASE
    WHEN store = 's3' THEN 's3://' || bucket || '/' || key
    WHEN bucket = 'local' THEN '/' || key
    ELSE 'folder://' || bucket || '/' || key
  END AS url,
  bucket, key, size, source, seen_at
FROM arrivage_ignored_object;
