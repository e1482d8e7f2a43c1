-- When the rejects of an arrival that rests were removed, and what a loaded one's checkpoint
-- kept, because they were older than database.retention. Its row stays: it is what makes a
-- content be loaded once.
ALTER TABLE arrivage_arrival ADD COLUMN pruned_at TEXT;

-- What there is to prune, the oldest first.
CREATE INDEX arrivage_arrival_unpruned ON arrivage_arrival (finished_at)
  WHERE state IN ('loaded', 'superseded', 'dismissed')
    AND (pruned_at IS NULL OR pruned_at < finished_at);

DROP VIEW arrivage_arrivals;
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
  finished_at, pruned_at
FROM arrivage_arrival;
