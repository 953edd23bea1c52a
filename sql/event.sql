-- Events, in the order of (transaction, id). They are settled up to the oldest transaction that is still under way: in that
-- order nothing will ever appear before them. Each statement here sees one moment, so what it says belongs together.

-- name: event.after
-- The settled ones behind a place, and where all of the settled ones end. At least one row: without an event, if there's
-- none.
SELECT
    edge.transaction::text AS edge_transaction, edge.id AS edge_id,
    EXISTS (SELECT FROM event u WHERE u.transaction >= pg_snapshot_xmin(pg_current_snapshot())) AS unsettled,
    e.transaction::text AS transaction, e.id, e.at, e.kind, e.object_id, e.load_balancer_id, e.project_id,
    e.provisioning_status, e.operating_status, e.error
FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT t.transaction, t.id FROM event t
    WHERE t.transaction < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY t.transaction DESC, t.id DESC
    LIMIT 1
) AS edge ON true
LEFT JOIN LATERAL (
    SELECT t.* FROM event t
    WHERE (t.transaction, t.id) > (%(transaction)s::text::xid8, %(id)s::bigint)
      AND t.transaction < pg_snapshot_xmin(pg_current_snapshot())
      AND (%(project_id)s::text IS NULL OR t.project_id = %(project_id)s::text)
      AND (%(load_balancer_id)s::uuid IS NULL OR t.load_balancer_id = %(load_balancer_id)s::uuid)
      AND (%(kinds)s::text[] IS NULL OR t.kind = ANY (%(kinds)s::text[]))
    ORDER BY t.transaction, t.id
    LIMIT %(limit)s
) AS e ON true
ORDER BY e.transaction, e.id;

-- name: event.start
-- Where the settled ones end now; the transactions that are told of already, but not settled yet; and whether a place is
-- that of an event still, and which the first event is.
SELECT
    edge.transaction::text AS edge_transaction, edge.id AS edge_id,
    ARRAY(
        SELECT DISTINCT u.transaction::text FROM event u WHERE u.transaction >= pg_snapshot_xmin(pg_current_snapshot())
    ) AS early,
    EXISTS (
        SELECT FROM event k
        WHERE (k.transaction, k.id) = (%(transaction)s::text::xid8, %(id)s::bigint)
    ) AS known,
    (SELECT f.id FROM event f ORDER BY f.transaction, f.id LIMIT 1) AS first
FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT t.transaction, t.id FROM event t
    WHERE t.transaction < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY t.transaction DESC, t.id DESC
    LIMIT 1
) AS edge ON true;

-- name: event.find
SELECT t.transaction::text AS transaction, t.id, t.at, t.kind, t.object_id, t.load_balancer_id, t.project_id,
    t.provisioning_status, t.operating_status, t.error
FROM event t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: event.object
-- An object as it is, or as it was last told of. What keeps its load balancer from being applied is its error too, as
-- long as it waits for that.
WITH there AS (
    SELECT 'load_balancer' AS kind, id, id AS load_balancer_id, project_id, provisioning_status, operating_status,
        coalesce(error, incomplete) AS error
    FROM load_balancer WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'listener', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM listener WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'pool', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM pool WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'member', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM member WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'health_monitor', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM health_monitor WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'l7policy', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM l7policy WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'l7rule', id, load_balancer_id, project_id, provisioning_status, operating_status, incomplete
    FROM l7rule WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'amphora', a.id, a.load_balancer_id, b.project_id, a.state, NULL, a.error
    FROM amphora a LEFT JOIN load_balancer b ON b.id = a.load_balancer_id WHERE a.id = %(id)s::uuid
), told AS (
    SELECT kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error
    FROM event WHERE object_id = %(id)s::uuid
    ORDER BY transaction DESC, id DESC
    LIMIT 1
), known AS (
    SELECT * FROM there UNION ALL SELECT * FROM told WHERE NOT EXISTS (SELECT FROM there)
), failed AS (
    SELECT error, at FROM event WHERE object_id = %(id)s::uuid AND error IS NOT NULL
    ORDER BY transaction DESC, id DESC
    LIMIT 1
)
SELECT k.kind, k.id, k.load_balancer_id, k.project_id, k.provisioning_status, k.operating_status,
    coalesce(c.last_error, k.error, f.error) AS last_error,
    CASE WHEN c.last_error IS NOT NULL THEN c.last_error_at ELSE f.at END AS last_error_at,
    c.step
FROM known k
LEFT JOIN failed f ON true
LEFT JOIN convergence c ON c.load_balancer_id = k.load_balancer_id
    AND (k.kind = 'load_balancer' OR k.provisioning_status LIKE 'PENDING_%%' OR k.provisioning_status = 'ERROR');

-- name: event.forget
DELETE FROM event WHERE (transaction, id) IN (
    SELECT transaction, id FROM event
    WHERE at < now() - %(seconds)s * interval '1 second'
    ORDER BY at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
);
