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

-- As before, but planned once for each connection: a function in SQL is planned for each statement.
CREATE OR REPLACE FUNCTION arrivage.is_overtaken(p_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (
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
      ELSE b.id > a.id END);
END
$$;
