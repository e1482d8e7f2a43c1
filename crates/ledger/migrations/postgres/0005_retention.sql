-- When the rejects of an arrival that rests were removed, and what a loaded one's checkpoint
-- kept, because they were older than database.retention. Its row stays: it is what makes a
-- content be loaded once.
ALTER TABLE arrivage.arrival ADD COLUMN pruned_at timestamptz;

-- What there is to prune, the oldest first. No column that a chunk or a heartbeat changes
-- stands in it, be it in its condition, so that those stay HOT updates.
CREATE INDEX arrival_unpruned ON arrivage.arrival (finished_at)
  WHERE state IN ('loaded', 'superseded', 'dismissed')
    AND (pruned_at IS NULL OR pruned_at < finished_at);

CREATE OR REPLACE VIEW arrivage.arrivals AS
SELECT id, pipeline, arrivage.url(store, bucket, key) AS url, store, bucket, key, etag, version_id,
  size, last_modified, sequencer, state, attempts, fence, owner, lease_until, due_at, bytes_read,
  CASE WHEN records_loaded > 0 AND state <> 'loaded'
    AND to_regclass('arrivage.staging_' || id) IS NOT NULL THEN 0 ELSE records_loaded END AS records_loaded,
  records_rejected, checkpoint_records, checkpoint_offset, duplicate_notifications, error_code, error, registered_at, started_at, finished_at,
  pruned_at
FROM arrivage.arrival;
