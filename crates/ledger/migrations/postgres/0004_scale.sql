-- The places that checkpoints of compressed files carry are compressed already.
ALTER TABLE arrivage.arrival ALTER COLUMN checkpoint_state SET STORAGE EXTERNAL;

-- The load history of a pipeline that has few arrivals among many.
CREATE INDEX arrival_of_pipeline ON arrivage.arrival (pipeline, id);

-- The same numbers, each arrival counted once, whatever the planner takes the pipelines to be.
CREATE OR REPLACE VIEW arrivage.backlog AS
SELECT p.name AS pipeline, n.waiting, n.loading, n.waiting + n.loading AS outstanding
FROM arrivage.pipeline p
LEFT JOIN (
  SELECT pipeline, count(*) AS due FROM arrivage.arrival
  WHERE state = 'waiting' AND due_at <= now() GROUP BY pipeline
) w ON w.pipeline = p.name
LEFT JOIN (
  SELECT pipeline, count(*) FILTER (WHERE lease_until <= now()) AS expired,
    count(*) FILTER (WHERE lease_until > now()) AS held
  FROM arrivage.arrival WHERE state = 'loading' GROUP BY pipeline
) l ON l.pipeline = p.name
CROSS JOIN LATERAL (
  SELECT CASE WHEN p.paused_reason IS NOT NULL THEN 0
      ELSE coalesce(w.due, 0) + coalesce(l.expired, 0) END AS waiting,
    coalesce(l.held, 0) AS loading
) n;
