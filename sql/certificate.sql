-- Which content of tenants' certificates amphorae run.

-- name: certificate.pushed
-- What a load balancer's amphorae run now. References that it had before stay until whoever keeps them was told.
INSERT INTO certificate_use AS u (load_balancer_id, reference, project_id, digest)
SELECT %(load_balancer_id)s::uuid, g.reference, %(project_id)s, g.digest
FROM unnest(%(references)s::text[], %(digests)s::text[]) AS g (reference, digest)
ON CONFLICT (load_balancer_id, reference) DO UPDATE SET digest = EXCLUDED.digest;

-- name: certificate.uses
-- All that was pushed, and whether nothing is under way for the load balancer; NULL where it is gone.
SELECT u.load_balancer_id, u.reference, u.project_id, u.digest, u.registered,
    b.provisioning_status = 'ACTIVE' AS settled
FROM certificate_use u LEFT JOIN load_balancer b ON b.id = u.load_balancer_id
ORDER BY u.load_balancer_id, u.reference;

-- name: certificate.registered
UPDATE certificate_use SET registered = true
WHERE load_balancer_id = %(load_balancer_id)s::uuid AND reference = %(reference)s;

-- name: certificate.forget
DELETE FROM certificate_use WHERE load_balancer_id = %(load_balancer_id)s::uuid AND reference = %(reference)s;
