"""haproxy changed while it runs, and rid of the servers that its configuration no longer has once nobody uses them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from amphora import live
from amphora.master import Master, MasterSilent
from amphora.replacement import Change
from amphora.swaps import Swaps, places

T = TypeVar("T")
FIRST_LOOK: Final = 0.05  # seconds until the first attempt; each further one waits twice as long
LAST_LOOK: Final = 5.0


class Runtime:
    """
    What one load balancer's haproxy can be made to do without a reload.

    @param running: the configuration that it goes by; C{None}: it doesn't serve.
    """

    log = Logger()

    def __init__(self, identifier: str, reactor: Any, master: Master, running: Callable[[], str | None]) -> None:
        self._identifier = identifier
        self._reactor = reactor
        self._master = master
        self._running = running
        self._swaps = Swaps(reactor, master)
        self._leaving: dict[live.Key, live.Server] = {}
        self._lock = DeferredLock()
        self._timer: IDelayedCall | None = None
        self._delay = FIRST_LOOK

    async def take_up(self, wanted: str, new: Sequence[Change] | None) -> bool:
        """
        Whether haproxy goes by this configuration and these new certificates now. If not, it goes by neither the old
        nor the new, and needs a reload. Until the next L{look}, nothing is forgotten: which servers are to stay isn't
        known before the change is written down.

        @param new: C{None}: certificates that it can't take up while it runs.
        """
        return await self._alone(self._take_up(wanted, new))

    async def _take_up(self, wanted: str, new: Sequence[Change] | None) -> bool:
        self.stop()
        now = self._running()
        orders = None if now is None else live.orders(now, wanted, await self._still_leaving())
        if now is None or orders is None or new is None:
            return False
        if not (await self._told(orders.first) and await self._replaced(new) and await self._swapped(orders.swaps)):
            return False
        if not await self._told(orders.then):
            return False
        kept = live.servers(wanted).keys()
        self._leaving = {k: s for k, s in {**self._leaving, **live.servers(now)}.items() if k not in kept}
        return True

    def _alone(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """One thing is told after the other: a server that returns must not be forgotten at the same time."""
        alone: Deferred[T] = self._lock.run(lambda: Deferred.fromCoroutine(work))
        return alone

    async def _still_leaving(self) -> Mapping[live.Key, live.Server]:
        """The servers that went, but which haproxy hasn't forgotten yet."""
        if self._leaving:
            try:
                known = places(await self._master.states())
            except MasterSilent:
                known = {}
            self._leaving = {key: server for key, server in self._leaving.items() if key in known}
        return self._leaving

    async def _told(self, orders: Sequence[str]) -> bool:
        """Whether haproxy did this."""
        try:
            answer = await self._master.tell(orders) if orders else ""
        except MasterSilent as e:
            answer = str(e)
        if live.succeeded(answer):
            return True
        said = answer.strip()
        self.log.info("{identifier} can't be changed while it runs: {said}", identifier=self._identifier, said=said)
        return False

    async def _swapped(self, swaps: Sequence[live.Swap]) -> bool:
        """Whether these are what they are to be."""
        for each in swaps:
            try:
                said = "" if await self._swaps.make(each) else "it is needed, not well, or in use."
            except MasterSilent as e:
                said = str(e)
            if said:
                names = {"identifier": self._identifier, "server": "/".join(each.key)}
                self.log.info("{identifier}: {server} can't be swapped while it runs: {said}", said=said, **names)
                return False
        return True

    async def _replaced(self, new: Sequence[Change]) -> bool:
        """Whether haproxy took these up. What it answers isn't logged: it may be a key that it doesn't understand."""
        for each in new:
            with suppress(MasterSilent):
                if each.succeeded(await self._master.tell(each.orders)):
                    continue
                await self._master.tell((each.retreat,))
            path = each.use.path
            self.log.info("{identifier}: {path} needs a reload", identifier=self._identifier, path=path)
            return False
        return True

    def look(self) -> None:
        """There may be servers now that its configuration no longer has."""
        self._delay = FIRST_LOOK
        self._wait()

    def stop(self) -> None:
        """Leave those that there are."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _wait(self) -> None:
        self.stop()
        self._timer = self._reactor.callLater(self._delay, self._begin)

    def _begin(self) -> None:
        self._timer = None
        forgetting = self._alone(self._forget())
        forgetting.addErrback(lambda f: self.log.failure("servers that went can't be forgotten", f))

    async def _forget(self) -> None:
        """Forget servers of which nobody makes use any more; while there are others, another time."""
        running = self._running()
        if running is None:
            return
        try:
            known = places(await self._master.states())
            left = {key: known[key] for key in known.keys() - live.servers(running).keys()}
            await self._master.tell(order for key, place in left.items() for order in live.forget(key, *place))
        except MasterSilent as e:
            self.log.info("servers that went are still known: {e}", e=e)
            return
        if left:
            self._delay = min(self._delay * 2, LAST_LOOK)
            self._wait()
