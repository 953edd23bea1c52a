-- Members. Rows come as JSON in the model's names, so that one statement writes any number of them.

-- name: member.insert
INSERT INTO member (
    id, project_id, load_balancer_id, pool_id, name, admin_state_up, address, protocol_port, weight, backup,
    subnet_id, monitor_address, monitor_port, vnic_type, tags, provisioning_status, operating_status, revision,
    created_at, updated_at
)
SELECT
    id, project_id, load_balancer_id, pool_id, name, admin_state_up, address, protocol_port, weight, backup,
    subnet_id, monitor_address, monitor_port, vnic_type, tags, provisioning_status, operating_status, revision,
    created_at, updated_at
FROM jsonb_populate_recordset(NULL::member, %(rows)s::jsonb);

-- name: member.find
-- Values are known when the statement is planned, so that the conditions not asked for cost nothing.
SELECT
    m.id, m.project_id, m.load_balancer_id, m.pool_id, m.name, m.admin_state_up, m.address, m.protocol_port,
    m.weight, m.backup, m.subnet_id, m.monitor_address, m.monitor_port, m.vnic_type, m.tags,
    m.provisioning_status, m.operating_status, m.revision, m.created_at, m.updated_at
FROM member m
WHERE (%(id)s::uuid IS NULL OR m.id = %(id)s::uuid)
  AND (%(project_id)s::text IS NULL OR m.project_id = %(project_id)s::text)
  AND (%(pool_id)s::uuid IS NULL OR m.pool_id = %(pool_id)s::uuid)
  AND (%(load_balancer_id)s::uuid IS NULL OR m.load_balancer_id = %(load_balancer_id)s::uuid)
ORDER BY m.created_at, m.id;

-- name: member.update
UPDATE member m
SET name = n.name, admin_state_up = n.admin_state_up, weight = n.weight, backup = n.backup,
    subnet_id = n.subnet_id, monitor_address = n.monitor_address, monitor_port = n.monitor_port, tags = n.tags,
    provisioning_status = n.provisioning_status, revision = n.revision, updated_at = n.updated_at
FROM jsonb_populate_record(NULL::member, %(row)s::jsonb) n
WHERE m.id = n.id;

-- name: member.delete
UPDATE member
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = %(id)s::uuid;
