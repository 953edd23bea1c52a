-- Changes that are tried and taken back.

-- name: rehearsal.check
-- What would be checked at the end is checked now.
SET CONSTRAINTS ALL IMMEDIATE;
