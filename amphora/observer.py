"""Looks at each load balancer's haproxy once a second, and around each change."""

from __future__ import annotations

from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora.heartbeat import Heartbeats
from amphora.ledger import Ledger
from amphora.load_balancer import LoadBalancer, Observer
from amphora.master import MasterSilent

PERIOD: Final = 1.0  # seconds


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


class Observation(Service):
    """Keeps the ledger, and has a heartbeat sent when a status changes."""

    log = Logger()

    def __init__(self, reactor: Any, ledger: Ledger, heartbeats: Heartbeats) -> None:
        self._ledger = ledger
        self._heartbeats = heartbeats
        self._watched: dict[str, LoadBalancer] = {}
        self._locks: dict[str, DeferredLock] = {}
        self._loop = LoopingCall(self._look_at_all)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(PERIOD, now=False).addErrback(lambda f: self.log.failure("observing ended", f))

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    async def before(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        self._watched[load_balancer.identifier] = load_balancer
        await self._look(load_balancer)

    async def after(self, load_balancer: LoadBalancer) -> None:
        """See L{Observer<amphora.load_balancer.Observer>}."""
        if load_balancer.exists:
            self._watched[load_balancer.identifier] = load_balancer
            await self._look(load_balancer)
        else:
            self._watched.pop(load_balancer.identifier, None)
            self._ledger.forget(load_balancer.identifier)
        self._heartbeats.beat_at_once()

    def _look_at_all(self) -> Deferred[None]:
        looks = [Deferred.fromCoroutine(self._look(lb)) for lb in tuple(self._watched.values())]
        return DeferredList(looks, consumeErrors=True).addCallback(self._told)

    def _told(self, results: list[tuple[bool, Any]]) -> None:
        for held, failure in results:
            if not held:
                self.log.failure("observing a load balancer", failure)
        self._heartbeats.beat_if_changed()

    async def _look(self, load_balancer: LoadBalancer) -> None:
        identifier = load_balancer.identifier
        lock = self._locks.setdefault(identifier, DeferredLock())
        await lock.acquire()
        try:
            snapshot = await load_balancer.snapshot()
        except MasterSilent:
            return  # busy, for instance reloading: what was seen before holds
        finally:
            lock.release()
        if identifier in self._watched:
            self._ledger.record(identifier, snapshot)
