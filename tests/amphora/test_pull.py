"""Asking controllers for what to run."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from amphora import fetch, pull
from amphora.fence import Overtaken, StaleFence
from amphora.fetch import NoAnswer
from amphora.pull import LAST_DELAY, Pull, Wanted
from octavia_tx.wire.logs import LogTerms, encode

AMPHORA = "11111111-1111-4111-8111-111111111111"
LB = "22222222-2222-4222-8222-222222222222"


def answer(*load_balancers: object) -> bytes:
    return json.dumps({"load_balancers": load_balancers}).encode()


class Answers(SynchronousTestCase):
    def test_an_answer_is_read(self) -> None:
        body = answer({"id": LB, "fence": 7, "haproxy": "global\n"})
        self.assertEqual(pull.read(body), (Wanted(LB, 7, b"global\n"),))

    def test_certificates_are_read_and_not_shown(self) -> None:
        body = answer({"id": LB, "fence": 7, "haproxy": "global\n", "certificates": {"a.pem": "secret"}})
        (wanted,) = pull.read(body)
        self.assertEqual(wanted.certificates, {"a.pem": b"secret"})
        self.assertNotIn("secret", repr(wanted))

    def test_a_revision_is_read(self) -> None:
        (wanted,) = pull.read(answer({"id": LB, "fence": 7, "haproxy": "global\n", "revision": 3}))
        self.assertEqual(wanted.revision, 3)

    def test_anything_else_is_no_answer(self) -> None:
        good = {"id": LB, "fence": 7, "haproxy": ""}
        for body in (
            b"", b"[]", b"{}", b"\xff", b"1", answer(1), answer({}), answer(good | {"id": "../../etc"}),
            answer(good | {"fence": -1}), answer(good | {"fence": "1"}), answer(good | {"haproxy": None}),
            answer(good | {"certificates": ["a"]}), answer(good | {"certificates": {"a.pem": 1}}),
            answer(good | {"revision": -1}), answer(good | {"revision": "1"}),
            b"[" * 100_000, answer(good | {"fence": 2**63}), answer(good | {"fence": 10**40}),
            answer(good | {"fence": True}), answer(good)[:-1] + b', "more": ' + b"[" * 100_000,
        ):  # fmt: skip
            self.assertRaises(NoAnswer, pull.read, body)

    def test_http_is_read(self) -> None:
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
        self.assertEqual(fetch.read(text), (200, b"body"))
        self.assertEqual(fetch.read(b"HTTP/1.0 404 Not Found\r\n\r\n"), (404, b""))

    def test_http_that_is_not_whole_is_no_answer(self) -> None:
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
        for part in (text[:-1], text[:20], b"", b"220 smtp.example ESMTP\r\n\r\n", b"\r\n\r\n"):
            self.assertRaises(NoAnswer, fetch.read, part)


class LoadBalancers:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.accepted = 0
        self.refuses: Exception | None = None

    def changes(self) -> dict[str, int]:
        return {LB: self.accepted}

    def place(self, identifier: str) -> Any:
        return _LoadBalancer(self, identifier)


class _LoadBalancer:
    def __init__(self, whole: LoadBalancers, identifier: str) -> None:
        self._whole = whole
        self._identifier = identifier

    def apply(self, text: bytes, fence: int, certificates: dict[str, bytes], since: dict[str, int]) -> Deferred[None]:
        if since != self._whole.changes():
            return fail(Overtaken())
        if self._whole.refuses is not None:
            return fail(self._whole.refuses)
        self._whole.told.append(("apply", self._identifier, text, fence, *certificates.items()))
        return succeed(None)

    def remove(self, fence: int, since: dict[str, int]) -> Deferred[None]:
        self._whole.told.append(("remove", self._identifier, fence))
        return succeed(None)


class Asking(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.put: list[str] = []
        self.answers: list[tuple[int, bytes] | NoAnswer | Deferred[tuple[int, bytes]]] = []
        self.load_balancers = LoadBalancers()

    async def fetch(self, url: str, method: str = "GET") -> tuple[int, bytes]:
        if method == "PUT":
            self.put.append(url)
            return 200, b"{}"
        self.asked.append(url)
        given = self.answers.pop(0)
        if isinstance(given, NoAnswer):
            raise given
        return await given if isinstance(given, Deferred) else given

    async def go_by(self, *given: object) -> None:
        self.load_balancers.told.append(("logs", *given))

    def start(self, *urls: str) -> Pull:
        told: Any = self.load_balancers
        service = Pull(self.clock, self.fetch, urls, AMPHORA, told, lambda: 0.5, self.go_by)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def test_what_a_controller_wants_is_applied_and_nobody_asked_again(self) -> None:
        empty = {"id": AMPHORA, "fence": 2, "haproxy": ""}
        self.answers = [(200, answer({"id": LB, "fence": 7, "haproxy": "text"}, empty))]
        self.start("https://c")
        self.assertEqual(self.asked, [f"https://c/1.0/amphorae/{AMPHORA}/load_balancers"])
        self.assertEqual(self.load_balancers.told, [("apply", LB, b"text", 7), ("remove", AMPHORA, 2)])
        self.clock.advance(1000)
        self.assertEqual(len(self.asked), 1)

    def wanted(self, **given: object) -> tuple[int, bytes]:
        return 200, answer({"id": LB, "fence": 7, "haproxy": "text", "revision": 3} | given)

    def test_the_controller_that_answered_is_told_what_is_applied(self) -> None:
        self.answers = [NoAnswer("dead"), self.wanted()]
        self.start("https://a", "https://b")
        self.assertEqual(self.put, [f"https://b/1.0/amphorae/{AMPHORA}/load_balancers/{LB}/applied/7/3"])

    def test_a_notice_has_it_asked_again(self) -> None:
        self.answers = [(200, answer()), self.wanted(), self.wanted()]
        service = self.start("https://a")
        service.notice()
        service.notice()
        self.assertEqual((len(self.asked), len(self.put)), (3, 2))

    def test_notices_while_it_asks_are_one_question_more(self) -> None:
        waiting: Deferred[tuple[int, bytes]] = Deferred()
        self.answers = [waiting, (200, answer())]
        service = self.start("https://a")
        for _ in range(5):
            service.notice()
        self.assertEqual(len(self.asked), 1)
        waiting.callback((200, answer()))
        self.assertEqual(len(self.asked), 2)

    def test_a_notice_ends_the_waiting_for_a_controller(self) -> None:
        self.answers = [NoAnswer("dead")] * 20
        service = self.start("https://a")
        self.clock.pump([1.0] * 400)
        asked = len(self.asked)
        self.answers = [self.wanted(), (200, answer())]
        service.notice()
        self.assertEqual(len(self.asked), asked + 2)
        self.assertEqual(len(self.put), 1)

    def test_what_was_pushed_meanwhile_is_not_overwritten(self) -> None:
        waiting: Deferred[tuple[int, bytes]] = Deferred()
        self.answers = [waiting]
        self.start("https://a")
        self.load_balancers.accepted += 1
        waiting.callback(self.wanted())
        self.assertEqual((self.load_balancers.told, self.put), ([], []))

    def test_what_cannot_be_applied_is_not_tried_at_each_notice(self) -> None:
        self.load_balancers.refuses = StaleFence(7, 8)
        self.answers = [self.wanted()] * 20
        service = self.start("https://a")
        for _ in range(600):
            service.notice()
            self.clock.advance(1.0)
        self.assertLess(len(self.asked), 20)
        self.assertEqual(self.put, [])
        self.load_balancers.refuses = None
        self.clock.advance(LAST_DELAY)
        service.notice()
        self.clock.advance(2 * LAST_DELAY)
        self.assertGreaterEqual(len(self.put), 1)

    def test_days_without_a_controller_are_few_lines(self) -> None:
        lines: list[Any] = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        self.answers = [NoAnswer("dead")] * 10_000
        service = self.start("https://a")
        self.clock.pump([30.0] * 2880)
        self.assertGreater(len(self.asked), 1000)
        self.answers = [self.wanted()]
        self.clock.advance(2 * LAST_DELAY)
        self.assertEqual(len(self.put), 1)
        self.assertEqual(len([event for event in lines if event["log_namespace"] == service.log.namespace]), 2)

    def test_a_log_has_its_terms_before_the_configuration_that_logs(self) -> None:
        terms = LogTerms(targets=(), spool=1, rotate_bytes=1, rotate_after=1, farewell=1)
        item = {"id": LB, "fence": 7, "haproxy": "text", "logs": json.loads(encode(terms))}
        self.answers = [(200, answer(item))]
        self.start("https://c")
        self.assertEqual(self.load_balancers.told, [("logs", LB, terms, 7), ("apply", LB, b"text", 7)])

    def test_another_controller_is_asked_when_one_does_not_answer(self) -> None:
        self.answers = [NoAnswer("dead"), (200, answer())]
        self.start("https://a", "https://b")
        self.assertEqual([u[8] for u in self.asked], ["a", "b"])

    def test_it_is_tried_again_less_and_less_soon(self) -> None:
        self.answers = [NoAnswer("dead"), (503, b""), (200, b"?"), (404, b""), (200, answer())]
        self.start("https://a")
        seen = []
        for delay in (0.5, 1, 2, 4):
            seen.append(len(self.asked))
            self.clock.advance(delay)
        self.assertEqual(seen, [1, 2, 3, 4])
        self.assertEqual(self.answers, [])

    def test_nobody_is_asked_without_controllers(self) -> None:
        self.start()
        self.assertEqual(self.asked, [])

    def test_stopping_ends_it_even_when_the_cancelled_call_looks_like_a_failed_one(self) -> None:
        waiting: Deferred[tuple[int, bytes]] = Deferred(lambda d: d.errback(NoAnswer("cancelled")))
        self.answers = [waiting]
        service = self.start("https://a")
        stopped = service.stopService()
        assert stopped is not None
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_while_it_waits_ends_it(self) -> None:
        self.answers = [NoAnswer("dead")]
        stopped = self.start("https://a").stopService()
        assert stopped is not None
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
