"""Bringing a database up to date: from nothing, from an earlier version, and by many at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.db.database import Database
from octavia_tx.db.migrations import migrate
from octavia_tx.db.programs import installed
from octavia_tx.db.statements import directory
from octavia_tx.errors import DatabaseUnavailable, SettingsError
from tests.integration.postgres import PostgresCase, Server, shared_server

NEWEST = max(int(path.name[:4]) for path in (directory() / "migrations").glob("[0-9]*.sql"))


class MigrationTests(PostgresCase):
    async def _prepare(self) -> None:
        self.server = shared_server()
        self.name = self.server.create()
        self.addCleanup(self.server.drop, self.name)
        self.database = self.connected()

    def connected(self) -> Database:
        database = Database(reactor, self.server.dsn(self.name), size=1)
        self.addCleanup(database.stopService)
        return database

    def sql(self, *migrations: str, first: int = NEWEST + 1) -> Path:
        """A directory like ours, with further migrations from that version on; the last is written first."""
        where = Path(self.mktemp())
        (where / "migrations").mkdir(parents=True)
        (where / "schema.sql").write_text((directory() / "schema.sql").read_text())
        for number, text in reversed(list(enumerate(migrations, first))):
            (where / "migrations" / f"{number:04}_further.sql").write_text(text)
        return where

    def versions(self) -> list[int]:
        return [row[0] for row in self.server.ask("SELECT version FROM schema_version ORDER BY 1", self.name)]

    async def test_an_empty_database_gets_the_schema(self) -> None:
        self.assertEqual(await migrate(self.database), NEWEST)
        self.assertEqual(await self.database.fetch("load_balancer.taken_addresses", id=None, network_id=None), [])

    async def test_doing_it_again_changes_nothing(self) -> None:
        await migrate(self.database)
        self.assertEqual(await migrate(self.database), NEWEST)
        self.assertEqual(self.versions(), [NEWEST])

    async def test_of_many_at_once_one_does_it(self) -> None:
        migrating = [Deferred.fromCoroutine(migrate(self.connected())) for _ in range(5)]
        self.assertEqual(await gatherResults(migrating), [NEWEST] * 5)
        self.assertEqual(self.versions(), [NEWEST])

    async def test_an_earlier_version_gets_what_is_newer_in_order(self) -> None:
        await migrate(self.database)
        where = self.sql("CREATE TABLE extra (a integer)", "ALTER TABLE extra ADD b text DEFAULT '100%'; -- %s")
        self.assertEqual(await migrate(self.database, where), NEWEST + 2)
        self.assertEqual(await migrate(self.database, where), NEWEST + 2)
        self.assertEqual(self.versions(), [NEWEST, NEWEST + 1, NEWEST + 2])
        self.server.run("INSERT INTO extra (a) VALUES (1)", self.name)
        self.assertEqual(self.server.ask("SELECT a, b FROM extra", self.name), [(1, "100%")])

    async def test_an_empty_database_needs_no_migrations_for_the_schema_holds_them(self) -> None:
        where = self.sql("CREATE TABLE load_balancer (id integer)")
        self.assertEqual(await migrate(self.database, where), NEWEST + 1)
        self.assertEqual(self.versions(), [NEWEST + 1])

    async def test_a_migration_that_fails_changes_nothing(self) -> None:
        await migrate(self.database)
        where = self.sql("CREATE TABLE extra (a integer)", "DROP TABLE nonsense")
        with self.assertRaises(Exception) as caught:
            await migrate(self.database, where)
        self.assertNotIsInstance(caught.exception, DatabaseUnavailable)
        self.assertEqual(self.versions(), [NEWEST])
        self.assertEqual(self.server.ask("SELECT to_regclass('extra')", self.name), [(None,)])

    async def test_a_newer_database_is_left_alone(self) -> None:
        await migrate(self.database, self.sql("SELECT 1", first=9000))
        with self.assertRaises(SettingsError) as caught:
            await migrate(self.database)
        self.assertIn(f"has version 9000, newer than this program's {NEWEST}", str(caught.exception))


class ShapeTests(PostgresCase):
    """The schema, and what the migrations make of the first one, are the same."""

    async def _prepare(self) -> None:
        self.server = shared_server()

    def shape(self, name: str) -> dict[str, list[tuple[Any, ...]]]:
        return {what: sorted(self.server.ask(query, name), key=repr) for what, query in SHAPE.items()}

    async def test_all_migrations_lead_to_the_schema(self) -> None:
        new, old = self.server.create(), self.server.create()
        for name in (new, old):
            self.addCleanup(self.server.drop, name)
        self.server.run((Path(__file__).parent / "schema_0001.sql").read_text(), old)
        self.server.run("INSERT INTO schema_version (version) VALUES (1)", old)
        for name in (new, old):
            database = Database(reactor, self.server.dsn(name), size=1)
            self.addCleanup(database.stopService)
            await migrate(database)
        self.maxDiff = None
        self.assertEqual(self.shape(old), self.shape(new))


SHAPE = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity "
    "FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace",
    "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


class EveryVersionTests(PostgresCase):
    async def _prepare(self) -> None:
        """Each test makes its own servers."""

    async def test_the_schema_and_all_statements_fit_every_postgresql_of_this_machine(self) -> None:
        for binaries in installed():
            server = Server(binaries.directory)
            self.addCleanup(server.remove)
            server.start()
            database = Database(reactor, server.dsn("postgres"))
            self.addCleanup(database.stopService)
            self.assertEqual(await migrate(database), NEWEST)
            self.assertEqual(await database.fetch("load_balancer.taken_addresses", id=None, network_id=None), [])
            await database.stopService()
