-- What conditions and orders of lists are made of; octavia_tx/db/selection.py puts them together. {{column}} is a column's
-- name, {{value}} the name of a value.

-- name: condition.equals
t.{{column}} = %({{value}})s

-- name: condition.in_second
(t.{{column}} >= %({{value}})s AND t.{{column}} < %({{value}})s + interval '1 second')

-- name: condition.empty
coalesce(t.{{column}}::text, '') IN ('', '{}', '[]')

-- name: condition.among
t.{{column}} = ANY (%({{value}})s)

-- name: condition.contains
%({{value}})s = ANY (t.{{column}})

-- name: condition.tags
t.tags @> %({{value}})s::text[]

-- name: condition.tags_any
t.tags && %({{value}})s::text[]

-- name: condition.not_tags
NOT t.tags @> %({{value}})s::text[]

-- name: condition.not_tags_any
NOT t.tags && %({{value}})s::text[]

-- name: condition.used_by_listener
(t.id = (SELECT l.default_pool_id FROM listener l WHERE l.id = %({{value}})s::uuid)
 OR t.id IN (SELECT p.redirect_pool_id FROM l7policy p WHERE p.listener_id = %({{value}})s::uuid))

-- name: condition.watched_by
t.id = (SELECT h.pool_id FROM health_monitor h WHERE h.id = %({{value}})s::uuid)

-- name: condition.has_child
(EXISTS (SELECT FROM listener l WHERE l.id = %({{value}})s::uuid AND l.load_balancer_id = t.id)
 OR EXISTS (SELECT FROM pool p WHERE p.id = %({{value}})s::uuid AND p.load_balancer_id = t.id))

-- name: condition.has_rule
t.id = (SELECT r.l7policy_id FROM l7rule r WHERE r.id = %({{value}})s::uuid)

-- name: condition.of_project
t.load_balancer_id IN (SELECT b.id FROM load_balancer b WHERE b.project_id = %({{value}})s)

-- name: condition.holds
-- Of all rows or of none.
%({{value}})s::boolean

-- name: condition.ascending
t.{{column}}

-- name: condition.descending
t.{{column}} DESC

-- name: condition.same
t.{{column}} IS NOT DISTINCT FROM %({{value}})s

-- name: condition.above
-- Behind a value in ascending order, where NULL comes last.
(t.{{column}} > %({{value}})s OR t.{{column}} IS NULL)

-- name: condition.above_null
false

-- name: condition.below
-- Behind a value in descending order, where NULL comes first.
t.{{column}} < %({{value}})s

-- name: condition.below_null
t.{{column}} IS NOT NULL

-- name: condition.after
-- The usual order, in which nothing is NULL, as its index has it.
(t.created_at, t.id) > (%(created_at)s::timestamptz, %(id)s::uuid)

-- name: condition.before
(t.created_at, t.id) < (%(created_at)s::timestamptz, %(id)s::uuid)
