-- How many objects of each kind a project may have, and has. What is being deleted doesn't count.

-- name: quota.get
SELECT project_id, load_balancer, listener, pool, member, health_monitor, l7policy, l7rule
FROM quota WHERE project_id = %(project_id)s;

-- name: quota.find
SELECT project_id, load_balancer, listener, pool, member, health_monitor, l7policy, l7rule
FROM quota
WHERE (%(project_id)s::text IS NULL OR project_id = %(project_id)s::text)
  AND (%(after)s::text IS NULL OR project_id > %(after)s::text)
ORDER BY project_id
LIMIT %(limit)s;

-- name: quota.put
INSERT INTO quota AS q (
    project_id, load_balancer, listener, pool, member, health_monitor, l7policy, l7rule, created_at
)
VALUES (
    %(project_id)s, %(load_balancer)s, %(listener)s, %(pool)s, %(member)s, %(health_monitor)s, %(l7policy)s,
    %(l7rule)s, %(now)s
)
ON CONFLICT (project_id) DO UPDATE
SET load_balancer = excluded.load_balancer, listener = excluded.listener, pool = excluded.pool,
    member = excluded.member, health_monitor = excluded.health_monitor, l7policy = excluded.l7policy,
    l7rule = excluded.l7rule, updated_at = excluded.created_at;

-- name: quota.reset
DELETE FROM quota WHERE project_id = %(project_id)s;

-- name: quota.lock
-- Whoever adds to a limited project waits here for the one before, until its transaction has ended.
SELECT pg_advisory_xact_lock(hashtextextended('octavia_tx.quota.' || %(project_id)s, 0));

-- name: quota.used
SELECT count(*) AS used FROM {{table}}
WHERE project_id = %(project_id)s AND provisioning_status <> 'PENDING_DELETE';

-- name: quota.usage
SELECT
    (SELECT count(*) FROM load_balancer t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS load_balancer,
    (SELECT count(*) FROM listener t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS listener,
    (SELECT count(*) FROM pool t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS pool,
    (SELECT count(*) FROM member t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS member,
    (SELECT count(*) FROM health_monitor t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS health_monitor,
    (SELECT count(*) FROM l7policy t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS l7policy,
    (SELECT count(*) FROM l7rule t WHERE t.project_id = %(project_id)s
     AND t.provisioning_status <> 'PENDING_DELETE') AS l7rule;
