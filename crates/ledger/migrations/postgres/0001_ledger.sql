-- The ledger. Columns that every heartbeat changes (lease_until) stand in no index,
-- so that a renewal is a HOT update; the fill factor leaves it room on its page.

CREATE TABLE arrivage.pipeline (
  name          text COLLATE "C" PRIMARY KEY,
  max_attempts  integer NOT NULL CHECK (max_attempts > 0),
  paused_reason text,
  paused_by_person boolean NOT NULL DEFAULT false,
  declared_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE arrivage.arrival (
  id                      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline                text COLLATE "C" NOT NULL,
  store                   text COLLATE "C" NOT NULL CHECK (store IN ('s3', 'folder')),
  bucket                  text COLLATE "C" NOT NULL,
  key                     text COLLATE "C" NOT NULL,
  etag                    text COLLATE "C" NOT NULL,
  version_id              text COLLATE "C",
  size                    bigint,
  last_modified           timestamptz,
  sequencer               text COLLATE "C",
  state                   text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN
    ('waiting', 'loading', 'loaded', 'failed', 'superseded', 'dismissed', 'unloaded')),
  attempts                integer NOT NULL DEFAULT 0,
  barren                  integer NOT NULL DEFAULT 0 CHECK (barren >= 0),
  fence                   bigint NOT NULL DEFAULT 0,
  lease_id                uuid,
  owner                   text,
  lease_until             timestamptz,
  due_at                  timestamptz NOT NULL DEFAULT now(),
  bytes_read              bigint NOT NULL DEFAULT 0,
  records_loaded          bigint NOT NULL DEFAULT 0,
  records_rejected        bigint NOT NULL DEFAULT 0,
  checkpoint_records      bigint NOT NULL DEFAULT 0,
  checkpoint_offset       bigint NOT NULL DEFAULT 0,
  checkpoint_state        text,
  reading                 text,
  restart                 boolean NOT NULL DEFAULT false,
  duplicate_notifications bigint NOT NULL DEFAULT 0,
  last_message            text COLLATE "C",
  error_code              text COLLATE "C",
  error                   text,
  registered_at           timestamptz NOT NULL DEFAULT now(),
  started_at              timestamptz,
  finished_at             timestamptz,
  CHECK (state <> 'loading' OR (lease_id IS NOT NULL AND lease_until IS NOT NULL)),
  -- The place first: a reconcile walks a place in the order of its keys.
  UNIQUE (store, bucket, key, etag, pipeline)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- What a claim walks, oldest first.
CREATE INDEX arrival_due ON arrivage.arrival (due_at, id) WHERE state = 'waiting';
CREATE INDEX arrival_loading ON arrivage.arrival (id) WHERE state = 'loading';
-- What the backlog counts.
CREATE INDEX arrival_waiting ON arrivage.arrival (pipeline, due_at) WHERE state = 'waiting';
-- What the load history shows.
CREATE INDEX arrival_history ON arrivage.arrival (state, id);

CREATE TABLE arrivage.reject (
  arrival_id  bigint NOT NULL,
  record      bigint NOT NULL,
  line        bigint NOT NULL,
  byte_offset bigint NOT NULL,
  column_name text,
  reason_code text COLLATE "C" NOT NULL,
  reason      text NOT NULL,
  raw         text NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (arrival_id, record)
);

-- Which arrival a named owner (a Kubernetes Job) claimed last.
CREATE TABLE arrivage.owner (
  name       text COLLATE "C" PRIMARY KEY,
  arrival_id bigint NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE arrivage.unreadable_notification (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text NOT NULL,
  body        text NOT NULL,
  reason      text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE arrivage.ignored_object (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  store   text COLLATE "C" NOT NULL,
  bucket  text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  size    bigint,
  source  text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION arrivage.url(store text, bucket text, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN store = 's3' THEN 's3://' || bucket || '/' || key
    WHEN bucket = 'local' THEN '/' || key
    ELSE 'folder://' || bucket || '/' || key
  END
$$;

-- Whether a newer content of the arrival's key is loaded, half loaded or being loaded. Newer is, in
-- this order: the later last_modified, to the second, because listings and HEAD tell no
-- more; the greater sequencer (hexadecimal, of any length); what was registered later.
CREATE FUNCTION arrivage.is_overtaken(p_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM arrivage.arrival a
    JOIN arrivage.arrival b USING (pipeline, store, bucket, key)
    WHERE a.id = p_id AND b.id <> a.id
      AND (b.state IN ('loading', 'loaded')
        OR b.records_loaded > 0 AND b.state IN ('waiting', 'failed', 'dismissed'))
      AND CASE
      WHEN date_trunc('second', b.last_modified) <> date_trunc('second', a.last_modified)
        THEN b.last_modified > a.last_modified
      WHEN rpad(lower(b.sequencer), 64, '0') <> rpad(lower(a.sequencer), 64, '0')
        THEN rpad(lower(b.sequencer), 64, '0') > rpad(lower(a.sequencer), 64, '0')
      ELSE b.id > a.id END)
$$;

-- The last statement of every chunk. It raises when the lease does not stand, when the
-- checkpoint is not where the chunk begins, and when only the newest content of a key may
-- load and this is not it; so that such a transaction cannot commit.
CREATE FUNCTION arrivage.advance(
  p_id bigint, p_fence bigint, p_lease uuid,
  p_from_records bigint, p_from_offset bigint,
  p_records bigint, p_offset bigint, p_bytes_read bigint, p_state text,
  p_loaded bigint, p_rejected bigint, p_reading text, p_last boolean, p_newest boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_newest AND arrivage.is_overtaken(p_id) THEN
    RAISE EXCEPTION 'arrival %: a newer content of its key is loaded or being loaded', p_id
      USING ERRCODE = 'ZA002';
  END IF;
  UPDATE arrivage.arrival SET
    checkpoint_records = p_records,
    checkpoint_offset = p_offset,
    checkpoint_state = p_state,
    bytes_read = p_bytes_read,
    records_loaded = records_loaded + p_loaded,
    records_rejected = records_rejected + p_rejected,
    reading = p_reading,
    barren = CASE WHEN p_last OR p_records > p_from_records OR p_offset > p_from_offset
      THEN 0 ELSE barren END,
    state = CASE WHEN p_last THEN 'loaded' ELSE state END,
    lease_until = CASE WHEN p_last THEN NULL ELSE lease_until END,
    finished_at = CASE WHEN p_last THEN clock_timestamp() ELSE finished_at END,
    error_code = CASE WHEN p_last THEN NULL ELSE error_code END,
    error = CASE WHEN p_last THEN NULL ELSE error END
  WHERE id = p_id AND fence = p_fence AND lease_id = p_lease AND state = 'loading'
    AND checkpoint_records = p_from_records AND checkpoint_offset = p_from_offset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'arrival %: the lease does not stand, or the checkpoint is elsewhere', p_id
      USING ERRCODE = 'ZA001';
  END IF;
END
$$;

-- What an atomic load has gathered is not loaded yet.
CREATE VIEW arrivage.arrivals AS
SELECT id, pipeline, arrivage.url(store, bucket, key) AS url, store, bucket, key, etag, version_id,
  size, last_modified, sequencer, state, attempts, fence, owner, lease_until, due_at, bytes_read,
  CASE WHEN records_loaded > 0 AND state <> 'loaded'
    AND to_regclass('arrivage.staging_' || id) IS NOT NULL THEN 0 ELSE records_loaded END AS records_loaded,
  records_rejected, checkpoint_records, checkpoint_offset, duplicate_notifications, error_code, error, registered_at, started_at, finished_at
FROM arrivage.arrival;

CREATE VIEW arrivage.rejects AS
SELECT arrival_id, record, line, byte_offset, column_name, reason_code, reason, raw, rejected_at
FROM arrivage.reject;

CREATE VIEW arrivage.backlog AS
SELECT pipeline, waiting, loading, waiting + loading AS outstanding
FROM (
  SELECT p.name AS pipeline,
    CASE WHEN p.paused_reason IS NOT NULL THEN 0 ELSE
      (SELECT count(*) FROM arrivage.arrival a
       WHERE a.pipeline = p.name AND a.state = 'waiting' AND a.due_at <= now())
      + (SELECT count(*) FROM arrivage.arrival a
         WHERE a.pipeline = p.name AND a.state = 'loading' AND a.lease_until <= now())
    END AS waiting,
    (SELECT count(*) FROM arrivage.arrival a
     WHERE a.pipeline = p.name AND a.state = 'loading' AND a.lease_until > now()) AS loading
  FROM arrivage.pipeline p
) counted;

CREATE VIEW arrivage.unreadable AS
SELECT id, source, body, reason, received_at FROM arrivage.unreadable_notification;

CREATE VIEW arrivage.ignored AS
SELECT id, arrivage.url(store, bucket, key) AS url, bucket, key, size, source, seen_at
FROM arrivage.ignored_object;
