-- Orders that were taken under a key (Idempotency-Key), so that the same one, said again,
-- is answered with the same arrivals.
CREATE TABLE arrivage.request (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key         text COLLATE "C" NOT NULL UNIQUE,
  fingerprint text COLLATE "C" NOT NULL,
  arrivals    bigint[] NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
