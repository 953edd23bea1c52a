"""
Amphorae get new certificates long before theirs end.

One is due when less than a share of the validity is left that a new one would have, and up to a fifth earlier, by its
amphora's id, so that those that were made together don't come due together. An authority that itself ends soon can't
issue one that lasts longer: then none is due.

Its serial number is recorded before it is sent, its end after the agent took it. So who dies between leaves it due, and
another sends a further one. Nobody looks at serial numbers: until an agent has taken a new certificate, its old one is
as good. An agent that can't be reached keeps its old one; it is tried again, and its load balancer isn't troubled.

One that has ended all the same isn't accepted by anybody, so its amphora can't be commanded any more, though it serves
on. It is replaced as an operator would do, a few at a time, since it may be that our clock is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from attrs import evolve, frozen
from twisted.logger import Logger

from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import OfAmphora
from octavia_tx.controller.work import Means, Work
from octavia_tx.db import amphorae, failover, leases
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import AmphoraError, BeingDeleted, CloudError, NotFound, OctaviaError
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

SPREAD = 0.2
REPLACED_AT_MOST = 4  # in one look

_log = Logger()


def is_due(amphora: Amphora, now: datetime, validity: timedelta, share: float) -> bool:
    """Whether it should have a new certificate, and can be sent one still."""
    if amphora.cert_expiration is None:
        return False
    left = amphora.cert_expiration - now
    early = 1 + SPREAD * (UUID(amphora.id).int % 1000) / 1000
    return timedelta() < left < validity * share * early


def due(means: Means, found: tuple[Amphora, ...]) -> frozenset[str]:
    """Those of these that are L{due<is_due>} now, by id."""
    now, validity = means.now(), means.boots.validity()
    return frozenset(a.id for a in found if is_due(a, now, validity, means.settings.renewal))


async def _renew(
    means: Means, amphora: Amphora, recording: Callable[[], AbstractAsyncContextManager[Transaction]]
) -> Amphora:
    issued = means.boots.issue(amphora.id)
    async with recording() as tx:
        await amphorae.record(tx, amphora.id, certificate_serial=issued.serial)
    await means.driver.renew_certificate(amphora, issued.credential)
    async with recording() as tx:
        await amphorae.record(tx, amphora.id, cert_expiration=issued.expires)
    return evolve(amphora, certificate_serial=issued.serial, cert_expiration=issued.expires)


@frozen
class RenewCertificate(OfAmphora):
    """Send the amphora's agent a new certificate."""

    name: ClassVar[str] = "renew certificate"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. That an agent doesn't take it is no failure: L{Renewals} has it tried again."""
        amphora = situation.amphora(self.amphora_id)
        try:
            amphora = await _renew(work.means, amphora, lambda: work.recording(self.name))
        except (AmphoraError, CloudError) as error:
            _keeps(amphora, error)
        return evolve(situation.having(amphora), expiring=situation.expiring - {amphora.id})


class Renewals:
    """Looks which are due, since nothing tells of time."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def look(self) -> None:
        """
        Look once: have certificates renewed, and amphorae replaced for which it's too late.

        @raise OctaviaError: the database can't be asked now.
        """
        async with self._means.database.transaction() as tx:
            rows = await amphorae.find(tx)
        serving = tuple(a for a in rows if a.state in (AmphoraState.ALLOCATED, AmphoraState.READY))
        now = self._means.now()
        replaced = 0
        for amphora in serving:
            if replaced < REPLACED_AT_MOST and amphora.cert_expiration and amphora.cert_expiration <= now:
                replaced += await self._replace(amphora)
        ids = due(self._means, serving)
        for amphora in serving:
            if amphora.id in ids:
                await self._renew(amphora)

    async def _renew(self, amphora: Amphora) -> None:
        if amphora.load_balancer_id is not None:
            async with self._means.database.transaction() as tx:
                await leases.wake(tx, amphora.load_balancer_id)
            return
        try:
            await _renew(self._means, amphora, self._means.database.transaction)
        except (AmphoraError, CloudError) as error:
            _keeps(amphora, error)

    async def _replace(self, amphora: Amphora) -> bool:
        _log.critical(
            "The certificate of amphora {amphora} ended at {end}, and nobody can command it: it is replaced",
            amphora=amphora.id,
            end=str(amphora.cert_expiration),
        )
        try:
            async with self._means.database.transaction() as tx:
                await failover.of_amphora(tx, amphora.id)
        except (BeingDeleted, NotFound):
            return False  # it goes anyway
        return True


def _keeps(amphora: Amphora, error: OctaviaError) -> None:
    """Say loudly that an amphora didn't take its new certificate."""
    _log.error(
        "Amphora {amphora} keeps its certificate, which ends at {end}: {error}",
        amphora=amphora.id,
        end=str(amphora.cert_expiration),
        error=str(error),
    )
