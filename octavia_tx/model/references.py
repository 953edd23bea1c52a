"""What tenants refer to: certificates and lists that somebody else keeps for them, named by URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from attrs import frozen

from octavia_tx.model.tree import Tree

_STORED: Final = re.compile(r"(?:.*/)?(containers|secrets)/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})/?", re.I)

ACCEPTED: Final = "the URL of a container or secret, as in https://host/v1/containers/ID"


class Use(Enum):
    """What something that is referred to is for."""

    BUNDLE = "certificate with its private key"
    AUTHORITIES = "certificates of authorities"
    REVOCATIONS = "certificate revocation lists"


OF_LISTENER: Final = {
    "default_tls_container_ref": Use.BUNDLE,
    "sni_container_refs": Use.BUNDLE,
    "client_ca_tls_container_ref": Use.AUTHORITIES,
    "client_crl_container_ref": Use.REVOCATIONS,
}
OF_POOL: Final = {
    "tls_container_ref": Use.BUNDLE,
    "ca_tls_container_ref": Use.AUTHORITIES,
    "crl_container_ref": Use.REVOCATIONS,
}
"""The fields that refer to anything, and what for. One holds a list."""


@frozen
class Reference:
    """
    One field's.

    @ivar text: as the tenant wrote it; C{where}: the field, in the API's names.
    """

    text: str
    use: Use
    where: str


@frozen(kw_only=True)
class Consumer:
    """
    Who uses what is kept, so that whoever keeps it can tell.

    @ivar kind: of object, as in C{loadbalancer}; C{id}: the object's.
    """

    kind: str
    id: str
    service: str = "octavia"


@frozen
class Stored:
    """
    What a reference names.

    @ivar kind: C{containers} or C{secrets}.
    """

    kind: str
    id: str


def stored(text: str) -> Stored | None:
    """What a reference names, whoever's host stands in it; C{None} where it names nothing that is kept."""
    found = _STORED.fullmatch(text)
    return None if found is None else Stored(found[1].lower(), found[2].lower())


def within(values: Any, fields: dict[str, Use], where: str) -> Iterator[Reference]:
    """The references in an object's fields, given by name; those that it hasn't, or that are empty, name nothing."""
    for name, use in fields.items():
        given = values.get(name)
        if isinstance(given, str):
            yield Reference(given, use, f"{where}.{name}")
        else:
            for at, each in enumerate(given or ()):
                yield Reference(each, use, f"{where}.{name}[{at}]")


def of_tree(tree: Tree) -> Iterator[Reference]:
    """All that a load balancer refers to."""
    for listener in tree.listeners:
        yield from within(vars(listener), OF_LISTENER, "listener")
    for pool in tree.pools:
        yield from within(vars(pool), OF_POOL, "pool")
