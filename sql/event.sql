-- What changed its status, as it happened.

-- name: event.forget
DELETE FROM event WHERE (transaction, id) IN (
    SELECT transaction, id FROM event
    WHERE at < now() - %(seconds)s * interval '1 second'
    ORDER BY at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
);
