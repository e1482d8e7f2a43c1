-- The places that checkpoints of compressed files carry are compressed already.
ALTER TABLE arrivage.arrival ALTER COLUMN checkpoint_state SET STORAGE EXTERNAL;
