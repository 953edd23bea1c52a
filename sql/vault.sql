-- The embedded store of secrets and containers; what is the same for rows of every kind is in row.sql.

-- name: vault.containers
SELECT {{own_columns}},
    coalesce((SELECT jsonb_agg(jsonb_build_object('name', h.name, 'secret_id', h.secret_id) ORDER BY h.name)
              FROM secret_held h WHERE h.container_id = t.id), '[]') AS secrets
FROM secret_container t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;

-- name: vault.hold
INSERT INTO secret_held (container_id, name, secret_id)
SELECT %(container_id)s::uuid, h.name, h.secret_id
FROM jsonb_to_recordset(%(rows)s::jsonb) AS h (name text, secret_id uuid);

-- name: vault.containers_of
SELECT container_id AS id FROM secret_held WHERE secret_id = %(id)s::uuid;

-- name: vault.users
-- Objects of a project's load balancers that name one of these URLs, whatever stands before the path; those on their way
-- out need nothing any more.
WITH named AS (
    SELECT 'listener' AS kind, l.id, l.load_balancer_id, r.reference
    FROM listener l, unnest(l.sni_container_refs || ARRAY[l.default_tls_container_ref, l.client_ca_tls_container_ref,
                                                           l.client_crl_container_ref]) AS r (reference)
    WHERE l.project_id = %(project_id)s AND l.provisioning_status <> 'PENDING_DELETE'
    UNION ALL
    SELECT 'pool', p.id, p.load_balancer_id, r.reference
    FROM pool p, unnest(ARRAY[p.tls_container_ref, p.ca_tls_container_ref, p.crl_container_ref]) AS r (reference)
    WHERE p.project_id = %(project_id)s AND p.provisioning_status <> 'PENDING_DELETE'
)
SELECT DISTINCT kind, id, load_balancer_id FROM named
WHERE rtrim(lower(reference), '/') LIKE ANY (%(endings)s)
ORDER BY kind, id;

-- name: vault.consumers
SELECT service, kind, user_id AS id FROM secret_consumer WHERE stored_id = %(id)s::uuid ORDER BY 1, 2, 3;

-- name: vault.register
INSERT INTO secret_consumer (stored_id, service, kind, user_id) VALUES (%(id)s::uuid, %(service)s, %(kind)s, %(user_id)s)
ON CONFLICT DO NOTHING;

-- name: vault.unregister
DELETE FROM secret_consumer
WHERE stored_id = %(id)s::uuid AND service = %(service)s AND kind = %(kind)s AND user_id = %(user_id)s;

-- name: vault.forget_consumers
DELETE FROM secret_consumer WHERE stored_id = %(id)s::uuid;
