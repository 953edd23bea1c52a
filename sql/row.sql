-- What is the same for rows of every kind. Rows come as JSON in the model's names, so that one statement writes any number
-- of them; {{table}}, {{columns}} and {{assignments}} are named by octavia_tx/db/repository.py.

-- name: row.insert
INSERT INTO {{table}} ({{columns}})
SELECT {{columns}} FROM jsonb_populate_recordset(NULL::{{table}}, %(rows)s::jsonb);

-- name: row.update
UPDATE {{table}} t SET {{assignments}}
FROM jsonb_populate_recordset(NULL::{{table}}, %(rows)s::jsonb) n
WHERE t.id = n.id;

-- name: row.find
SELECT {{own_columns}} FROM {{table}} t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: row.those
SELECT {{own_columns}} FROM {{table}} t WHERE t.id = ANY (%(ids)s::uuid[]);

-- name: row.silence
UPDATE {{table}} SET operating_status = 'OFFLINE' WHERE id = ANY (%(ids)s::uuid[]) AND operating_status <> 'OFFLINE';

-- name: row.lock
-- Nobody else changes them until the transaction ends, or begins to refer to them.
SELECT id FROM {{table}} WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR UPDATE;

-- name: row.owner
-- Whose tree an object is part of, and who provides that.
SELECT b.id, b.project_id, b.provider FROM {{table}} t JOIN load_balancer b ON b.id = t.load_balancer_id
WHERE t.id = %(id)s::uuid;

-- name: row.remove
DELETE FROM {{table}} WHERE id = ANY (%(ids)s::uuid[]);

-- name: row.delete
-- Of what hangs on a load balancer: it is on its way out from this revision on.
UPDATE {{table}}
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE';

-- name: row.touch
-- It has to be applied again, because of what it uses.
UPDATE {{table}}
SET revision = %(revision)s,
    provisioning_status = CASE provisioning_status WHEN 'PENDING_CREATE' THEN 'PENDING_CREATE' ELSE 'PENDING_UPDATE' END
WHERE id = ANY (%(ids)s::uuid[]) AND provisioning_status <> 'PENDING_DELETE';

-- name: row.applied
-- They are on the amphorae as they were at this revision of their load balancer; what changed after it stays pending.
UPDATE {{table}} SET provisioning_status = 'ACTIVE', updated_at = now() WHERE id = ANY (%(ids)s::uuid[]) AND revision <= %(revision)s;

-- name: row.served
-- The same for what no amphora reports on: it is as the tenant wants it.
UPDATE {{table}}
SET provisioning_status = 'ACTIVE', updated_at = now(),
    operating_status = CASE WHEN admin_state_up AND incomplete IS NULL THEN 'ONLINE' ELSE 'OFFLINE' END
WHERE id = ANY (%(ids)s::uuid[]) AND revision <= %(revision)s;
