-- Traffic counters; how they add up is told at listener_statistics in schema.sql.

-- name: statistics.merge
-- Known listeners only, locked in one order so that none vanishes meanwhile and no two receivers wait for each other.
WITH given AS (
    SELECT * FROM jsonb_populate_recordset(NULL::listener_statistics, %(rows)s::jsonb)
), known AS (
    SELECT id FROM listener WHERE id IN (SELECT listener_id FROM given) ORDER BY id FOR KEY SHARE
)
INSERT INTO listener_statistics AS s (
    listener_id, amphora_id, epoch, active_connections, bytes_in, bytes_out, request_errors, total_connections
)
SELECT listener_id, amphora_id, epoch, active_connections, bytes_in, bytes_out, request_errors, total_connections
FROM given JOIN known ON known.id = given.listener_id
ORDER BY listener_id, amphora_id, epoch
ON CONFLICT (listener_id, amphora_id, epoch) DO UPDATE
SET active_connections = excluded.active_connections,
    bytes_in = greatest(s.bytes_in, excluded.bytes_in),
    bytes_out = greatest(s.bytes_out, excluded.bytes_out),
    request_errors = greatest(s.request_errors, excluded.request_errors),
    total_connections = greatest(s.total_connections, excluded.total_connections),
    updated_at = now();

-- name: statistics.add
WITH given AS (
    SELECT * FROM jsonb_populate_recordset(NULL::listener_statistics, %(rows)s::jsonb)
), known AS (
    SELECT id FROM listener WHERE id IN (SELECT listener_id FROM given) ORDER BY id FOR KEY SHARE
)
INSERT INTO listener_statistics AS s (
    listener_id, amphora_id, epoch, active_connections, bytes_in, bytes_out, request_errors, total_connections
)
SELECT listener_id, amphora_id, epoch, active_connections, bytes_in, bytes_out, request_errors, total_connections
FROM given JOIN known ON known.id = given.listener_id
ORDER BY listener_id, amphora_id, epoch
ON CONFLICT (listener_id, amphora_id, epoch) DO UPDATE
SET active_connections = excluded.active_connections,
    bytes_in = s.bytes_in + excluded.bytes_in,
    bytes_out = s.bytes_out + excluded.bytes_out,
    request_errors = s.request_errors + excluded.request_errors,
    total_connections = s.total_connections + excluded.total_connections,
    updated_at = now();

-- name: statistics.find
-- Of one listener, or of all those of a load balancer or of a project. Connections are open only where they were reported lately: a
-- worker that ended doesn't say so.
SELECT
    coalesce(sum(s.active_connections) FILTER (WHERE s.updated_at > now() - interval '30 seconds'), 0)::bigint
        AS active_connections,
    coalesce(sum(s.bytes_in), 0)::bigint AS bytes_in,
    coalesce(sum(s.bytes_out), 0)::bigint AS bytes_out,
    coalesce(sum(s.request_errors), 0)::bigint AS request_errors,
    coalesce(sum(s.total_connections), 0)::bigint AS total_connections
FROM listener_statistics s JOIN listener l ON l.id = s.listener_id
WHERE (%(listener_id)s::uuid IS NULL OR l.id = %(listener_id)s::uuid)
  AND (%(load_balancer_id)s::uuid IS NULL OR l.load_balancer_id = %(load_balancer_id)s::uuid)
  AND (%(project_id)s::text IS NULL OR l.project_id = %(project_id)s::text);

-- name: statistics.of_amphora
-- By listener; each has a load balancer, and the amphora serves that alone.
SELECT l.id AS listener_id, l.load_balancer_id,
    coalesce(sum(s.active_connections) FILTER (WHERE s.updated_at > now() - interval '30 seconds'), 0)::bigint
        AS active_connections,
    sum(s.bytes_in)::bigint AS bytes_in, sum(s.bytes_out)::bigint AS bytes_out,
    sum(s.request_errors)::bigint AS request_errors, sum(s.total_connections)::bigint AS total_connections
FROM amphora a
JOIN listener l ON l.load_balancer_id = a.load_balancer_id
JOIN listener_statistics s ON s.listener_id = l.id AND s.amphora_id = a.id
WHERE a.id = %(amphora_id)s::uuid
GROUP BY l.id
ORDER BY l.created_at, l.id;
