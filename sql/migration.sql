-- Which version the database has; see octavia_tx/db/migrations.py.

-- name: migration.lock
-- One process at a time, until its transaction ends. Waiting is limited by that transaction's deadline.
SET LOCAL statement_timeout = 0;
SELECT pg_advisory_xact_lock(hashtextextended('octavia_tx.migrations', 0));

-- name: migration.exists
SELECT to_regclass('schema_version') IS NOT NULL AS present;

-- name: migration.version
SELECT max(version) AS version FROM schema_version;

-- name: migration.record
INSERT INTO schema_version (version) VALUES (%(version)s);
