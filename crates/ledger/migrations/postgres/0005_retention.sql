-- When the rejects of an arrival that rests were removed, and what a loaded one's checkpoint
-- kept, because they were older than database.retention. Its row stays: it is what makes a
-- content be loaded once.
ALTER TABLE arrivage.arrival ADD COLUMN pruned_at timestamptz;

-- What there is to prune, the oldest first. No column that a chunk or a heartbeat changes
-- stands in it, be it in its condition, so that those stay HOT updates.
CREATE INDEX arrival_unpruned ON arrivage.arrival (finished_at)
  WHERE state IN ('loaded', 'superseded', 'dismissed')
    AND (pruned_at IS NULL OR pruned_at < finished_at);

-- Beside arrivage.arrivals, whose columns stay as they are: a process of the version before
-- reads all of them.
CREATE VIEW arrivage.pruned AS
SELECT id AS arrival_id, pruned_at FROM arrivage.arrival WHERE pruned_at IS NOT NULL;
