-- When the rejects of an arrival that rests were removed, and what a loaded one's checkpoint
-- kept, because they were older than database.retention. Its row stays: it is what makes a
-- content be loaded once.
ALTER TABLE arrivage_arrival ADD COLUMN pruned_at TEXT;

-- What there is to prune, the oldest first.
CREATE INDEX arrivage_arrival_unpruned ON arrivage_arrival (finished_at)
  WHERE state IN ('loaded', 'superseded', 'dismissed')
    AND (pruned_at IS NULL OR pruned_at < finished_at);

-- Beside arrivage_arrivals, whose columns stay as they are: a process of the version before
-- reads all of them, by statements that it keeps.
CREATE VIEW arrivage_pruned AS
SELECT id AS arrival_id, pruned_at FROM arrivage_arrival WHERE pruned_at IS NOT NULL;
