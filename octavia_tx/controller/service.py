"""The controller's heart: takes whatever load balancer is due, as soon as it is, and brings it to what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Any
from uuid import uuid4

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from octavia_tx import tracing
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.controller.chores import Chores
from octavia_tx.controller.convergence import Convergence
from octavia_tx.controller.housekeeping import Housekeeping
from octavia_tx.controller.renewal import Renewals
from octavia_tx.controller.rotation import Rotation
from octavia_tx.controller.work import ConvergenceSettings, Means, Work
from octavia_tx.db import leases
from octavia_tx.db.database import Database
from octavia_tx.db.leases import Lease
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.interfaces import IAmphoraDriver, ICertificateManager, IComputeDriver, INetworkDriver
from octavia_tx.model.flavor import Terms
from octavia_tx.tracing import RequestIds

__all__ = ["ControllerService", "ConvergenceSettings"]

CHANNEL = "octavia_tx_work"

_log = Logger()


class ControllerService(Service):
    """
    Converges load balancers, several at a time. Any number of these may share one database.

    @param certificates: who keeps those that tenants refer to; C{None}: references stand for nothing.
    @param logged: whether load balancers of such a flavor have access logs.
    @param chance: random numbers from 0 to 1, which keep controllers from going in step.
    """

    name = "controller"

    def __init__(
        self,
        reactor: Any,
        database: Database,
        compute: IComputeDriver,
        network: INetworkDriver,
        amphora_driver: IAmphoraDriver,
        boots: BootMaterial,
        providers: Providers,
        settings: ConvergenceSettings,
        *,
        certificates: ICertificateManager | None = None,
        logged: Callable[[Terms], bool] = lambda _terms: False,
        chance: Callable[[], float] = random,
    ) -> None:
        self._means = Means(
            clock=reactor,
            database=database,
            compute=compute,
            network=network,
            driver=amphora_driver,
            boots=boots,
            providers=providers,
            settings=settings,
            certificates=certificates,
            logged=logged,
        )
        self._chance = chance
        self._holder = str(uuid4())
        self._works: dict[Work, Deferred[None]] = {}
        self._claiming: Deferred[None] | None = None
        self._wanted = False
        self._available = True
        self._poll = LoopingCall(self._look)
        self._poll.clock = reactor
        self._chores = _chores(self._means)

    def startService(self) -> None:
        """Take what is due, and listen for more."""
        super().startService()  # type: ignore[no-untyped-call]
        listening = Deferred.fromCoroutine(self._means.database.listen(CHANNEL, self._heard))
        listening.addErrback(lambda failure: _log.failure("Can't listen for work", failure))
        self._poll.start(self._means.settings.poll)
        for chores in self._chores:
            chores.startService()

    def stopService(self) -> Deferred[None]:
        """Take no more, let running steps be recorded, and give the leases back; what takes too long is cancelled."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._poll.running:
            self._poll.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        swept = [chores.stopService() for chores in self._chores]
        if self._claiming is not None:
            await _ended(self._claiming)
        for work in self._works:
            work.stop()
        await self._wait_for(list(self._works.values()))
        for chores in swept:
            if chores is not None:
                await chores

    async def _wait_for(self, running: list[Deferred[None]]) -> None:
        """Until all have ended. Those that take too long are cancelled; those that don't heed that are left behind."""
        clock, grace = self._means.clock, self._means.settings.grace
        ended = DeferredList([_ended(d) for d in running], consumeErrors=True)
        ended.addTimeout(2 * grace, clock, lambda _, seconds: None)
        patience = clock.callLater(grace, _cancel, running)
        await ended
        if patience.active():
            patience.cancel()
        if self._works:
            _log.error("The work on {count} load balancers doesn't end; left behind", count=len(self._works))

    def _heard(self, load_balancer_id: str) -> None:
        """Something is due: this load balancer, or, where nothing is named, perhaps any."""
        ours = [work for work in self._works if work.lease.load_balancer_id == load_balancer_id]
        for work in ours:
            work.tell()
        if not ours:
            self._look()

    def _look(self) -> None:
        """Take what is due, now or as soon as the looking under way ends."""
        self._wanted = True
        if self._claiming is None and self.running:
            self._claiming = Deferred.fromCoroutine(self._claim())
            self._claiming.addBoth(self._claimed)

    async def _claim(self) -> None:
        settings = self._means.settings
        try:
            while self._wanted and self.running:
                self._wanted = False
                while self.running and sum(not work.waits for work in self._works) < settings.concurrency:
                    async with self._means.database.transaction() as tx:
                        lease = await leases.claim(tx, self._holder, settings.lease_seconds)
                    if not self._available:
                        _log.info("The database is back; going on")
                    self._available = True
                    if lease is None:
                        break
                    self._begin(lease)
        except DatabaseUnavailable as error:
            if self._available:
                _log.warn("No work is taken until the database is back: {error}", error=str(error))
            self._available = False
        except Exception:  # noqa: BLE001 - a fault of ours must not end the taking of work; the next look tries again
            _log.failure("Work can't be taken: unexpected failure")

    def _claimed(self, _: object) -> None:
        self._claiming = None

    def _begin(self, lease: Lease) -> None:
        for work, running in list(self._works.items()):
            if work.lease.load_balancer_id == lease.load_balancer_id:
                running.cancel()  # its lease ran out, or this one couldn't have been had
        work = Work(self._means, lease)
        with tracing.of(RequestIds.fresh()):  # what one lease does, here and in amphorae, is found under one id
            running = self._works[work] = Deferred.fromCoroutine(Convergence(work, self._chance).run())
        running.addErrback(lambda failure: failure.trap(CancelledError))
        running.addErrback(
            lambda failure: _log.failure(
                "Convergence of load balancer {load_balancer} failed", failure, load_balancer=lease.load_balancer_id
            )
        )
        running.addCallback(lambda _: self._ended(work))

    def _ended(self, work: Work) -> None:
        self._works.pop(work, None)
        self._look()


def _chores(means: Means) -> tuple[Chores, ...]:
    """What is looked at each so often."""
    settings, renewals = means.settings, Renewals(means).look
    always = (
        Housekeeping(means),
        Chores(means.clock, "Renewing amphorae's certificates", (renewals,), lambda: settings.housekeeping),
    )
    if means.certificates is None:
        return always
    look = Rotation(means.database, means.certificates).look
    return (*always, Chores(means.clock, "Looking for new certificates", (look,), lambda: settings.rotation))


def _ended(running: Deferred[None]) -> Deferred[None]:
    """Fires when C{running} does, without taking its result or passing a cancellation on."""
    ended: Deferred[None] = Deferred()

    def note(result: Any) -> Any:
        ended.callback(None)
        return result

    running.addBoth(note)
    return ended


def _cancel(running: list[Deferred[None]]) -> None:
    for deferred in running:
        deferred.cancel()
