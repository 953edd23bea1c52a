-- Flavors and availability zones; what is the same for rows of every kind is in row.sql.

-- name: flavor.terms
-- What a load balancer's flavor and availability zone mean to its provider.
SELECT (SELECT p.flavor_data FROM flavor f JOIN flavor_profile p ON p.id = f.flavor_profile_id
        WHERE f.id = %(flavor)s::uuid) AS flavor,
       (SELECT p.availability_zone_data FROM availability_zone z
        JOIN availability_zone_profile p ON p.id = z.availability_zone_profile_id
        WHERE z.name = %(zone)s) AS zone;
