"""
Looks at each load balancer's haproxy: once a second, around each change, and at once when there's a sign of one.

Signs are a line of haproxy's log, which comes when a server's state changes, and another answer to a glance: the fronts
and backs alone, a few times a second, which tells listeners that are full, and stands in where nothing is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora.heartbeat import Heartbeats
from amphora.ledger import Ledger
from amphora.load_balancer import LoadBalancer, Observer
from amphora.master import MasterSilent

PERIOD: Final = 1.0  # seconds between looks
GLANCES: Final = 4  # in this time
BATCH: Final = 25  # load balancers that are looked at together
PROMPT: Final = 0.01  # seconds from a sign to a look, so that many signs are one
GAP: Final = 0.1  # seconds between two looks, at least: also where signs never end


class Observers:
    """Several as one, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    async def before(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        for observer in self._observers:
            await observer.before(load_balancer)

    async def after(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        for observer in self._observers:
            await observer.after(load_balancer)


class Watch:
    """
    One load balancer that is looked at.

    @param look: looks at it, whole.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        load_balancer: LoadBalancer,
        look: Callable[[LoadBalancer], Coroutine[Any, Any, None]],
    ) -> None:
        self.load_balancer = load_balancer
        self._reactor = reactor
        self._look = look
        self._alarm = load_balancer.readings.alarm(self.hurry)
        self._glancing = False
        self._lock = DeferredLock()
        self._timer: IDelayedCall | None = None
        self._looked = 0.0
        self._again = False
        self._ended = False

    def round(self, *, whole: bool) -> None:
        """It's time for a look, or else for a glance, unless the one before still goes on."""
        if whole:
            self.hurry()
        elif not (self._glancing or self._ended):
            self._glancing = True
            Deferred.fromCoroutine(self._glance()).addErrback(self._failed)

    def hurry(self) -> None:
        """There's a sign."""
        if self._timer is None and not self._ended:
            left = self._looked + GAP - self._reactor.seconds()
            due = max(PROMPT, min(GAP, left))  # by a clock that was set back it would be anything
            self._timer = self._reactor.callLater(due, self._begin)

    def end(self) -> None:
        """Look no more."""
        self._ended = True
        self._alarm.close()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def look(self) -> None:
        """Look at once, or right after a look that is under way."""
        await self._lock.acquire()
        try:
            self._alarm.ensure()
            await self._look(self.load_balancer)
        finally:
            self._looked = self._reactor.seconds()
            self._lock.release()
        if self._again:
            self._again = False
            self.hurry()

    def _begin(self) -> None:
        self._timer = None
        if self._lock.locked:
            self._again = True
        else:
            Deferred.fromCoroutine(self.look()).addErrback(self._failed)

    async def _glance(self) -> None:
        try:
            if await self.load_balancer.readings.differs():
                self.hurry()
        except MasterSilent:
            return  # the next look tells
        finally:
            self._glancing = False

    def _failed(self, failure: Any) -> None:
        self.log.failure("observing load balancer {identifier}", failure, identifier=self.load_balancer.identifier)


class Observation(Service):
    """Keeps the ledger, and has it told when a status changes."""

    def __init__(self, reactor: Any, ledger: Ledger, heartbeats: Heartbeats) -> None:
        self._reactor = reactor
        self._ledger = ledger
        self._heartbeats = heartbeats
        self._watches: dict[str, Watch] = {}
        self._rounds = 0
        self._loop = LoopingCall(self._round)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(PERIOD / GLANCES, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        for watch in self._watches.values():
            watch.end()

    async def before(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        await self._watch(load_balancer).look()

    async def after(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        if load_balancer.exists:
            await self._watch(load_balancer).look()
        else:
            watch = self._watches.pop(load_balancer.identifier, None)
            if watch is not None:
                watch.end()
            self._ledger.forget(load_balancer.identifier)
        self._heartbeats.beat_at_once()

    def _watch(self, load_balancer: LoadBalancer) -> Watch:
        identifier = load_balancer.identifier
        if identifier not in self._watches:
            self._watches[identifier] = Watch(self._reactor, load_balancer, self._look)
            self._ledger.restore(identifier, load_balancer.readings.counted.read())
        return self._watches[identifier]

    def _round(self) -> None:
        """A look at some, a glance at the others; a few at a time, since all at once would take much memory."""
        self._rounds += 1
        for number, watch in enumerate(self._watches.values()):
            after = PERIOD / GLANCES * (number // BATCH * BATCH) / len(self._watches)
            self._reactor.callLater(after, watch.round, whole=(self._rounds + number) % GLANCES == 0)

    async def _look(self, load_balancer: LoadBalancer) -> None:
        try:
            snapshot = await load_balancer.readings.snapshot()
        except MasterSilent:
            return  # busy, for instance reloading: what was seen before holds
        identifier = load_balancer.identifier
        if identifier in self._watches:
            self._ledger.record(identifier, snapshot)
            if load_balancer.exists:
                load_balancer.readings.counted.write(self._ledger.kept(identifier))
            self._heartbeats.beat_if_changed()
