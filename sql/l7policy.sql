-- L7 policies. What is the same for all kinds of objects stands in row.sql.

-- name: l7policy.find
SELECT {{own_columns}},
    ARRAY(SELECT r.id FROM l7rule r WHERE r.l7policy_id = t.id AND r.provisioning_status <> 'PENDING_DELETE'
          ORDER BY r.created_at, r.id) AS rule_ids
FROM l7policy t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: l7policy.delete
-- With its rules. It comes after all those that stay, which close ranks at once: no two of them show one position.
WITH rules AS (
    UPDATE l7rule
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE l7policy_id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE'
)
UPDATE l7policy
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now(), position = 2147483647
WHERE id = ANY (%(ids)s::uuid[]);
