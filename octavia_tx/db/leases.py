"""Who works on which load balancer, and when it wants attention next."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from octavia_tx.db.transaction import Transaction


@frozen(kw_only=True)
class Lease:
    """
    The right to work on one load balancer for a while.

    @ivar holder: the controller's id.
    @ivar fence: raised by each lease of this load balancer; goes with every push to an amphora.
    @ivar attempts: failures in a row.
    @ivar pending_since: since when the load balancer isn't settled.
    @ivar revision: the load balancer's, when the lease was taken.
    """

    load_balancer_id: str
    holder: str
    fence: int
    attempts: int
    pending_since: datetime
    revision: int = 0


async def claim(tx: Transaction, holder: str, seconds: float) -> Lease | None:
    """
    Take the load balancer that has been due longest and that nobody holds, if there's any.

    @param seconds: until others may take it, unless L{renew}ed.
    """
    claimed = await tx.fetch_one("lease.claim", holder=holder, seconds=seconds)
    return None if claimed is None else Lease(**claimed)


async def renew(tx: Transaction, lease: Lease, seconds: float) -> bool:
    """Keep a lease for C{seconds} from now. False: someone else has it."""
    return await _held(tx, "lease.renew", lease, seconds=seconds)


async def progress(tx: Transaction, lease: Lease, step: str) -> bool:
    """Record what is being done. False: someone else has the lease."""
    return await _held(tx, "lease.progress", lease, step=step)


async def settle(tx: Transaction, lease: Lease) -> bool:
    """
    Give a lease back after success. There's nothing more to do if the load balancer's newest revision is applied and
    no fact came meanwhile (L{wake}); else it is due now. False: someone else has the lease.
    """
    return await _held(tx, "lease.settle", lease)


async def postpone(tx: Transaction, lease: Lease, seconds: float, step: str, sentence: str) -> bool:
    """
    Give a lease back after a failure: due again in C{seconds}, or now if a change or a fact came meanwhile.

    @param step: what failed.
    @param sentence: why.
    @return: False where someone else has the lease.
    """
    return await _held(
        tx, "lease.postpone", lease, seconds=seconds, step=step, sentence=sentence, revision=lease.revision
    )


async def defer(tx: Transaction, lease: Lease, seconds: float, step: str) -> bool:
    """
    Give a lease back though not all is done yet, since the rest takes its time: due again in C{seconds}, or now if a
    change or a fact came meanwhile.

    @param step: what takes its time.
    @return: False where someone else has the lease.
    """
    return await _held(tx, "lease.defer", lease, seconds=seconds, step=step, revision=lease.revision)


async def wake(tx: Transaction, load_balancer_id: str) -> None:
    """A fact changed (an amphora was lost, a machine came up): have a controller look now. None there: no error."""
    await tx.fetch("lease.wake", load_balancer_id=load_balancer_id)


async def _held(tx: Transaction, statement: str, lease: Lease, **values: object) -> bool:
    touched = await tx.execute(
        statement, load_balancer_id=lease.load_balancer_id, holder=lease.holder, fence=lease.fence, **values
    )
    return touched > 0
