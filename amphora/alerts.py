"""
Statuses that changed, told until a receiver says that they are in the database, or until they have changed again.

The receivers' answers may be lost, late, or in another order than what they answer. So it is remembered which report
told what: an answer settles a status only if its report was made after the status became what it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from amphora.ledger import Ledger
from amphora.sealing import OwnSealer
from amphora.settings import Address
from octavia_tx.wire.heartbeat import ListenerReport, MemberReport, Report

FIRST_DELAY: Final = 0.2  # seconds until an alert is repeated; each further time is twice as long
LAST_DELAY: Final = 5.0
_TOLD_LIMIT: Final = 512  # reports whose answers are still waited for

# A pool's id, or an empty word for what is in none; and the thing's own id.
Thing = tuple[str, str]
_RUNS: Final = "runs"


def words(report: Report) -> dict[Thing, str]:
    """A word for each thing whose status a report tells."""
    members = {(m.pool_id, m.member_id): m.status for m in report.members}
    listeners = {("", r.listener_id): r.status for r in report.listeners}
    return members | listeners | {("", i): _RUNS for i in report.load_balancers}


@define
class Unsettled:
    """
    What receivers haven't taken over yet, for all that is known.

    @ivar _words: what is so now.
    @ivar _since: of what isn't settled, the first report that can have told it as it is now.
    @ivar _told: what each of the latest reports said.
    """

    _words: dict[Thing, str] = field(factory=dict)
    _since: dict[Thing, int] = field(factory=dict)
    _told: dict[int, Mapping[Thing, str]] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._since)

    def update(self, now: Mapping[Thing, str], sequence: int) -> bool:
        """
        Take note of what is so now; whether that is news.

        @param sequence: of the next report.
        """
        news = [thing for thing, word in now.items() if self._words.get(thing) != word]
        self._words = dict(now)
        self._since = {thing: since for thing, since in self._since.items() if thing in now}
        self._since.update(dict.fromkeys(news, sequence))
        return bool(news)

    def report(self) -> Report:
        """What isn't settled."""
        things = sorted(thing for thing in self._since if thing[0])
        alone = {i: self._words["", i] for pool, i in self._since if not pool}
        return Report(
            tuple(ListenerReport(i, word, ()) for i, word in alone.items() if word != _RUNS),
            tuple(MemberReport(*thing, self._words[thing]) for thing in things),
            tuple(i for i, word in alone.items() if word == _RUNS),
        )

    def told(self, sequence: int, report: Report) -> None:
        """This was sent."""
        self._told[sequence] = words(report)
        while len(self._told) > _TOLD_LIMIT:
            del self._told[next(iter(self._told))]

    def answered(self, sequence: int, following: int) -> bool:
        """
        What this report said is in the database now. Whether that makes anything news that was settled: another
        receiver has older words written over what is so now.

        @param following: the sequence of the next report.
        """
        news = False
        for thing, word in self._told.pop(sequence, {}).items():
            if word == self._words.get(thing):
                if sequence >= self._since.get(thing, sequence):
                    self._since.pop(thing, None)
            elif thing in self._words and thing not in self._since:
                self._since[thing] = following
                news = True
        return news


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
        self._timer: IDelayedCall | None = None
        self._unheard = False

    def look(self) -> None:
        """Tell what has changed, if anything has."""
        if self._unsettled.update(words(self._ledger.report()), self._sealer.sequence + 1):
            self._begin()

    def answered(self, sequence: int) -> None:
        """A receiver says that this report is in the database."""
        if self._unheard:
            self.log.info("Receivers answer again")
        self._unheard = False
        if self._unsettled.answered(sequence, self._sealer.sequence + 1):
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
        self._delay = FIRST_DELAY
        self._tell()

    def _tell(self) -> None:
        self._timer = self._clock.callLater(self._delay, self._repeat)
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
