-- How objects fare in traffic. Only rows that differ are written, locked in one order so that no two receivers wait for
-- each other; nothing but operating_status is touched.

-- name: operating.member
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(statuses)s::text[]) AS g (id, status)
), those AS (
    SELECT t.id, g.status FROM member t JOIN given g ON g.id = t.id
    WHERE t.operating_status <> g.status
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE member t SET operating_status = those.status FROM those WHERE t.id = those.id;

-- name: operating.pool
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(statuses)s::text[]) AS g (id, status)
), those AS (
    SELECT t.id, g.status FROM pool t JOIN given g ON g.id = t.id
    WHERE t.operating_status <> g.status
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE pool t SET operating_status = those.status FROM those WHERE t.id = those.id;

-- name: operating.listener
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(statuses)s::text[]) AS g (id, status)
), those AS (
    SELECT t.id, g.status FROM listener t JOIN given g ON g.id = t.id
    WHERE t.operating_status <> g.status
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE listener t SET operating_status = those.status FROM those WHERE t.id = those.id;

-- name: operating.load_balancer
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(statuses)s::text[]) AS g (id, status)
), those AS (
    SELECT t.id, g.status FROM load_balancer t JOIN given g ON g.id = t.id
    WHERE t.operating_status <> g.status
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE load_balancer t SET operating_status = those.status FROM those WHERE t.id = those.id;

-- name: operating.watched
-- The members of pools that are checked from now on, or no more, until amphorae say how they are.
UPDATE member
SET operating_status = CASE WHEN %(watched)s THEN 'OFFLINE' ELSE 'NO_MONITOR' END
WHERE pool_id = ANY (%(pool_ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE'
  AND admin_state_up AND weight > 0 AND incomplete IS NULL
  AND operating_status = ANY (CASE WHEN %(watched)s THEN '{NO_MONITOR}' ELSE '{ONLINE,OFFLINE,ERROR,DEGRADED}' END::text[]);
