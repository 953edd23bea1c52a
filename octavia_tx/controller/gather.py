"""Learn what is: the rows, and what compute says where the rows can't be trusted."""

from __future__ import annotations

from uuid import uuid4

from octavia_tx.controller import renewal
from octavia_tx.controller.situation import Situation
from octavia_tx.controller.work import Work
from octavia_tx.db import amphorae, flavors, load_balancers
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.flavor import Terms
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus

# States in which an amphora has a machine, unless something happened to it.
_HAS_MACHINE = frozenset(
    {AmphoraState.BOOTING, AmphoraState.READY, AmphoraState.ALLOCATED, AmphoraState.DRAINING},
)


async def gather(work: Work) -> Situation | None:
    """
    The present situation of the load balancer; C{None} when it doesn't exist any more.

    Compute is asked only after a failure: as long as all goes well, the rows are right, and asking takes time.

    @raise CloudError: its provider isn't enabled any more.
    """
    async with work.means.database.transaction() as tx:
        load_balancer = await load_balancers.get(tx, work.lease.load_balancer_id)
        found = await amphorae.of(tx, work.lease.load_balancer_id)
        terms = Terms() if load_balancer is None else await flavors.terms(tx, load_balancer)
    if load_balancer is None:
        return None
    doubted = (
        work.doubted or work.lease.attempts > 0
    ) and load_balancer.provisioning_status is not ProvisioningStatus.PENDING_DELETE
    return Situation(
        load_balancer=load_balancer,
        by_amphorae=work.means.providers.enabled(load_balancer.provider).amphorae,
        logged=work.means.logged(terms),
        amphorae=found,
        gone=await _gone(work, found) if doubted else frozenset(),
        expiring=renewal.due(work.means, found),
        fresh_id=str(uuid4()),
    )


async def _gone(work: Work, found: tuple[Amphora, ...]) -> frozenset[str]:
    ids = [a.id for a in found if a.state in _HAS_MACHINE]
    return frozenset([i for i in ids if await work.means.compute.find(i) is None])
