"""Transactions, and what becomes of them when callers, connections or the server go away."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater

from octavia_tx.db import load_balancers
from octavia_tx.db.database import Database
from octavia_tx.db.failures import CONSTRAINTS
from octavia_tx.db.listening import Listening
from octavia_tx.db.statements import directory
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict, DatabaseUnavailable
from octavia_tx.model.tree import Tree
from tests.db.values import load_balancer, new_id
from tests.integration.postgres import PostgresCase

NEWEST = max(int(path.name[:4]) for path in (directory() / "migrations").glob("[0-9]*.sql"))


class DatabaseCase(PostgresCase):
    """With words for what the tests do over and over."""

    async def insert(self, tx: Transaction, **given: Any) -> str:
        made = load_balancer(**given)
        await load_balancers.insert(tx, Tree(load_balancer=made))
        return made.id

    async def exists(self, id: str) -> bool:
        async with self.database.transaction() as tx:
            return await load_balancers.get(tx, id) is not None

    async def pause(self, seconds: float) -> None:
        await deferLater(reactor, seconds)

    def smaller(self, **given: Any) -> Database:
        """A further database service on the same database."""
        database = Database(reactor, self.dsn, **given)
        database.startService()
        self.addCleanup(database.stopService)
        return database

    def connections(self) -> int:
        """How many connections the server has to this database, our question's apart."""
        name = self.dsn.rpartition("=")[2]
        found = self.server.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
        return int(found[0][0])


