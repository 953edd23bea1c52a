-- What amphorae ask their controllers for.

-- name: amphora_api.fence
-- The number under which a configuration is given away. While nobody holds the lease it is a new one: then a push that
-- is still on its way somewhere, from before, is refused from now on, and what is given away can be the last word.
UPDATE convergence
SET fence = fence + CASE WHEN holder IS NULL OR expires_at <= now() THEN 1 ELSE 0 END
WHERE load_balancer_id = %(load_balancer_id)s::uuid
RETURNING fence;

-- name: amphora_api.last
-- Whether that was the last word: nobody has taken the lease since, and nobody does until the transaction ends.
SELECT fence FROM convergence
WHERE load_balancer_id = %(load_balancer_id)s::uuid AND fence = %(fence)s AND (holder IS NULL OR expires_at <= now())
FOR NO KEY UPDATE;
