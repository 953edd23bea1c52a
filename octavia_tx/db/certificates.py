"""Which content of tenants' certificates amphorae run, and who was told that it is used."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from octavia_tx.db.transaction import Transaction


@frozen(kw_only=True)
class CertificateUse:
    """
    A reference that a load balancer's amphorae were given the content of.

    @ivar digest: of that content.
    @ivar registered: whether whoever keeps it was told.
    @ivar settled: whether the load balancer is C{ACTIVE}; C{None}: it is gone.
    """

    load_balancer_id: str
    reference: str
    project_id: str
    digest: str
    registered: bool
    settled: bool | None


async def pushed(tx: Transaction, load_balancer_id: str, project_id: str, digests: Mapping[str, str]) -> None:
    """The amphorae run this content now, by reference."""
    if digests:
        await tx.execute(
            "certificate.pushed",
            load_balancer_id=load_balancer_id,
            project_id=project_id,
            references=list(digests),
            digests=list(digests.values()),
        )


async def uses(tx: Transaction) -> tuple[CertificateUse, ...]:
    """All of them, those of one load balancer one after the other."""
    return tuple(CertificateUse(**each) for each in await tx.fetch("certificate.uses"))


async def registered(tx: Transaction, use: CertificateUse) -> None:
    """Whoever keeps it was told."""
    await tx.execute("certificate.registered", load_balancer_id=use.load_balancer_id, reference=use.reference)


async def forget(tx: Transaction, use: CertificateUse) -> None:
    """It isn't used any more."""
    await tx.execute("certificate.forget", load_balancer_id=use.load_balancer_id, reference=use.reference)
