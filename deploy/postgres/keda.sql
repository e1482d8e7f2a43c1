-- The role with which KEDA reads the backlog: that view and nothing else, for two seconds at most.
-- To be run by the owner of the ledger, once `arrivage migrate` (or any start) has made it:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -v role=arrivage_keda -v password="$KEDA_PASSWORD" -f deploy/postgres/keda.sql
-- May be run again: it then sets the password and the limits anew.
--
-- Choose a password without blanks, quotes and backslashes: KEDA writes it into a connection string.

SELECT format('CREATE ROLE %I', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT 5 PASSWORD :'password';

-- The view answers in milliseconds; where it does not, an autoscaler must not make it worse.
ALTER ROLE :"role" SET statement_timeout = '2s';
ALTER ROLE :"role" SET lock_timeout = '1s';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE :"role" SET default_transaction_read_only = on;

GRANT USAGE ON SCHEMA arrivage TO :"role";
GRANT SELECT ON arrivage.backlog TO :"role";
