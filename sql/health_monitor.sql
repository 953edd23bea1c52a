-- Health monitors. Rows come as JSON in the model's names, so that one statement writes any number of them.

-- name: health_monitor.insert
INSERT INTO health_monitor (
    id, project_id, load_balancer_id, pool_id, name, admin_state_up, type, delay, timeout, max_retries,
    max_retries_down, http_method, url_path, expected_codes, http_version, domain_name, tags,
    provisioning_status, operating_status, revision, created_at, updated_at
)
SELECT
    id, project_id, load_balancer_id, pool_id, name, admin_state_up, type, delay, timeout, max_retries,
    max_retries_down, http_method, url_path, expected_codes, http_version, domain_name, tags,
    provisioning_status, operating_status, revision, created_at, updated_at
FROM jsonb_populate_recordset(NULL::health_monitor, %(rows)s::jsonb);

-- name: health_monitor.find
-- Values are known when the statement is planned, so that the conditions not asked for cost nothing.
SELECT
    h.id, h.project_id, h.load_balancer_id, h.pool_id, h.name, h.admin_state_up, h.type, h.delay, h.timeout,
    h.max_retries, h.max_retries_down, h.http_method, h.url_path, h.expected_codes, h.http_version,
    h.domain_name, h.tags, h.provisioning_status, h.operating_status, h.revision, h.created_at, h.updated_at
FROM health_monitor h
WHERE (%(id)s::uuid IS NULL OR h.id = %(id)s::uuid)
  AND (%(project_id)s::text IS NULL OR h.project_id = %(project_id)s::text)
  AND (%(pool_id)s::uuid IS NULL OR h.pool_id = %(pool_id)s::uuid)
  AND (%(load_balancer_id)s::uuid IS NULL OR h.load_balancer_id = %(load_balancer_id)s::uuid)
ORDER BY h.created_at, h.id;

-- name: health_monitor.update
UPDATE health_monitor h
SET name = n.name, admin_state_up = n.admin_state_up, delay = n.delay, timeout = n.timeout,
    max_retries = n.max_retries, max_retries_down = n.max_retries_down, http_method = n.http_method,
    url_path = n.url_path, expected_codes = n.expected_codes, http_version = n.http_version,
    domain_name = n.domain_name, tags = n.tags, provisioning_status = n.provisioning_status,
    revision = n.revision, updated_at = n.updated_at
FROM jsonb_populate_record(NULL::health_monitor, %(row)s::jsonb) n
WHERE h.id = n.id;

-- name: health_monitor.delete
UPDATE health_monitor
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = %(id)s::uuid;
