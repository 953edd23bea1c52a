-- Listeners. What is the same for all kinds of objects stands in row.sql.

-- name: listener.find
SELECT {{own_columns}},
    ARRAY(SELECT p.id FROM l7policy p WHERE p.listener_id = t.id ORDER BY p.position, p.id) AS l7policy_ids
FROM listener t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: listener.delete
-- With its L7 policies and their rules.
WITH policies AS (
    UPDATE l7policy
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE listener_id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE'
), rules AS (
    UPDATE l7rule
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE l7policy_id IN (SELECT id FROM l7policy WHERE listener_id = ANY (%(ids)s::uuid[]))
      AND provisioning_status <> 'PENDING_DELETE'
)
UPDATE listener
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = ANY (%(ids)s::uuid[]);
