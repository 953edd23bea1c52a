"""What the driver's errors become, and that no secret gets out."""

import psycopg2
from psycopg2 import errors as postgres
from twisted.internet.error import ConnectionDone
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.db.connection import address
from octavia_tx.db.failures import means
from octavia_tx.errors import DatabaseUnavailable, SettingsError


class MeaningTests(SynchronousTestCase):
    def test_whatever_may_pass_is_database_unavailable(self) -> None:
        for error in (
            psycopg2.OperationalError("could not connect\nmore"),
            psycopg2.InterfaceError("connection already closed"),
            psycopg2.DatabaseError("server closed the connection unexpectedly"),
            postgres.AdminShutdown(),
            postgres.DeadlockDetected(),
            postgres.SerializationFailure(),
            postgres.QueryCanceled(),
            postgres.ReadOnlySqlTransaction(),
            ConnectionDone(),
        ):
            self.assertIsInstance(means(error, "host/name"), DatabaseUnavailable, repr(error))

    def test_a_fault_of_our_own_sql_stays_what_it_is(self) -> None:
        for error in (postgres.SyntaxError(), postgres.UndefinedColumn(), KeyError("id")):
            self.assertIs(means(error, "host/name"), error)


class AddressTests(SynchronousTestCase):
    def test_the_name_holds_no_password(self) -> None:
        for dsn in (
            "postgresql://user:geheim@db.example:5433/octavia",
            "host=db.example port=5433 user=user password=geheim dbname=octavia",
        ):
            found = address(dsn, 5.0)
            self.assertEqual(found.name, "db.example:5433/octavia")
            self.assertNotIn("geheim", repr(found))

    def test_a_bad_string_is_refused_without_repeating_it(self) -> None:
        for dsn in ("postgresql://user:geheim@[", "password geheim", "pasword=geheim"):
            with self.assertRaises(SettingsError) as caught:
                address(dsn, 5.0)
            self.assertNotIn("geheim", str(caught.exception))
            self.assertIsNone(caught.exception.__cause__)

    def test_the_servers_own_time_limits_are_set_beside_those_of_the_operator(self) -> None:
        options = address("host=a options='-c work_mem=8MB'", 5.0).options["options"]
        self.assertIn("work_mem=8MB", options)
        self.assertIn("statement_timeout=4500", options)
        self.assertIn("idle_in_transaction_session_timeout=10000", options)

    def test_the_operators_application_name_is_kept(self) -> None:
        self.assertEqual(address("host=a application_name=mine", 5.0).options["application_name"], "mine")
        self.assertEqual(address("host=a", 5.0).options["application_name"], "octavia-tx")
