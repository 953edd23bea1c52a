"""What requests refer to of certificates, asked of whoever keeps them before anything is locked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from octavia_tx.api.call import Call
from octavia_tx.errors import CloudError
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import authorities, revocations
from octavia_tx.model.references import OF_LISTENER, OF_POOL, Reference, Use, within
from octavia_tx.model.resources import LoadBalancer

Values = Mapping[str, Any]


def of_listener(listener: Values, where: str) -> Iterator[Reference]:
    """All that a described listener refers to, by its pools, too."""
    yield from within(listener, OF_LISTENER, where)
    places = [(listener.get("default_pool"), f"{where}.default_pool")]
    for at, policy in enumerate(listener.get("l7policies") or ()):
        places.append((policy["redirect_pool"], f"{where}.l7policies[{at}].redirect_pool"))
    for pool, place in places:
        if isinstance(pool, dict):
            yield from of_pool(pool, place)


def of_pool(pool: Values, where: str) -> Iterator[Reference]:
    """All that a described pool refers to."""
    yield from within(pool, OF_POOL, where)


async def check(call: Call, load_balancer: LoadBalancer, references: Iterable[Reference]) -> None:
    """
    See to it that all of these can be used. What a provider with machines of its own makes of them is its own matter.

    @raise RequestError: one isn't there, may not be read, or isn't what the field is for; the error names the field.
    @raise CloudError: who keeps them doesn't tell now.
    """
    manager = call.parts.certificates
    try:
        judged = manager is not None and call.parts.providers.enabled(load_balancer.provider).amphorae
    except CloudError:  # the provider isn't enabled any more, so that nobody objects
        return
    if manager is not None and judged:
        for reference in references:
            await _check(manager, reference, load_balancer.project_id)


async def _check(manager: ICertificateManager, reference: Reference, project_id: str) -> None:
    text, where = reference.text, reference.where
    if reference.use is Use.BUNDLE:
        await manager.bundle(text, project_id, where)
    elif reference.use is Use.AUTHORITIES:
        authorities(await manager.secret(text, project_id, where), where)
    else:
        revocations(await manager.secret(text, project_id, where), where)
