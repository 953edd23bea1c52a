-- Who works on which load balancer.

-- name: lease.claim
UPDATE convergence c
SET holder = %(holder)s::uuid, expires_at = now() + %(seconds)s * interval '1 second', fence = c.fence + 1,
    woken = false
FROM load_balancer b
WHERE b.id = c.load_balancer_id AND c.load_balancer_id = (
    SELECT load_balancer_id FROM convergence
    WHERE NOT settled AND due_at <= now() AND (holder IS NULL OR expires_at <= now())
    ORDER BY due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING c.load_balancer_id, c.holder, c.fence, c.attempts, c.pending_since, b.revision;

-- name: lease.renew
UPDATE convergence SET expires_at = now() + %(seconds)s * interval '1 second'
WHERE load_balancer_id = %(load_balancer_id)s::uuid AND holder = %(holder)s::uuid AND fence = %(fence)s;

-- name: lease.progress
UPDATE convergence SET step = %(step)s
WHERE load_balancer_id = %(load_balancer_id)s::uuid AND holder = %(holder)s::uuid AND fence = %(fence)s;

-- name: lease.settle
-- The load balancer's row is locked before its revisions are looked at: a change that is being committed is waited for,
-- and one that comes later finds this row settled and unsettles it. So no change is overlooked.
WITH b AS (
    SELECT revision, applied_revision FROM load_balancer WHERE id = %(load_balancer_id)s::uuid FOR SHARE
)
UPDATE convergence c
SET settled = b.revision = b.applied_revision AND NOT c.woken,
    due_at = now(), pending_since = now(), holder = NULL, expires_at = NULL,
    attempts = 0, step = NULL, last_error = NULL, last_error_at = NULL
FROM b
WHERE c.load_balancer_id = %(load_balancer_id)s::uuid AND c.holder = %(holder)s::uuid AND c.fence = %(fence)s;

-- name: lease.postpone
-- What came since the claim, a fact or a revision, may have mended it: then it is due at once.
WITH b AS (
    SELECT revision FROM load_balancer WHERE id = %(load_balancer_id)s::uuid FOR SHARE
)
UPDATE convergence c
SET attempts = c.attempts + 1, step = %(step)s, last_error = %(sentence)s, last_error_at = now(), holder = NULL,
    expires_at = NULL,
    due_at = now() + CASE WHEN c.woken OR b.revision > %(revision)s THEN 0 ELSE %(seconds)s END * interval '1 second'
FROM b
WHERE c.load_balancer_id = %(load_balancer_id)s::uuid AND c.holder = %(holder)s::uuid AND c.fence = %(fence)s;

-- name: lease.defer
-- As it is postponed, but nothing has failed.
WITH b AS (
    SELECT revision FROM load_balancer WHERE id = %(load_balancer_id)s::uuid FOR SHARE
)
UPDATE convergence c
SET attempts = 0, step = %(step)s, last_error = NULL, holder = NULL, expires_at = NULL, pending_since = now(),
    due_at = now() + CASE WHEN c.woken OR b.revision > %(revision)s THEN 0 ELSE %(seconds)s END * interval '1 second'
FROM b
WHERE c.load_balancer_id = %(load_balancer_id)s::uuid AND c.holder = %(holder)s::uuid AND c.fence = %(fence)s;

-- name: lease.wake
WITH woken AS (
    UPDATE convergence
    SET woken = true, settled = false, due_at = now(),
        pending_since = CASE WHEN settled THEN now() ELSE pending_since END
    WHERE load_balancer_id = %(load_balancer_id)s::uuid
    RETURNING load_balancer_id
)
SELECT pg_notify('octavia_tx_work', load_balancer_id::text) FROM woken;

-- name: lease.find
SELECT {{own_columns}}
FROM (SELECT load_balancer_id AS id, c.* FROM convergence c) AS t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;
