"""Which amphorae there are: whose heartbeats count, and for which load balancer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

# Those on their way out say nothing about the load balancer that they served.
_SERVING: Final = frozenset({AmphoraState.REQUESTED, AmphoraState.BOOTING, AmphoraState.READY, AmphoraState.ALLOCATED})


class Registry:
    """The amphorae of the database as they were read last, by id, address and load balancer."""

    def __init__(self) -> None:
        self._amphorae: dict[str, Amphora] = {}
        self._at: dict[str, set[str]] = {}
        self._of: dict[str, set[str]] = {}

    def __contains__(self, amphora_id: object) -> bool:
        return amphora_id in self._amphorae

    def replace(self, amphorae: Iterable[Amphora]) -> None:
        """These, and no others, are known from now on."""
        found = tuple(amphorae)
        self.update(self._amphorae.keys() - {a.id for a in found}, found)

    def update(self, ids: Collection[str], amphorae: Iterable[Amphora]) -> None:
        """Of these ids, only these amphorae are known from now on; what was known of others stays."""
        for amphora_id in tuple(ids):
            self._forget(amphora_id)
        for amphora in amphorae:
            self._forget(amphora.id)
            self._amphorae[amphora.id] = amphora
            for where, key in ((self._at, amphora.lb_network_ip), (self._of, amphora.load_balancer_id)):
                if key is not None:
                    where.setdefault(key, set()).add(amphora.id)

    def _forget(self, amphora_id: str) -> None:
        amphora = self._amphorae.pop(amphora_id, None)
        if amphora is None:
            return
        for where, key in ((self._at, amphora.lb_network_ip), (self._of, amphora.load_balancer_id)):
            if key is not None:
                where[key].discard(amphora_id)
                if not where[key]:
                    del where[key]

    def get(self, amphora_id: str) -> Amphora | None:
        """The amphora of that id."""
        return self._amphorae.get(amphora_id)

    def at(self, address: str) -> tuple[str, ...]:
        """Ids of the amphorae whose LB network address this is."""
        return tuple(self._at.get(address, ()))

    def serving(self, load_balancer_id: str) -> tuple[str, ...]:
        """Ids of the amphorae that serve a load balancer, or soon will."""
        return tuple(i for i in self._of.get(load_balancer_id, ()) if self._amphorae[i].state in _SERVING)

    def load_balancers(self) -> frozenset[str]:
        """Ids of all load balancers that have an amphora, in whatever state."""
        return frozenset(self._of)
