"""Which amphorae there are: whose heartbeats count, and for which load balancer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

# Those on their way out say nothing about the load balancer that they served.
_SERVING: Final = frozenset({AmphoraState.REQUESTED, AmphoraState.BOOTING, AmphoraState.READY, AmphoraState.ALLOCATED})


class Registry:
    """The amphorae of the database as of its last reading, by id, address and load balancer."""

    def __init__(self) -> None:
        self._amphorae: dict[str, Amphora] = {}
        self._at: dict[str, list[str]] = {}
        self._serving: dict[str, list[str]] = {}
        self._served: frozenset[str] = frozenset()

    def __contains__(self, amphora_id: object) -> bool:
        return amphora_id in self._amphorae

    def replace(self, amphorae: Iterable[Amphora]) -> None:
        """These, and no others, are known from now on."""
        self._amphorae = {a.id: a for a in amphorae}
        at, serving = defaultdict(list), defaultdict(list)
        for amphora in self._amphorae.values():
            if amphora.lb_network_ip is not None:
                at[amphora.lb_network_ip].append(amphora.id)
            if amphora.load_balancer_id is not None and amphora.state in _SERVING:
                serving[amphora.load_balancer_id].append(amphora.id)
        self._at, self._serving = dict(at), dict(serving)
        served = {a.load_balancer_id for a in self._amphorae.values()}
        self._served = frozenset(i for i in served if i is not None)

    def get(self, amphora_id: str) -> Amphora | None:
        """The amphora of that id."""
        return self._amphorae.get(amphora_id)

    def at(self, address: str) -> tuple[str, ...]:
        """Ids of the amphorae whose LB network address this is."""
        return tuple(self._at.get(address, ()))

    def serving(self, load_balancer_id: str) -> tuple[str, ...]:
        """Ids of the amphorae that serve a load balancer, or soon will."""
        return tuple(self._serving.get(load_balancer_id, ()))

    def load_balancers(self) -> frozenset[str]:
        """Ids of all load balancers that have an amphora, in whatever state."""
        return self._served
