-- Load balancers, and what happens to a whole tree at once.

-- name: load_balancer.insert
-- With the row that makes a controller look at it. The values come as JSON in the model's names.
WITH inserted AS (
    INSERT INTO load_balancer ({{columns}})
    SELECT {{columns}} FROM jsonb_populate_recordset(NULL::load_balancer, %(rows)s::jsonb)
    RETURNING id
), due AS (
    INSERT INTO convergence (load_balancer_id) SELECT id FROM inserted
)
SELECT pg_notify('octavia_tx_work', id::text) FROM inserted;

-- name: load_balancer.find
SELECT {{own_columns}},
    ARRAY(SELECT l.id FROM listener l WHERE l.load_balancer_id = t.id ORDER BY l.created_at, l.id) AS listener_ids,
    ARRAY(SELECT p.id FROM pool p WHERE p.load_balancer_id = t.id ORDER BY p.created_at, p.id) AS pool_ids
FROM load_balancer t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: load_balancer.change
-- The row stays locked until the transaction ends, so that changes of one tree come one after the other.
WITH changed AS (
    UPDATE load_balancer
    SET revision = revision + 1,
        provisioning_status = CASE WHEN applied_revision = 0 THEN 'PENDING_CREATE' ELSE 'PENDING_UPDATE' END,
        updated_at = now()
    WHERE id = %(id)s::uuid AND provisioning_status <> 'PENDING_DELETE'
    RETURNING *
), due AS (
    INSERT INTO convergence AS c (load_balancer_id) SELECT id FROM changed
    ON CONFLICT (load_balancer_id) DO UPDATE
    SET due_at = now(), settled = false, pending_since = CASE WHEN c.settled THEN now() ELSE c.pending_since END
    WHERE c.settled OR c.due_at > now()
), told AS MATERIALIZED (
    SELECT pg_notify('octavia_tx_work', id::text) FROM changed
)
SELECT {{own_columns}} FROM changed t, told;

-- name: load_balancer.lock
-- In one order, so that two who lock several never wait for each other.
SELECT id FROM load_balancer WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: load_balancer.update
UPDATE load_balancer b
SET name = n.name, description = n.description, admin_state_up = n.admin_state_up, tags = n.tags,
    vip_qos_policy_id = n.vip_qos_policy_id, vip_sg_ids = n.vip_sg_ids, incomplete = n.incomplete,
    operating_status = CASE WHEN n.incomplete IS NULL THEN b.operating_status ELSE 'OFFLINE' END
FROM jsonb_populate_recordset(NULL::load_balancer, %(rows)s::jsonb) n
WHERE b.id = n.id;

-- name: load_balancer.delete
-- The whole tree goes at one revision. No row: it isn't there, or is on its way out already.
WITH changed AS (
    UPDATE load_balancer
    SET revision = revision + 1, provisioning_status = 'PENDING_DELETE', updated_at = now()
    WHERE id = %(id)s::uuid AND provisioning_status <> 'PENDING_DELETE'
    RETURNING id, revision
), listeners AS (
    UPDATE listener t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), pools AS (
    UPDATE pool t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), members AS (
    UPDATE member t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), health_monitors AS (
    UPDATE health_monitor t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), l7policies AS (
    UPDATE l7policy t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), l7rules AS (
    UPDATE l7rule t
    SET provisioning_status = 'PENDING_DELETE', revision = changed.revision, updated_at = now()
    FROM changed WHERE t.load_balancer_id = changed.id AND t.provisioning_status <> 'PENDING_DELETE'
), due AS (
    INSERT INTO convergence AS c (load_balancer_id) SELECT id FROM changed
    ON CONFLICT (load_balancer_id) DO UPDATE
    SET due_at = now(), settled = false, pending_since = CASE WHEN c.settled THEN now() ELSE c.pending_since END
)
SELECT pg_notify('octavia_tx_work', id::text) FROM changed;

