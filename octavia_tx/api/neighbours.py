"""What clients ask of neutron, keystone and barbican before they call us, for an API that stands alone."""

from __future__ import annotations

from collections.abc import Iterable

from octavia_tx.api import keymanager, network, projects
from octavia_tx.api.policy import RULES
from octavia_tx.api.resource import Route, Served

_NETWORKS = (f"/{network.ROOT}/v2.0", "/v2.0", "/v2")
"""The last ones for clients that know of a single endpoint: beside the load balancers, as if all were one service."""


def _below(prefix: str, routes: Iterable[Route]) -> tuple[Served, ...]:
    return tuple(Served(f"{prefix}/{each.path}", each, RULES[f"{each.method} {each.path}"]) for each in routes)


def networks(*, any_id: bool) -> tuple[Served, ...]:
    """
    In the place of neutron.

    @param any_id: whether whatever is named exists, as for the no-op network.
    """
    routes = network.ROUTES_OF_ANY_ID if any_id else network.ROUTES
    return _below("", network.VERSIONS) + tuple(each for prefix in _NETWORKS for each in _below(prefix, routes))


def key_manager() -> tuple[Served, ...]:
    """In the place of barbican."""
    return _below("", keymanager.VERSIONS) + _below(f"/{keymanager.ROOT}/v1", keymanager.ROUTES)


def identity() -> tuple[Served, ...]:
    """In the place of keystone."""
    return _below("", projects.ROUTES)
