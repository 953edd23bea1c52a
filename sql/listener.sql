-- Listeners. Rows come as JSON in the model's names, so that one statement writes any number of them.

-- name: listener.insert
INSERT INTO listener (
    id, project_id, load_balancer_id, name, description, admin_state_up, protocol, protocol_port,
    connection_limit, default_pool_id, default_tls_container_ref, sni_container_refs, insert_headers,
    timeout_client_data, timeout_member_connect, timeout_member_data, timeout_tcp_inspect, allowed_cidrs,
    alpn_protocols, tls_ciphers, tls_versions, client_authentication, client_ca_tls_container_ref,
    client_crl_container_ref, hsts_max_age, hsts_include_subdomains, hsts_preload, tags, provisioning_status,
    operating_status, revision, created_at, updated_at
)
SELECT
    id, project_id, load_balancer_id, name, description, admin_state_up, protocol, protocol_port,
    connection_limit, default_pool_id, default_tls_container_ref, sni_container_refs, insert_headers,
    timeout_client_data, timeout_member_connect, timeout_member_data, timeout_tcp_inspect, allowed_cidrs,
    alpn_protocols, tls_ciphers, tls_versions, client_authentication, client_ca_tls_container_ref,
    client_crl_container_ref, hsts_max_age, hsts_include_subdomains, hsts_preload, tags, provisioning_status,
    operating_status, revision, created_at, updated_at
FROM jsonb_populate_recordset(NULL::listener, %(rows)s::jsonb);

-- name: listener.find
-- Values are known when the statement is planned, so that the conditions not asked for cost nothing.
SELECT
    l.id, l.project_id, l.load_balancer_id, l.name, l.description, l.admin_state_up, l.protocol,
    l.protocol_port, l.connection_limit, l.default_pool_id, l.default_tls_container_ref, l.sni_container_refs,
    l.insert_headers, l.timeout_client_data, l.timeout_member_connect, l.timeout_member_data,
    l.timeout_tcp_inspect, l.allowed_cidrs, l.alpn_protocols, l.tls_ciphers, l.tls_versions,
    l.client_authentication, l.client_ca_tls_container_ref, l.client_crl_container_ref, l.hsts_max_age,
    l.hsts_include_subdomains, l.hsts_preload, l.tags, l.provisioning_status, l.operating_status, l.revision,
    l.created_at, l.updated_at
FROM listener l
WHERE (%(id)s::uuid IS NULL OR l.id = %(id)s::uuid)
  AND (%(project_id)s::text IS NULL OR l.project_id = %(project_id)s::text)
  AND (%(load_balancer_id)s::uuid IS NULL OR l.load_balancer_id = %(load_balancer_id)s::uuid)
ORDER BY l.created_at, l.id;

-- name: listener.update
UPDATE listener l
SET name = n.name, description = n.description, admin_state_up = n.admin_state_up,
    connection_limit = n.connection_limit, default_pool_id = n.default_pool_id,
    default_tls_container_ref = n.default_tls_container_ref, sni_container_refs = n.sni_container_refs,
    insert_headers = n.insert_headers, timeout_client_data = n.timeout_client_data,
    timeout_member_connect = n.timeout_member_connect, timeout_member_data = n.timeout_member_data,
    timeout_tcp_inspect = n.timeout_tcp_inspect, allowed_cidrs = n.allowed_cidrs,
    alpn_protocols = n.alpn_protocols, tls_ciphers = n.tls_ciphers, tls_versions = n.tls_versions,
    client_authentication = n.client_authentication,
    client_ca_tls_container_ref = n.client_ca_tls_container_ref,
    client_crl_container_ref = n.client_crl_container_ref, hsts_max_age = n.hsts_max_age,
    hsts_include_subdomains = n.hsts_include_subdomains, hsts_preload = n.hsts_preload, tags = n.tags,
    provisioning_status = n.provisioning_status, revision = n.revision, updated_at = n.updated_at
FROM jsonb_populate_record(NULL::listener, %(row)s::jsonb) n
WHERE l.id = n.id;

-- name: listener.delete
UPDATE listener
SET provisioning_status = 'PENDING_DELETE', revision = %(revision)s, updated_at = now()
WHERE id = %(id)s::uuid;