-- name: load_balancer.record_vip
UPDATE load_balancer
SET vip_address = %(address)s::inet, vip_port_id = %(port_id)s::uuid, vip_subnet_id = %(subnet_id)s::uuid,
    vip_network_id = %(network_id)s::uuid, additional_vips = %(additional)s::jsonb
WHERE id = %(id)s::uuid;

-- name: load_balancer.claim_addresses
-- Until the transaction ends, nobody else records one of these. In one order, so that none waits in a circle.
SELECT pg_advisory_xact_lock(hashtextextended('octavia_tx_vip ' || address, 0))
FROM (SELECT DISTINCT a AS address FROM unnest(%(addresses)s::text[]) a ORDER BY 1) those;

-- name: load_balancer.taken_addresses
-- A port shows that the address was given. Of those who only ask for it, the first has it.
SELECT DISTINCT a.address
FROM (
    SELECT id, created_at, vip_network_id, host(vip_address) AS address, vip_port_id IS NOT NULL AS held
    FROM load_balancer WHERE vip_address IS NOT NULL
    UNION ALL
    SELECT b.id, b.created_at, b.vip_network_id, host((v ->> 'ip_address')::inet), v ->> 'port_id' IS NOT NULL
    FROM load_balancer b, jsonb_array_elements(b.additional_vips) v
    WHERE b.additional_vips <> '[]' AND v ->> 'ip_address' IS NOT NULL
) a LEFT JOIN load_balancer mine ON mine.id = %(id)s::uuid
WHERE (%(network_id)s::uuid IS NULL OR a.vip_network_id = %(network_id)s::uuid)
  AND (mine.id IS NULL OR (a.id <> mine.id AND (a.held OR (a.created_at, a.id) < (mine.created_at, mine.id))));

-- name: load_balancer.taken_of_addresses
-- The same of some addresses alone, which are found by index.
SELECT DISTINCT a.address
FROM (
    SELECT id, created_at, vip_network_id, host(vip_address) AS address, vip_port_id IS NOT NULL AS held
    FROM load_balancer WHERE vip_address = ANY (%(among)s::inet[])
    UNION ALL
    SELECT b.id, b.created_at, b.vip_network_id, host((v ->> 'ip_address')::inet), v ->> 'port_id' IS NOT NULL
    FROM load_balancer b, jsonb_array_elements(b.additional_vips) v
    WHERE b.additional_vips <> '[]' AND (v ->> 'ip_address')::inet = ANY (%(among)s::inet[])
) a LEFT JOIN load_balancer mine ON mine.id = %(id)s::uuid
WHERE (%(network_id)s::uuid IS NULL OR a.vip_network_id = %(network_id)s::uuid)
  AND (mine.id IS NULL OR (a.id <> mine.id AND (a.held OR (a.created_at, a.id) < (mine.created_at, mine.id))));

-- name: load_balancer.applied
UPDATE load_balancer
SET applied_revision = greatest(applied_revision, %(revision)s), error = NULL, updated_at = now(),
    provisioning_status = CASE WHEN provisioning_status = 'PENDING_DELETE' THEN 'PENDING_DELETE'
                               WHEN revision = %(revision)s THEN 'ACTIVE'
                               ELSE 'PENDING_UPDATE' END
WHERE id = %(id)s::uuid;

-- name: load_balancer.failed
-- What is being deleted stays so: it must still go once the trouble is over.
WITH listeners AS (
    UPDATE listener SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
), pools AS (
    UPDATE pool SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
), members AS (
    UPDATE member SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
), health_monitors AS (
    UPDATE health_monitor SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
), l7policies AS (
    UPDATE l7policy SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
), l7rules AS (
    UPDATE l7rule SET provisioning_status = 'ERROR'
    WHERE load_balancer_id = %(id)s::uuid AND provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')
)
UPDATE load_balancer
SET error = %(sentence)s,
    provisioning_status = CASE WHEN provisioning_status = 'PENDING_DELETE' THEN 'PENDING_DELETE' ELSE 'ERROR' END
WHERE id = %(id)s::uuid;

-- name: load_balancer.forget
DELETE FROM load_balancer WHERE id = %(id)s::uuid;
