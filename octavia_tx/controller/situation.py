"""What is: one load balancer and its amphorae, as far as a plan needs to know."""

from __future__ import annotations

from attrs import evolve, frozen

from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import LoadBalancer


@frozen(kw_only=True)
class Situation:
    """
    All that a plan is made of. Steps give the situation that follows from them.

    @ivar by_amphorae: whether we provide the load balancer, with amphorae; if not, its provider does.
    @ivar logged: whether its amphorae have an access log to ship.
    @ivar gone: ids of amphorae whose machine is known not to exist any more.
    @ivar expiring: ids of amphorae whose agents should have new certificates.
    @ivar fresh_id: an id for a new amphora, should one be needed.
    """

    load_balancer: LoadBalancer
    by_amphorae: bool = True
    logged: bool = False
    amphorae: tuple[Amphora, ...] = ()
    gone: frozenset[str] = frozenset()
    expiring: frozenset[str] = frozenset()
    fresh_id: str

    def amphora(self, amphora_id: str) -> Amphora:
        """The amphora of that id, which must be one of these."""
        return next(a for a in self.amphorae if a.id == amphora_id)

    def having(self, amphora: Amphora) -> Situation:
        """The same with this amphora, new or in the place of the one with its id."""
        others = tuple(a for a in self.amphorae if a.id != amphora.id)
        return evolve(self, amphorae=(*others, amphora))

    def without(self, amphora_id: str) -> Situation:
        """The same without that amphora."""
        return evolve(self, amphorae=tuple(a for a in self.amphorae if a.id != amphora_id))

    @property
    def has_vip(self) -> bool:
        """Whether the network has given all front-end addresses; the tenant alone never names all of the VIP's four."""
        lb = self.load_balancer
        additional = [part for v in lb.additional_vips for part in (v.ip_address, v.port_id, v.subnet_id)]
        return None not in (lb.vip_address, lb.vip_port_id, lb.vip_subnet_id, lb.vip_network_id, *additional)