class TransactionTests(DatabaseCase):
    async def test_what_is_done_is_kept(self) -> None:
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
        self.assertTrue(await self.exists(id))

    async def test_an_error_undoes_everything(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            async with self.database.transaction() as tx:
                id = await self.insert(tx)
                raise ZeroDivisionError
        self.assertFalse(await self.exists(id))

    async def test_nobody_sees_it_before_its_end(self) -> None:
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
            self.assertFalse(await self.exists(id))

    async def test_a_conflict_that_was_swallowed_inside_still_ends_it(self) -> None:
        with self.assertRaises(Conflict):
            async with self.database.transaction() as tx:
                id = await self.insert(tx)
                with contextlib.suppress(Conflict):
                    await self.insert(tx, id=id)
        self.assertFalse(await self.exists(id))

    async def test_a_missing_value_ends_it_before_anything_is_written(self) -> None:
        with self.assertRaises(KeyError):
            async with self.database.transaction() as tx:
                with contextlib.suppress(KeyError):
                    await tx.execute("load_balancer.forget")
                await self.insert(tx)
        self.assertEqual(await self.database.fetch("load_balancer.taken_addresses", id=None, network_id=None), [])

    async def test_one_that_only_reads_refuses_to_write(self) -> None:
        with self.assertRaises(ValueError):
            async with self.database.transaction(read_only=True) as tx:
                await self.insert(tx)

    async def test_one_that_only_reads_refuses_to_write_together(self) -> None:
        with self.assertRaises(ValueError):
            async with self.database.transaction(read_only=True) as tx:
                async with tx.together():
                    await load_balancers.rows.insert(tx, load_balancer())
                await load_balancers.find(tx)

    async def test_what_is_done_together_shows_in_the_next_statement(self) -> None:
        made = load_balancer(name="100% of %(it)s; '")
        async with self.database.transaction() as tx:
            async with tx.together():
                await load_balancers.rows.insert(tx, made)
            self.assertEqual(await load_balancers.get(tx, made.id), made)
        self.assertTrue(await self.exists(made.id))

    async def test_what_is_done_together_at_last_is_kept_or_undone_as_a_whole(self) -> None:
        first, second = load_balancer(), load_balancer()
        async with self.database.transaction() as tx, tx.together():
            await load_balancers.rows.insert(tx, first)
        with self.assertRaises(Conflict):
            async with self.database.transaction() as tx, tx.together():
                await load_balancers.rows.insert(tx, second)
                await load_balancers.rows.insert(tx, first)
        self.assertTrue(await self.exists(first.id))
        self.assertFalse(await self.exists(second.id))
        self.assertEqual(self.connections(), 1, "its connection serves the next one")

    async def test_an_error_undoes_what_was_to_be_done_together(self) -> None:
        made = load_balancer()
        with self.assertRaises(ZeroDivisionError):
            async with self.database.transaction() as tx:
                async with tx.together():
                    await load_balancers.rows.insert(tx, made)
                raise ZeroDivisionError
        self.assertFalse(await self.exists(made.id))

    async def test_a_single_read_needs_no_transaction(self) -> None:
        row = await self.database.fetch_one("migration.version")
        self.assertEqual(row, {"version": NEWEST})

    async def test_two_statements_at_once_are_refused(self) -> None:
        async with self.database.transaction() as tx:
            slow = Deferred.fromCoroutine(tx.script("SELECT pg_sleep(0.05)"))
            with self.assertRaises(RuntimeError):
                await tx.fetch("migration.version")
            await slow

    async def test_many_share_a_few_connections(self) -> None:
        database = self.smaller(size=2)

        async def one() -> None:
            async with database.transaction() as tx:
                await self.insert(tx)

        await gatherResults([Deferred.fromCoroutine(one()) for _ in range(30)])
        async with database.transaction(read_only=True) as tx:
            self.assertEqual(len(await load_balancers.find(tx)), 30)
        self.assertLessEqual(self.connections(), 2)

    async def test_each_sentence_of_conflict_has_its_constraint(self) -> None:
        name = self.dsn.rpartition("=")[2]
        known = self.server.ask("SELECT conname FROM pg_constraint UNION SELECT indexname FROM pg_indexes", name)
        self.assertEqual(set(CONSTRAINTS) - {row[0] for row in known}, set())


class CancelledCallerTests(DatabaseCase):
    async def test_in_the_middle_everything_is_rolled_back(self) -> None:
        ids: list[str] = []

        async def work() -> None:
            async with self.database.transaction() as tx:
                ids.append(await self.insert(tx))
                await tx.script("SELECT pg_sleep(0.2)")

        working = Deferred.fromCoroutine(work())
        await self.pause(0.05)
        started = time.monotonic()
        working.cancel()
        self.failureResultOf(working, CancelledError)
        self.assertLess(time.monotonic() - started, 0.1)
        await self.pause(0.25)
        self.assertFalse(await self.exists(ids[0]))
        self.assertEqual(self.connections(), 1, "its connection serves the next one")

    async def test_during_commit_everything_is_kept(self) -> None:
        async with self.database.transaction() as tx:
            await tx.script(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON load_balancer DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION slow()"
            )
        ids: list[str] = []

        async def work() -> None:
            async with self.database.transaction() as tx:
                ids.append(await self.insert(tx))

        working = Deferred.fromCoroutine(work())
        await self.pause(0.1)
        self.assertTrue(ids, "it is at COMMIT")
        working.cancel()
        self.failureResultOf(working, CancelledError)
        await self.pause(0.2)
        self.assertTrue(await self.exists(ids[0]))

    async def test_while_waiting_for_a_connection_nothing_is_lost(self) -> None:
        database = self.smaller(size=1)

        async def read() -> Any:
            return await database.fetch_one("migration.version")

        async with database.transaction() as tx:
            waiting = [Deferred.fromCoroutine(read()) for _ in range(3)]
            waiting[0].cancel()
            self.failureResultOf(waiting[0], CancelledError)
            await tx.fetch("migration.version")
        for each in waiting[1:]:
            self.assertEqual(await each, {"version": NEWEST})

    async def test_many_at_any_moment_leave_no_connection_behind(self) -> None:
        database = self.smaller(size=2)

        async def work() -> None:
            async with database.transaction() as tx:
                await tx.fetch("migration.version")
                await self.insert(tx)
                await self.insert(tx)

        for moment in range(40):
            working = Deferred.fromCoroutine(work())
            await self.pause(moment / 8000)
            working.addErrback(lambda failure: failure.trap(CancelledError))
            working.cancel()
            await working
        async with database.transaction() as tx:
            found = await load_balancers.find(tx)
        self.assertEqual(len(found) % 2, 0, "each wrote both or none")
        self.assertLessEqual(self.connections(), 3)

    async def test_closing_waits_for_the_roll_back(self) -> None:
        database = self.smaller()

        async def work() -> None:
            async with database.transaction() as tx:
                await tx.script("SELECT pg_sleep(0.1)")

        working = Deferred.fromCoroutine(work())
        await self.pause(0.05)
        working.cancel()
        self.failureResultOf(working, CancelledError)
        await database.stopService()
        for _ in range(100):  # the server notices a moment later
            if self.connections() == 0:
                return
            await self.pause(0.02)
        self.fail("A connection was left open.")


class SlowTests(DatabaseCase):
    deadline = 3.0  # so that the server, which gives up a tenth earlier, is surely the first

    async def test_a_statement_that_takes_too_long_is_ended_by_the_server(self) -> None:
        with self.assertRaises(DatabaseUnavailable) as caught:
            async with self.database.transaction() as tx:
                await tx.script("SELECT pg_sleep(10)")
        self.assertIn("took too long", str(caught.exception))
        self.assertEqual(self.connections(), 1, "and its connection lives")


class UnavailableTests(DatabaseCase):
    deadline = 0.5

    async def test_a_server_that_stops_and_starts_is_found_again(self) -> None:
        id = ""
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
        self.server.stop()
        with self.assertRaises(DatabaseUnavailable):
            await self.exists(id)
        with self.assertRaises(DatabaseUnavailable):
            await self.exists(id)
        self.server.start()
        self.assertTrue(await self.exists(id))

    async def test_a_connection_that_is_cut_in_the_middle_is_told_and_replaced(self) -> None:
        with self.assertRaises(DatabaseUnavailable):
            async with self.database.transaction() as tx:
                id = await self.insert(tx)
                name = self.dsn.rpartition("=")[2]
                self.server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
                await self.insert(tx)
        self.assertFalse(await self.exists(id))

    async def test_a_frozen_server_is_given_up_at_the_deadline_and_found_again(self) -> None:
        id = new_id()
        self.assertFalse(await self.exists(id))  # a connection is open
        self.addCleanup(self.server.signal, signal.SIGCONT)
        self.server.signal(signal.SIGSTOP)
        started = time.monotonic()
        answers = await gatherResults([Deferred.fromCoroutine(self.gives_up(id)) for _ in range(10)])
        self.assertEqual(answers, [True] * 10)
        self.assertGreater(time.monotonic() - started, 0.4)
        self.assertLess(time.monotonic() - started, 3)  # not ten times 0.5
        self.server.signal(signal.SIGCONT)
        self.assertFalse(await self.exists(id))

    async def gives_up(self, id: str) -> bool:
        try:
            await self.exists(id)
        except DatabaseUnavailable as error:
            return "within 0.5 seconds" in str(error)
        return False

    async def test_a_caller_that_dawdles_inside_is_ended(self) -> None:
        with self.assertRaises(DatabaseUnavailable):
            async with self.database.transaction() as tx:
                id = await self.insert(tx)
                await self.pause(0.6)
        self.assertFalse(await self.exists(id))

    async def test_waiting_for_a_connection_ends_at_the_deadline(self) -> None:
        database = self.smaller(size=1, deadline=0.2)
        async with database.transaction(deadline=5.0) as tx:
            with self.assertRaises(DatabaseUnavailable):
                await database.fetch_one("migration.version")
            await tx.fetch("migration.version")

    async def test_two_that_lock_each_other_out_are_told(self) -> None:
        database = self.smaller(deadline=5.0)
        async with database.transaction() as tx:
            ids = [await self.insert(tx), await self.insert(tx)]

        async def both(order: list[str]) -> None:
            async with database.transaction() as tx:
                await load_balancers.change(tx, order[0])
                await self.pause(0.05)
                await load_balancers.change(tx, order[1])

        async def outcome(order: list[str]) -> str:
            try:
                await both(order)
            except DatabaseUnavailable:
                return "refused"
            return "done"

        outcomes = await gatherResults([Deferred.fromCoroutine(outcome(o)) for o in (ids, ids[::-1])])
        self.assertEqual(sorted(outcomes), ["done", "refused"])

    async def test_nothing_to_connect_to_is_told_without_secrets(self) -> None:
        database = Database(reactor, "host=127.0.0.1 port=1 user=me password=geheim dbname=it", deadline=1.0)
        with self.assertRaises(DatabaseUnavailable) as caught:
            await database.fetch_one("migration.version")
        self.assertIn("127.0.0.1:1/it", str(caught.exception))
        self.assertNotIn("geheim", str(caught.exception))
        await database.stopService()

    async def test_after_closing_nothing_is_opened_again(self) -> None:
        database = self.smaller()
        await database.stopService()
        with self.assertRaises(DatabaseUnavailable):
            await database.fetch_one("migration.version")


class ListeningTests(DatabaseCase):
    deadline = 0.5

    def setUp(self) -> Deferred[None]:
        self.heard: list[str] = []
        self.expected: Deferred[None] | None = None
        return super().setUp()

    def hear(self, payload: str) -> None:
        self.heard.append(payload)
        expected, self.expected = self.expected, None
        if expected is not None:
            expected.callback(None)

    async def until(self, count: int) -> None:
        while len(self.heard) < count:
            self.expected = Deferred()
            await self.expected

    async def test_what_is_committed_is_heard_and_nothing_else(self) -> None:
        await self.database.listen("octavia_tx_work", self.hear)
        self.assertEqual(self.heard, [""])
        with self.assertRaises(ZeroDivisionError):
            async with self.database.transaction() as tx:
                await self.insert(tx)
                raise ZeroDivisionError
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
        await self.until(2)
        self.assertEqual(self.heard, ["", id])

    async def test_a_lost_connection_is_opened_again_and_told(self) -> None:
        await self.database.listen("octavia_tx_work", self.hear)
        self.server.stop()
        self.server.start()
        await self.until(2)
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
        await self.until(3)
        self.assertEqual(self.heard, ["", "", id])

    async def test_a_server_that_is_not_there_yet_is_waited_for_in_the_background(self) -> None:
        self.server.stop()
        await self.database.listen("octavia_tx_work", self.hear)
        self.assertEqual(self.heard, [])
        self.server.start()
        await self.until(1)
        self.assertEqual(self.heard, [""])

    async def test_closing_before_the_first_connection_lets_its_caller_go(self) -> None:
        self.server.signal(signal.SIGSTOP)
        self.addCleanup(self.server.signal, signal.SIGCONT)
        listening = Deferred.fromCoroutine(self.database.listen("octavia_tx_work", self.hear))
        await self.pause(0.05)
        self.assertNoResult(listening)
        await self.database.stopService()
        self.assertIsNone(await listening)
        self.server.signal(signal.SIGCONT)

    async def test_a_listener_that_fails_hears_the_next_one_all_the_same(self) -> None:
        def hear_and_fail(payload: str) -> None:
            self.hear(payload)
            raise ZeroDivisionError

        await self.database.listen("octavia_tx_work", hear_and_fail)
        async with self.database.transaction() as tx:
            id = await self.insert(tx)
        await self.until(2)
        await self.pause(0)
        self.assertEqual(self.heard, ["", id])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def test_a_frozen_server_is_noticed_by_asking(self) -> None:
        self.patch(Listening, "PING", 0.1)
        await self.database.listen("octavia_tx_work", self.hear)
        self.addCleanup(self.server.signal, signal.SIGCONT)
        self.server.signal(signal.SIGSTOP)
        await self.pause(0.8)
        self.server.signal(signal.SIGCONT)
        await self.until(2)
        self.assertEqual(self.heard[:2], ["", ""])
