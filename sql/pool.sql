-- Pools. What is the same for all kinds of objects stands in row.sql.

-- name: pool.find
SELECT {{own_columns}},
    (SELECT h.id FROM health_monitor h WHERE h.pool_id = t.id
     ORDER BY h.provisioning_status = 'PENDING_DELETE', h.created_at DESC LIMIT 1) AS health_monitor_id,
    ARRAY(SELECT l.id FROM listener l WHERE l.default_pool_id = t.id
          OR l.id IN (SELECT p.listener_id FROM l7policy p WHERE p.redirect_pool_id = t.id)
          ORDER BY l.created_at, l.id) AS listener_ids,
    ARRAY(SELECT m.id FROM member m WHERE m.pool_id = t.id ORDER BY m.created_at, m.id) AS member_ids
FROM pool t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: pool.brief
-- The same without the ids of its members, which may be many, and of its listeners.
SELECT {{own_columns}},
    (SELECT h.id FROM health_monitor h WHERE h.pool_id = t.id
     ORDER BY h.provisioning_status = 'PENDING_DELETE', h.created_at DESC LIMIT 1) AS health_monitor_id
FROM pool t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: pool.touch
-- Pools have to be applied again, because of what hangs on them, and so have the listeners that use them.
WITH listeners AS (
    UPDATE listener
    SET revision = %(revision)s,
        provisioning_status = CASE provisioning_status WHEN 'PENDING_CREATE' THEN 'PENDING_CREATE'
                              ELSE 'PENDING_UPDATE' END
    WHERE provisioning_status <> 'PENDING_DELETE'
      AND (default_pool_id = ANY (%(ids)s::uuid[])
           OR id IN (SELECT p.listener_id FROM l7policy p WHERE p.redirect_pool_id = ANY (%(ids)s::uuid[])))
)
UPDATE pool
SET revision = %(revision)s,
    provisioning_status = CASE provisioning_status WHEN 'PENDING_CREATE' THEN 'PENDING_CREATE' ELSE 'PENDING_UPDATE' END
WHERE id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE';

-- name: pool.delete
-- With its members and monitor; listeners that used it do without.
WITH members AS (
    UPDATE member
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE pool_id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE'
), monitors AS (
    UPDATE health_monitor
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE pool_id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE'
), listeners AS (
    UPDATE listener
    SET default_pool_id = NULL, revision = %(revision)s, updated_at = now(),
        provisioning_status = CASE WHEN provisioning_status IN ('ACTIVE', 'ERROR') THEN 'PENDING_UPDATE'
                              ELSE provisioning_status END
    WHERE default_pool_id = ANY (%(ids)s::uuid[])
)
UPDATE pool
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = ANY (%(ids)s::uuid[]);
