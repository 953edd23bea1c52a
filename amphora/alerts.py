"""
Statuses that changed, and last words of haproxy's runs that ended: told until a receiver says that they are in the
database, or until they have changed again.

The receivers' answers may be lost, late, or in another order than what they answer. So it is remembered which report
told what: an answer settles a status only if its report was made after the status became what it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, evolve, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from amphora.ledger import Ledger, Run
from amphora.sealing import OwnSealer
from amphora.settings import Address
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report

FIRST_DELAY: Final = 0.1  # seconds until an alert is repeated
SOON: Final = 4  # times that it is repeated as soon, to be there within half a second; then each time is twice as long
LAST_DELAY: Final = 5.0
_TOLD_LIMIT: Final = 512  # things that were told and whose answers are still waited for, at least
_TOLD_AGAIN: Final = 2  # times that all there is may be told and waited for; answers to what was told before are late

# What it is, its id, and whatever else it takes to name it: a member's pool, or the epoch of a listener's run.
Thing = tuple[str, str, str]
_LOAD_BALANCER, _LISTENER, _RUN, _MEMBER = "load balancer", "listener", "run", "member"
Word = str | Counters


def words(report: Report) -> dict[Thing, Word]:
    """A word for each thing whose status a report tells; of runs, their counters."""
    said: dict[Thing, Word] = {(_LOAD_BALANCER, i, ""): "" for i in report.load_balancers}
    said |= {(_LISTENER, r.listener_id, ""): r.status for r in report.listeners}
    said |= {(_MEMBER, m.member_id, m.pool_id): m.status for m in report.members}
    return said | {(_RUN, r.listener_id, c.epoch): c for r in report.listeners for c in r.counters}


def news(ledger: Ledger) -> dict[Thing, Word]:
    """What is told without being asked: statuses as they are, and runs that ended."""
    report = ledger.report()
    statuses = evolve(report, listeners=tuple(evolve(r, counters=()) for r in report.listeners))
    return words(statuses) | {(_RUN, *run): counters for run, counters in ledger.finished().items()}


@define
class Unsettled:
    """
    What receivers haven't taken over yet, for all that is known.

    @ivar _words: what is so now.
    @ivar _since: of what isn't settled, the first report that can have told it as it is now.
    @ivar _told: what each of the latest reports said.
    """

    _words: dict[Thing, Word] = field(factory=dict)
    _since: dict[Thing, int] = field(factory=dict)
    _told: dict[int, Mapping[Thing, Word]] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._since)

    def update(self, now: Mapping[Thing, Word], sequence: int) -> bool:
        """
        Take note of what is so now; whether that is news.

        @param sequence: of the next report.
        """
        new = [thing for thing, word in now.items() if self._words.get(thing) != word]
        self._words = dict(now)
        self._since = {thing: since for thing, since in self._since.items() if thing in now}
        self._since.update(dict.fromkeys(new, sequence))
        return bool(new)

    def report(self) -> Report:
        """What isn't settled. A listener's runs are told together with its status."""
        due: dict[str, list[Thing]] = {}
        for thing in sorted(self._since, key=lambda thing: (thing[2], thing[1])):  # members by their pools
            due.setdefault(thing[0], []).append(thing)
        runs: dict[str, list[Any]] = {i: [] for _, i, _ in due.get(_LISTENER, ())}
        for thing in due.get(_RUN, ()):
            runs.setdefault(thing[1], []).append(self._words[thing])
        listeners = [(i, self._words.get((_LISTENER, i, "")), tuple(counters)) for i, counters in runs.items()]
        return Report(
            tuple(ListenerReport(i, str(word), counters) for i, word, counters in listeners if word is not None),
            tuple(MemberReport(pool, i, str(self._words[kind, i, pool])) for kind, i, pool in due.get(_MEMBER, ())),
            tuple(i for _, i, _ in due.get(_LOAD_BALANCER, ())),
        )

    def told(self, sequence: int, report: Report) -> None:
        """This was sent."""
        self._told[sequence] = words(report)
        limit = max(_TOLD_LIMIT, _TOLD_AGAIN * len(self._words))
        while sum(map(len, self._told.values())) > limit:
            del self._told[next(iter(self._told))]

    def runs(self) -> tuple[Run, ...]:
        """Those whose last words are settled."""
        return tuple((i, epoch) for kind, i, epoch in self._words.keys() - self._since.keys() if kind == _RUN)

    def answered(self, sequence: int, following: int) -> bool:
        """
        What this report said is in the database now. Whether that makes anything news that was settled: another
        receiver has older words written over what is so now.

        @param following: the sequence of the next report.
        """
        older = False
        for thing, word in self._told.pop(sequence, {}).items():
            if word == self._words.get(thing):
                if sequence >= self._since.get(thing, sequence):
                    self._since.pop(thing, None)
            elif thing in self._words and thing not in self._since:
                self._since[thing] = following
                older = True
        return older


class Alerts:
    """
    Sends them, to one receiver as long as that answers, else to the next.

    @param send: sends datagrams.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        sealer: OwnSealer,
        ledger: Ledger,
        receivers: Sequence[Address],
        send: Callable[[Address, tuple[bytes, ...]], None],
    ) -> None:
        self._clock = clock
        self._sealer = sealer
        self._ledger = ledger
        self._receivers = receivers
        self._turn = 0
        self._send = send
        self._unsettled = Unsettled()
        self._delay = FIRST_DELAY
        self._soon = 0
        self._timer: IDelayedCall | None = None
        self._unheard = False

    def look(self) -> None:
        """Tell what has changed, if anything has."""
        if self._unsettled.update(news(self._ledger), self._sealer.sequence + 1):
            self._begin()

    def answered(self, sequence: int) -> None:
        """A receiver says that this report is in the database."""
        if self._unheard:
            self.log.info("Receivers answer again")
        self._unheard = False
        older = self._unsettled.answered(sequence, self._sealer.sequence + 1)
        for run in self._unsettled.runs():
            self._ledger.settled(run)
        if older:
            self._begin()
        elif not self._unsettled:
            self.stop()

    def stop(self) -> None:
        """Repeat nothing any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _begin(self) -> None:
        self.stop()
        self._delay, self._soon = FIRST_DELAY, SOON
        self._tell()

    def _tell(self) -> None:
        self._timer = self._clock.callLater(self._delay, self._repeat)
        self._soon -= 1
        if self._soon <= 0:
            self._delay = min(self._delay * 2, LAST_DELAY)
        datagrams = []
        for sequence, report, datagram in self._sealer.alert(self._unsettled.report()):
            self._unsettled.told(sequence, report)
            datagrams.append(datagram)
        self._send(self._receivers[self._turn], tuple(datagrams))

    def _repeat(self) -> None:
        self._timer = None
        if not self._unsettled:
            return  # what it was about is gone
        self._turn = (self._turn + 1) % len(self._receivers)
        if self._delay == LAST_DELAY and not self._unheard:
            self._unheard = True
            self.log.warn("No receiver says that it has written what changed here; it is told until one does")
        self._tell()
