"""The steps with which an amphora that was replaced leaves off: nobody who is being served by it shall notice."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import evolve, frozen
from twisted.logger import Logger

from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import Later, OfAmphora, Replan
from octavia_tx.controller.work import Work
from octavia_tx.db import amphorae
from octavia_tx.errors import AmphoraError, StaleFence
from octavia_tx.model.amphora import Amphora

_log = Logger()

# Most connections end within a blink; each look is twice as far from the one before.
_LOOK_GROWTH = 2.0


@frozen
class DrainAmphora(OfAmphora):
    """Have the amphora accept no new connection, now that another does."""

    name: ClassVar[str] = "drain amphora"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. One that doesn't answer may be dead: that's no reason to keep it."""
        amphora = situation.amphora(self.amphora_id)
        await _left(amphora, work)
        now = work.means.now()
        async with work.recording(self.name) as tx:
            await amphorae.record(tx, amphora.id, withdrawn_at=now)
        return situation.having(evolve(amphora, withdrawn_at=now))


@frozen
class AwaitDrained(OfAmphora):
    """Wait until the amphora has finished its connections, or had time enough."""

    name: ClassVar[str] = "await drained"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        See L{Step.do}. Nothing is recorded: whoever goes on asks again.

        @raise Later: it takes more than a moment.
        """
        amphora = situation.amphora(self.amphora_id)
        settings = work.means.settings
        since = amphora.withdrawn_at or work.means.now()
        look = settings.first_look
        while (left := await _left(amphora, work)) != 0:
            if left is None and await work.means.compute.find(amphora.id) is None:
                break
            limit = settings.silence if left is None else settings.drain
            if _seconds_since(since, work) >= limit:
                _log.warn(
                    "Amphora {amphora} is ended after {limit:g} s with {left} connections",
                    amphora=amphora.id,
                    limit=limit,
                    left="unknown" if left is None else left,
                )
                break
            if look >= settings.longest_look:
                raise Later("The amphora finishes its connections.", look)
            await work.pause(look)
            if work.interrupted:
                raise Replan("There's news of the load balancer while its old amphora finishes.")
            look = min(look * _LOOK_GROWTH, settings.longest_look)
        return situation


@frozen
class ShipLogs(OfAmphora):
    """Have the amphora serve nothing more, and ship what is left of its access log."""

    name: ClassVar[str] = "ship logs"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        See L{Step.do}. Nothing is recorded: whoever goes on asks again. The amphora itself bounds how long it takes;
        one that doesn't answer is not waited for.

        @raise Later: it takes more than a moment.
        """
        amphora, load_balancer_id = situation.amphora(self.amphora_id), situation.load_balancer.id
        if amphora.lb_network_ip is None or amphora.id in situation.gone:
            return situation
        driver, settings = work.means.driver, work.means.settings
        look = settings.first_look
        try:
            await driver.withdraw(amphora, load_balancer_id, work.lease.fence)
            while await driver.unshipped(amphora, load_balancer_id):
                if look >= settings.longest_look:
                    raise Later("The amphora ships what is left of its log.", look)
                await work.pause(look)
                if work.interrupted:
                    raise Replan("There's news of the load balancer while an old amphora ships its log.")
                look = min(look * _LOOK_GROWTH, settings.longest_look)
        except StaleFence:
            raise
        except AmphoraError as error:
            _log.warn("What amphora {amphora} logged last may be lost: {error}", amphora=amphora.id, error=str(error))
        return situation


async def _left(amphora: Amphora, work: Work) -> int | None:
    """
    Tell the amphora to take no more, which it may know already.

    @return: how many connections it has; C{None} when it doesn't answer.
    """
    try:
        return await work.means.driver.drain(amphora, work.lease.load_balancer_id, work.lease.fence)
    except StaleFence:
        raise
    except AmphoraError as error:
        _log.warn("Amphora {amphora} can't be drained: {error}", amphora=amphora.id, error=str(error))
        return None


def _seconds_since(when: datetime, work: Work) -> float:
    return (work.means.now() - when).total_seconds()
