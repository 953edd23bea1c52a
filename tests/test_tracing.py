"""Requests' ids: whose they are, how far they reach, and how the log tells them."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogPublisher, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx import tracing
from octavia_tx.tracing import RequestIds

GIVEN = "req-0a1b2c3d-1111-4222-8333-0123456789ab"


class Ids(SynchronousTestCase):
    def test_each_request_has_one_of_its_own(self) -> None:
        self.assertRegex(RequestIds.fresh().own, r"\Areq-[0-9a-f-]{36}\Z")
        self.assertNotEqual(RequestIds.fresh().own, RequestIds.fresh().own)

    def test_what_a_client_claims_is_kept_when_it_is_an_id(self) -> None:
        self.assertEqual(RequestIds.fresh(GIVEN).given, GIVEN)
        for claimed in (None, "", GIVEN[4:], GIVEN + "0", GIVEN + "\n", GIVEN.replace("a", "g"), f"{GIVEN},{GIVEN}"):
            self.assertIsNone(RequestIds.fresh(claimed).given, claimed)


class Contexts(SynchronousTestCase):
    def test_a_coroutine_keeps_its_ids_whoever_makes_it_go_on(self) -> None:
        waiting: list[Deferred[None]] = [Deferred(), Deferred()]

        async def inner(number: int) -> str:
            await waiting[number]
            ids = tracing.current()
            assert ids is not None
            return ids.own

        async def work(number: int) -> str:
            return await inner(number)

        running = []
        for number in (0, 1):
            with tracing.of(RequestIds(f"req-{number}")):
                running.append(Deferred.fromCoroutine(work(number)))
        self.assertIsNone(tracing.current())
        with tracing.of(RequestIds("req-other")):
            waiting[1].callback(None)
        waiting[0].callback(None)
        self.assertEqual([self.successResultOf(each) for each in running], ["req-0", "req-1"])

    def test_what_is_no_requests_can_begin_within_one(self) -> None:
        with tracing.of(RequestIds("req-a")):
            with tracing.of(None):
                self.assertIsNone(tracing.current())
            self.assertEqual(tracing.current(), RequestIds("req-a"))

    def test_an_error_ends_it_too(self) -> None:
        with self.assertRaises(ZeroDivisionError), tracing.of(RequestIds("req-a")):
            raise ZeroDivisionError
        self.assertIsNone(tracing.current())


class Marks(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.file = io.StringIO()
        self.log = Logger(observer=LogPublisher(tracing.mark, textFileLogObserver(self.file), self.events.append))

    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def test_every_line_of_a_request_ends_with_its_id(self) -> None:
        with tracing.of(RequestIds("req-a")):
            self.log.info("{what} done", what="it is")
        self.assertTrue(self.lines()[0].endswith("it is done [req-a]"))
        self.assertEqual(self.events[0]["request_id"], "req-a")
        self.assertNotIn("global_request_id", self.events[0])

    def test_the_clients_id_is_told_too(self) -> None:
        with tracing.of(RequestIds("req-a", GIVEN)):
            self.log.info("done")
        self.assertTrue(self.lines()[0].endswith(f"done [req-a {GIVEN}]"))
        self.assertEqual(self.events[0]["global_request_id"], GIVEN)

    def test_a_failures_id_stands_before_its_traceback(self) -> None:
        with tracing.of(RequestIds("req-a")):
            try:
                raise ZeroDivisionError("naught")
            except ZeroDivisionError:
                self.log.failure("broke")
        self.assertTrue(self.lines()[0].endswith("broke [req-a]"))
        self.assertIn("naught", "".join(self.lines()[1:]))

    def test_without_a_request_nothing_is_added(self) -> None:
        self.log.info("done")
        self.assertTrue(self.lines()[0].endswith("done"))

    def test_an_id_that_an_event_has_already_is_told_once(self) -> None:
        self.log.info("done", request_id="req-b")
        self.log.info("done by {request_id}", request_id="req-b")
        with tracing.of(RequestIds("req-a")):
            self.log.info("done", request_id="req-b")
        for event in self.events:
            tracing.mark(event)  # as when events of before the log's beginning are told again
        self.assertEqual([event["log_format"].count("{request_id}") for event in self.events], [1, 1, 1])
        self.assertEqual([line.count("req-b") for line in self.lines()], [1, 1, 1])

    def test_events_without_text_stay_without(self) -> None:
        with tracing.of(RequestIds("req-a")):
            self.log.info(None, key="value")
        self.assertIsNone(self.events[0]["log_format"])
        self.assertEqual(self.lines(), [])
