-- The sidecar that an arrival waits for (its key; it stands in the arrival's own bucket), since
-- when, and the claim that looked for it last: by that, another wait is told from this one.
ALTER TABLE arrivage_arrival ADD COLUMN awaits TEXT;
ALTER TABLE arrivage_arrival ADD COLUMN awaits_since TEXT;
ALTER TABLE arrivage_arrival ADD COLUMN awaits_fence INTEGER;

-- What a sidecar that comes has to find.
CREATE INDEX arrivage_arrival_awaiting ON arrivage_arrival (bucket, awaits)
  WHERE state = 'waiting' AND awaits IS NOT NULL;
