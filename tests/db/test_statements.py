"""Named statements: reading them from files, and knowing which of them only read."""

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.db.statements import directory, load, parse

TWO = """-- The file's own words.

-- name: thing.find
-- Why it is so.
SELECT id,  -- the key
       name
FROM thing WHERE a = '--' AND updated_at < now();

-- name: thing.delete
DELETE FROM thing;
"""


class StatementsTests(SynchronousTestCase):
    def test_statements_are_found_by_name_without_comments(self) -> None:
        found = parse(TWO, "thing")
        self.assertEqual(list(found), ["thing.find", "thing.delete"])
        self.assertEqual(found["thing.find"].text, "SELECT id,\nname\nFROM thing WHERE a = '--' AND updated_at < now()")

    def test_a_statement_of_another_file_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            parse("-- name: other.find\nSELECT 1", "thing")

    def test_a_name_that_stands_twice_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            parse("-- name: thing.find\nSELECT 1\n-- name: thing.find\nSELECT 2", "thing")

    def test_what_writes_or_locks_does_not_read(self) -> None:
        for text in (
            "INSERT INTO a VALUES (1)",
            "WITH gone AS (DELETE FROM a RETURNING id) SELECT id FROM gone",
            "SELECT id FROM a FOR UPDATE",
            "SELECT id FROM a FOR SHARE SKIP LOCKED",
            "SELECT pg_notify('a', 'b')",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT nextval('a')",
            "SET LOCAL statement_timeout = 0",
        ):
            self.assertFalse(parse(f"-- name: a.b\n{text}", "a")["a.b"].reads, text)

    def test_a_plain_select_reads(self) -> None:
        for text in ("SELECT updated_at, locked FROM a", "WITH b AS (SELECT 1) SELECT * FROM b"):
            self.assertTrue(parse(f"-- name: a.b\n{text}", "a")["a.b"].reads, text)

    def test_every_shipped_find_only_reads_and_every_other_writes(self) -> None:
        statements = load(directory())
        for name in ("load_balancer.find", "load_balancer.taken_addresses", "row.find", "statistics.find"):
            self.assertTrue(statements[name].reads, name)
        for name in ("load_balancer.insert", "load_balancer.change", "lease.claim", "lease.wake", "amphora.change"):
            self.assertFalse(statements[name].reads, name)
