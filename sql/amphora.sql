-- Amphorae. Columns to write come as JSON in the model's names; those not named keep their values.

-- name: amphora.lock
-- One, or those of a load balancer. In one order, so that two who lock several never wait for each other.
SELECT {{columns}}
FROM amphora
WHERE id = %(id)s::uuid OR load_balancer_id = %(load_balancer_id)s::uuid
ORDER BY id FOR NO KEY UPDATE;

-- name: amphora.change
-- Compare and set: no row where it isn't in the expected state.
WITH changed AS (
    UPDATE amphora a
    SET state = %(state)s, updated_at = now(),
        load_balancer_id = n.load_balancer_id, role = n.role, compute_id = n.compute_id,
        lb_network_ip = n.lb_network_ip, vrrp_ip = n.vrrp_ip, ha_ip = n.ha_ip, vrrp_port_id = n.vrrp_port_id,
        ha_port_id = n.ha_port_id, certificate_serial = n.certificate_serial,
        cert_expiration = n.cert_expiration, applied_revision = n.applied_revision,
        last_heartbeat = n.last_heartbeat, image_id = n.image_id, compute_flavor = n.compute_flavor,
        cached_zone = n.cached_zone, error = n.error,
        withdrawn_at = n.withdrawn_at, config_due = n.config_due
    FROM (SELECT * FROM amphora WHERE id = %(id)s::uuid FOR UPDATE) o,
        LATERAL jsonb_populate_record(o::amphora, %(columns)s::jsonb) n
    WHERE a.id = o.id AND o.state = %(expected)s
    RETURNING a.id
)
SELECT pg_notify('octavia_tx_amphora', id::text) FROM changed;

-- name: amphora.record
UPDATE amphora a
SET updated_at = now(),
    load_balancer_id = n.load_balancer_id, role = n.role, compute_id = n.compute_id,
    lb_network_ip = n.lb_network_ip, vrrp_ip = n.vrrp_ip, ha_ip = n.ha_ip, vrrp_port_id = n.vrrp_port_id,
    ha_port_id = n.ha_port_id, certificate_serial = n.certificate_serial, cert_expiration = n.cert_expiration,
    applied_revision = n.applied_revision, last_heartbeat = n.last_heartbeat, image_id = n.image_id,
    compute_flavor = n.compute_flavor, cached_zone = n.cached_zone, error = n.error,
    withdrawn_at = n.withdrawn_at, config_due = n.config_due
FROM (SELECT * FROM amphora WHERE id = %(id)s::uuid FOR UPDATE) o,
    LATERAL jsonb_populate_record(o::amphora, %(columns)s::jsonb) n
WHERE a.id = o.id;

-- name: amphora.forget
DELETE FROM amphora WHERE id = %(id)s::uuid;

-- name: amphora.heard
-- Locked in one order, so that two receivers never wait for each other.
WITH those AS (
    SELECT id FROM amphora
    WHERE id = ANY (%(ids)s::uuid[]) AND (last_heartbeat IS NULL OR last_heartbeat < %(at)s)
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE amphora a SET last_heartbeat = %(at)s FROM those WHERE a.id = those.id;
