"""Asking for new terms of access logs."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.fence import StaleFence
from amphora.fetch import NoAnswer
from amphora.logs.renewal import PERIOD, TermsRenewal
from octavia_tx.wire.logs import LogTerms, encode

AMPHORA = "11111111-1111-4111-8111-111111111111"
LB = "22222222-2222-4222-8222-222222222222"
TERMS = LogTerms(targets=(), spool=1, rotate_bytes=1, rotate_after=1, farewell=1)


@define
class Log:
    identifier: str
    terms: LogTerms


@define
class Logs:
    logs: tuple[Log, ...] = ()

    def all(self) -> tuple[Log, ...]:
        return self.logs


@define
class Settings:
    controllers: tuple[str, ...]


def answer(*found: tuple[str, LogTerms]) -> tuple[int, bytes]:
    items = [{"id": identifier, "fence": 3, "logs": json.loads(encode(terms))} for identifier, terms in found]
    return 200, json.dumps({"load_balancers": items}).encode()


class Renewing(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.logs = Logs((Log(LB, evolve(TERMS, renew_at=1000.0)),))
        self.asked: list[str] = []
        self.taken: list[tuple[object, ...]] = []
        self.answers: list[Any] = []
        logs: Any = self.logs
        self.renewal = TermsRenewal(self.clock, self.fetch, ("https://a", "https://b"), AMPHORA, logs, self.go_by)
        self.renewal.startService()
        self.addCleanup(self.renewal.stopService)

    async def fetch(self, url: str) -> tuple[int, bytes]:
        self.asked.append(url)
        given = self.answers.pop(0)
        if isinstance(given, NoAnswer):
            raise given
        found: tuple[int, bytes] = await given if isinstance(given, Deferred) else given
        return found

    async def go_by(self, identifier: str, terms: LogTerms, fence: int | None) -> None:
        self.taken.append((identifier, terms, fence))
        (log,) = self.logs.logs
        log.terms = terms

    def test_terms_that_hold_for_good_are_not_asked_for(self) -> None:
        self.logs.logs = (Log(LB, TERMS),)
        self.clock.pump([PERIOD] * 100)
        self.assertEqual(self.asked, [])

    def test_they_are_asked_for_when_it_is_time_and_then_no_more(self) -> None:
        self.answers = [answer((LB, TERMS))]
        self.clock.pump([PERIOD] * 16)
        self.assertEqual(self.asked, [])
        self.clock.pump([PERIOD] * 10)
        self.assertEqual(self.asked, [f"https://a/1.0/amphorae/{AMPHORA}/logs"])
        self.assertEqual(self.taken, [(LB, TERMS, 3)])

    def test_one_controller_is_asked_after_the_other_until_one_answers(self) -> None:
        _status, good = answer((LB, TERMS))
        huge = (
            good.replace(b'"fence": 3', b'"fence": 1e999'),
            good.replace(b'"fence": 3', b'"fence": 9223372036854775808'),
        )
        bodies = (b"fish", b'{"load_balancers": [{"id": 3}]}', b"[" * 100_000, *huge)
        wrong = ((500, b""), *((200, body) for body in bodies), NoAnswer("dead"))
        for given in wrong:
            self.answers += [given, NoAnswer("dead")]
        self.answers.append(answer((LB, TERMS)))
        self.clock.pump([PERIOD] * 30)
        self.assertEqual([url[:9] for url in self.asked], ["https://a", "https://b"] * len(wrong) + ["https://a"])
        self.assertEqual(len(self.taken), 1)

    def test_who_is_not_let_in_has_them_asked_for(self) -> None:
        self.logs.logs = (Log(LB, TERMS),)
        self.answers = [answer((LB, TERMS))]
        self.renewal.want()
        self.assertEqual(self.asked, [])
        self.clock.pump([PERIOD] * 3)
        self.assertEqual(len(self.asked), 1)

    def test_new_settings_of_the_agents_have_them_asked_for_at_once(self) -> None:
        self.answers = [answer((LB, TERMS))]
        settings: Any = Settings(("https://c",))
        self.successResultOf(Deferred.fromCoroutine(self.renewal.renew(settings)))
        self.assertEqual([url[:9] for url in self.asked], ["https://c"])

    def test_those_of_a_log_that_is_not_here_are_left(self) -> None:
        self.answers = [answer((AMPHORA, TERMS), (LB, TERMS))]
        self.clock.pump([PERIOD] * 20)
        self.assertEqual([identifier for identifier, *_ in self.taken], [LB])

    def test_those_of_an_older_controller_are_told_and_asked_for_again(self) -> None:
        async def stale(identifier: str, terms: LogTerms, fence: int | None) -> None:
            raise StaleFence(3, 4)

        self.renewal._go_by = stale
        self.answers = [answer((LB, TERMS)) for _ in range(9)]
        self.clock.pump([PERIOD] * 20)
        self.assertEqual(len(self.asked), 4)

    def test_stopping_ends_what_is_asked(self) -> None:
        self.answers = [Deferred(lambda d: d.errback(NoAnswer("cancelled")))]
        self.clock.pump([PERIOD] * 17)
        self.assertEqual(len(self.asked), 1)
        self.successResultOf(self.renewal.stopService() or succeed(None))
        self.assertEqual(len(self.asked), 1)
