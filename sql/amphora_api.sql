-- What amphorae ask their controllers for.

-- name: amphora_api.fence
SELECT fence FROM convergence WHERE load_balancer_id = %(load_balancer_id)s::uuid;
