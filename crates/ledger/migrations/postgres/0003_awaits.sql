-- The sidecar that an arrival waits for (its key; it stands in the arrival's own bucket), since
-- when, and the claim that looked for it last: by that, another wait is told from this one.
ALTER TABLE arrivage.arrival
  ADD COLUMN awaits       text COLLATE "C",
  ADD COLUMN awaits_since timestamptz,
  ADD COLUMN awaits_fence bigint;

-- What a sidecar that comes has to find.
CREATE INDEX arrival_awaiting ON arrivage.arrival (bucket, awaits)
  WHERE state = 'waiting' AND awaits IS NOT NULL;
