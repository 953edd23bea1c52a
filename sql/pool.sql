-- Pools. Rows come as JSON in the model's names, so that one statement writes any number of them.

-- name: pool.insert
INSERT INTO pool (
    id, project_id, load_balancer_id, name, description, admin_state_up, protocol, lb_algorithm,
    session_persistence, tls_enabled, tls_container_ref, ca_tls_container_ref, crl_container_ref, tls_ciphers,
    tls_versions, alpn_protocols, tags, provisioning_status, operating_status, revision, created_at, updated_at
)
SELECT
    id, project_id, load_balancer_id, name, description, admin_state_up, protocol, lb_algorithm,
    session_persistence, tls_enabled, tls_container_ref, ca_tls_container_ref, crl_container_ref, tls_ciphers,
    tls_versions, alpn_protocols, tags, provisioning_status, operating_status, revision, created_at, updated_at
FROM jsonb_populate_recordset(NULL::pool, %(rows)s::jsonb);

-- name: pool.find
-- Values are known when the statement is planned, so that the conditions not asked for cost nothing.
SELECT
    p.id, p.project_id, p.load_balancer_id, p.name, p.description, p.admin_state_up, p.protocol, p.lb_algorithm,
    p.session_persistence, p.tls_enabled, p.tls_container_ref, p.ca_tls_container_ref, p.crl_container_ref,
    p.tls_ciphers, p.tls_versions, p.alpn_protocols, p.tags, p.provisioning_status, p.operating_status,
    p.revision, p.created_at, p.updated_at,
    (SELECT h.id FROM health_monitor h WHERE h.pool_id = p.id
     ORDER BY h.provisioning_status = 'PENDING_DELETE', h.created_at DESC LIMIT 1) AS health_monitor_id,
    ARRAY(SELECT l.id FROM listener l WHERE l.default_pool_id = p.id ORDER BY l.created_at, l.id) AS listener_ids,
    ARRAY(SELECT m.id FROM member m WHERE m.pool_id = p.id ORDER BY m.created_at, m.id) AS member_ids
FROM pool p
WHERE (%(id)s::uuid IS NULL OR p.id = %(id)s::uuid)
  AND (%(project_id)s::text IS NULL OR p.project_id = %(project_id)s::text)
  AND (%(load_balancer_id)s::uuid IS NULL OR p.load_balancer_id = %(load_balancer_id)s::uuid)
ORDER BY p.created_at, p.id;

-- name: pool.update
UPDATE pool p
SET name = n.name, description = n.description, admin_state_up = n.admin_state_up,
    lb_algorithm = n.lb_algorithm, session_persistence = n.session_persistence, tls_enabled = n.tls_enabled,
    tls_container_ref = n.tls_container_ref, ca_tls_container_ref = n.ca_tls_container_ref,
    crl_container_ref = n.crl_container_ref, tls_ciphers = n.tls_ciphers, tls_versions = n.tls_versions,
    alpn_protocols = n.alpn_protocols, tags = n.tags, provisioning_status = n.provisioning_status,
    revision = n.revision, updated_at = n.updated_at
FROM jsonb_populate_record(NULL::pool, %(row)s::jsonb) n
WHERE p.id = n.id;

-- name: pool.delete
-- With its members and monitor; listeners that used it do without.
WITH members AS (
    UPDATE member
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE pool_id = %(id)s::uuid AND provisioning_status <> 'PENDING_DELETE'
), monitors AS (
    UPDATE health_monitor
    SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
    WHERE pool_id = %(id)s::uuid AND provisioning_status <> 'PENDING_DELETE'
), listeners AS (
    UPDATE listener
    SET default_pool_id = NULL, revision = %(revision)s, updated_at = now(),
        provisioning_status = CASE WHEN provisioning_status IN ('ACTIVE', 'ERROR') THEN 'PENDING_UPDATE'
                              ELSE provisioning_status END
    WHERE default_pool_id = %(id)s::uuid
)
UPDATE pool
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = %(id)s::uuid;
