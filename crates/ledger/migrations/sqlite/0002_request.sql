-- Orders that were taken under a key (Idempotency-Key), so that the same one, said again,
-- is answered with the same arrivals (a JSON list of ids).
CREATE TABLE arrivage_request (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  key         TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,
  arrivals    TEXT NOT NULL,
  received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
