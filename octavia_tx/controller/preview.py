"""What a controller would do, of the pure plan and a renderer: nothing is asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen
from zope.interface import implementer

from octavia_tx.controller.plan import plan
from octavia_tx.controller.situation import Situation
from octavia_tx.driver.registry import Providers
from octavia_tx.interfaces import IPreview
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - shown, never listened on
_FRESH = "00000000-0000-4000-8000-000000000000"


@implementer(IPreview)
@frozen
class Preview:
    """
    @ivar render: a tree of living objects and the amphora's id to haproxy's configuration; raises
        L{IncompatibleConfiguration<octavia_tx.errors.IncompatibleConfiguration>} for what can't be rendered.
    @ivar logged: whether load balancers of such a flavor have access logs.
    """

    _render: Callable[[Tree, str], str]
    _providers: Providers
    _logged: Callable[[Terms], bool] = lambda _terms: False

    def configuration(self, tree: Tree, amphora_id: str) -> str:
        """See L{IPreview}."""
        load_balancer = tree.load_balancer
        by_amphorae = self._providers.enabled(load_balancer.provider).amphorae
        if not by_amphorae or load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
            return ""
        return self._render(evolve(tree.living(), load_balancer=_addressed(load_balancer)), amphora_id)

    def steps(self, load_balancer: LoadBalancer, amphorae: tuple[Amphora, ...], terms: Terms) -> tuple[str, ...]:
        """See L{IPreview}."""
        situation = Situation(
            load_balancer=load_balancer,
            by_amphorae=self._providers.enabled(load_balancer.provider).amphorae,
            logged=self._logged(terms),
            amphorae=amphorae,
            fresh_id=_FRESH,
        )
        return tuple(step.name for step in plan(situation))


def _addressed(load_balancer: LoadBalancer) -> LoadBalancer:
    return evolve(
        load_balancer,
        vip_address=load_balancer.vip_address or UNKNOWN_ADDRESS,
        additional_vips=(
            evolve(vip, ip_address=vip.ip_address or UNKNOWN_ADDRESS) for vip in load_balancer.additional_vips
        ),
    )
