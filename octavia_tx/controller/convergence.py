"""
Bring one load balancer to what is wanted: gather, plan, do the steps, and again until nothing differs.

A failure ends the round; it is written down with the time of the next attempt, and the lease is given back. Nothing
else is undone: what was made is recorded, and the next plan starts from it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from octavia_tx.controller.gather import gather
from octavia_tx.controller.lease import Hold
from octavia_tx.controller.plan import plan
from octavia_tx.controller.retry import judge
from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import Later, Replan, Step
from octavia_tx.controller.work import Work
from octavia_tx.db import leases, load_balancers
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver.answers import UNSTORABLE
from octavia_tx.errors import DatabaseUnavailable, LeaseLost, OctaviaError

_log = Logger()

_LONGEST = 2000  # characters of a reason
_STOPPED = "The controller stopped before it was done; another goes on."


class _TooManyRounds(OctaviaError):
    """Something differs after each round."""


class Convergence:
    """
    One load balancer's way, under one lease.

    @param chance: random numbers from 0 to 1.
    """

    def __init__(self, work: Work, chance: Callable[[], float]) -> None:
        self._work = work
        self._lease = work.lease
        self._id = work.lease.load_balancer_id
        self._chance = chance
        self._revision: int | None = None
        self._at: Step | None = None

    async def run(self) -> None:
        """Converge, or write down why not. Returns when the lease is given back, or isn't ours."""
        settings = self._work.means.settings
        hold = Hold(self._work.means.clock, self._renew, settings.lease_seconds)
        try:
            await hold.during(self._attempt())
        except CancelledError:
            if self._work.stopping:
                await self._hand_over()
            raise
        except LeaseLost as error:
            _log.warn("Load balancer {load_balancer}: {error}", load_balancer=self._id, error=str(error))
        except DatabaseUnavailable as error:
            # The lease runs out by itself, and whoever takes it finds all that was recorded.
            _log.warn(
                "Load balancer {load_balancer} is left for now: {error}", load_balancer=self._id, error=str(error)
            )

    async def _hand_over(self) -> None:
        """Give the lease back in the middle of a step: it took too long for a controller that stops."""
        with suppress(LeaseLost, DatabaseUnavailable):
            await self._postpone(0.0, _STOPPED)

    async def _renew(self) -> bool:
        async with self._work.means.database.transaction() as tx:
            return await leases.renew(tx, self._lease, self._work.means.settings.lease_seconds)

    async def _attempt(self) -> None:
        try:
            await self._rounds()
        except (LeaseLost, DatabaseUnavailable, CancelledError):
            raise
        except OctaviaError as error:
            await self._failed(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours or of a driver's must not stop the others
            _log.failure("Load balancer {load_balancer}: unexpected failure", load_balancer=self._id)
            await self._failed(error)

    async def _rounds(self) -> None:
        begun = self._work.means.clock.seconds()
        for _ in range(self._work.means.settings.rounds):
            if self._work.stopping:
                await self._postpone(0.0, _STOPPED)
                return
            if self._work.news:
                await self._rest(begun)
            begun = self._work.means.clock.seconds()
            self._work.news = False
            self._at = None
            situation = await gather(self._work)
            if situation is None:
                return
            self._revision = situation.load_balancer.revision
            steps = plan(situation)
            if not steps:
                await self._settle(situation)
                return
            try:
                situation = await self._follow(steps, situation)
                if not (self._work.interrupted or plan(situation)):
                    await self._settle(situation)
                    return
            except Replan as reason:
                _log.debug("Load balancer {load_balancer}: {reason}", load_balancer=self._id, reason=str(reason))
            except Later as wait:
                await self._defer(wait)
                return
        raise _TooManyRounds("It still differs from what is wanted after many rounds.")

    async def _rest(self, begun: float) -> None:
        """
        Leave twice as much time between two rounds as the last one took, but not much: changes that come one soon after
        the other are one push then, the more so the less time there is for them.
        """
        settings = self._work.means.settings
        await self._work.rest(min(2 * (self._work.means.clock.seconds() - begun), settings.longest_rest))

    async def _follow(self, steps: tuple[Step, ...], situation: Situation) -> Situation:
        """Do the steps, up to one after which there's reason to look again."""
        for step in steps:
            self._at = step
            situation = await self._do(step, situation)
            if self._work.interrupted:
                break
        return situation

    async def _do(self, step: Step, situation: Situation) -> Situation:
        """One step, between two lines of the log: the second says that it is recorded."""
        clock = self._work.means.clock
        names = {"step": step.name, "load_balancer": self._id, "amphora": step.amphora_id}
        _log.info("Step begins: {step}, load balancer {load_balancer}, amphora {amphora}", **names)
        begun = clock.seconds()
        situation = await step.do(situation, self._work)
        _log.info(
            "Step done: {step}, load balancer {load_balancer}, amphora {amphora}, {milliseconds} ms",
            milliseconds=round((clock.seconds() - begun) * 1000),
            **names,
        )
        return situation

    async def _settle(self, situation: Situation) -> None:
        """Give the lease back, with nothing left to do; a change of just now makes it due again at once."""
        async with self._work.means.database.transaction() as tx:
            if not await leases.settle(tx, self._lease):
                raise self._work.lost()
        _log.info(
            "Load balancer {load_balancer} is settled at revision {revision}",
            load_balancer=self._id,
            revision=situation.load_balancer.revision,
        )

    async def _defer(self, wait: Later) -> None:
        """Give the lease back while time does its work: the load balancer is as wanted, but not all is tidied up."""
        assert self._at is not None
        async with self._work.means.database.transaction() as tx:
            if not await leases.defer(tx, self._lease, wait.seconds, self._at.name):
                raise self._work.lost()

    async def _failed(self, error: Exception) -> None:
        means = self._work.means
        verdict = judge(
            error,
            attempts=self._lease.attempts,
            pending=means.clock.seconds() - self._lease.pending_since.timestamp(),
            chance=self._chance(),
            settings=means.settings,
        )
        sentence = self._sentence(error)
        _log.warn(
            "Load balancer {load_balancer}: {sentence} Next attempt in {delay:.1f} s",
            load_balancer=self._id,
            sentence=sentence,
            delay=verdict.delay,
            step=self._at and self._at.name,
            amphora=self._at and self._at.amphora_id,
        )
        await self._postpone(verdict.delay, sentence, shown=verdict.shown)

    def _sentence(self, error: Exception) -> str:
        """What failed, for the operator: the step, the amphora, the reason."""
        reason = f"Unexpected failure: {type(error).__name__}."
        if isinstance(error, OctaviaError):
            reason = UNSTORABLE.sub("\ufffd", str(error))[:_LONGEST]
        if self._at is None:
            return reason
        amphora = self._at.amphora_id
        whom = f", amphora {amphora}" if amphora is not None and amphora not in reason else ""
        return f"Step '{self._at.name}'{whom}: {reason}"

    async def _postpone(self, delay: float, sentence: str, *, shown: bool = False) -> None:
        """Give the lease back, to be taken again after the delay, or at once where something changed since."""
        step = self._at.name if self._at is not None else "gather"
        async with self._work.means.database.transaction() as tx:
            if shown and not await self._changed(tx):
                await load_balancers.failed(tx, self._id, sentence)
            if not await leases.postpone(tx, self._lease, delay, step, sentence):
                raise self._work.lost()

    async def _changed(self, tx: Transaction) -> bool:
        """Whether the tenant wants another revision by now than the one that failed."""
        load_balancer = await load_balancers.get(tx, self._id)
        return self._revision is not None and load_balancer is not None and load_balancer.revision != self._revision
