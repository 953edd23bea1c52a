"""openstacksdk, as a program uses it with a running system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openstack
from twisted.internet.threads import deferToThread

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from tests.journey.client import ClientCase


class SdkCase(ClientCase):
    """Has C{self.cloud}, for the system that L{begin} starts, and C{self.service}, its load balancers."""

    async def begin(self, *back_ends: str) -> None:
        await super().begin(*back_ends)
        endpoint = self.tenant.endpoint
        overrides = {"load_balancer_endpoint_override": endpoint, "network_endpoint_override": f"{endpoint}/network"}
        overrides["key_manager_endpoint_override"] = f"{endpoint}/key-manager"
        self.cloud = openstack.connect(auth_type="none", endpoint=endpoint, **overrides)
        self.addCleanup(self.cloud.close)
        self.service: Any = await deferToThread(lambda: self.cloud.load_balancer)

    async def call(self, verb: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One call of the SDK; lists come whole."""

        def work() -> Any:
            result = verb(*arguments, **named)
            return list(result) if hasattr(result, "__next__") else result

        return await deferToThread(work)

    async def waited(self, name: str) -> Any:
        """The load balancer, once it is C{ACTIVE}."""
        return await self.call(self.service.wait_for_load_balancer, name, interval=0.1, wait=60)

    async def replaced(self, service: Any, amphora: Any) -> Any:
        """The amphora that serves instead of one, once that one has finished what it had."""
        of = {"loadbalancer_id": amphora.loadbalancer_id, "status": "ALLOCATED"}
        for _ in range(300):
            found = await self.call(service.amphorae, **of)
            if found and amphora.id not in {each.id for each in found}:
                return found[0]
            await self.pause(0.1)
        raise self.failureException(f"Amphora {amphora.id} still serves: {found}")

    def tree(self, *members: str) -> dict[str, Any]:
        """A whole load balancer."""
        described = [
            {"name": name, "address": "127.0.0.1", "protocol_port": self.system.members[name]} for name in members
        ]
        monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        pool = {"name": "backs", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": described}
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": 8080}
        return {
            "name": "shop",
            "vip_subnet_id": IPV4_SUBNET_ID,
            "listeners": [{**listener, "default_pool": {**pool, "healthmonitor": monitor}}],
        }
