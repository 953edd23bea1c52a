-- Projects, as far as this system knows of them: those that have load balancers, on which all else hangs.

-- name: project.find
SELECT {{own_columns}}
FROM (
    SELECT p.project_id AS id,
        (SELECT count(*) FROM load_balancer o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS load_balancer,
        (SELECT count(*) FROM listener o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS listener,
        (SELECT count(*) FROM pool o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS pool,
        (SELECT count(*) FROM member o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS member,
        (SELECT count(*) FROM health_monitor o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS health_monitor,
        (SELECT count(*) FROM l7policy o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS l7policy,
        (SELECT count(*) FROM l7rule o WHERE o.project_id = p.project_id
         AND o.provisioning_status <> 'PENDING_DELETE') AS l7rule,
        (SELECT count(*) FROM amphora o JOIN load_balancer b ON b.id = o.load_balancer_id
         WHERE b.project_id = p.project_id AND o.state <> 'DELETING') AS amphora
    FROM (SELECT DISTINCT project_id FROM load_balancer) p
) AS t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT %(limit)s;
