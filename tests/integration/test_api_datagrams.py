"""Datagrams are refused wherever they are asked for, as long as no engine of an amphora serves them."""

from __future__ import annotations

from typing import Any

from octavia_tx.model.engines import serving
from octavia_tx.model.statuses import Protocol
from tests.integration.api import SUBNET, ApiCase

CHECK: dict[str, Any] = {"type": "UDP-CONNECT", "delay": 1, "timeout": 1, "max_retries": 1}


class RefusedTests(ApiCase):
    """By the provider of amphorae, under either of its names."""

    async def refused(self, field: str, path: str, kind: str, **fields: Any) -> None:
        for query in ("", "?dry_run=true"):
            reply = await self.ask("POST", f"{path}{query}", {kind: fields})
            self.assertEqual(reply.status, 501, reply)
            self.assertIn(f"does not support a requested option: {field}", reply.sentence)

    async def test_in_what_is_new(self) -> None:
        for provider in ("amphora", "octavia"):
            balancer = (await self.load_balancer(provider=provider, vip_address=None))["id"]
            for protocol in filter(lambda each: serving(each) is None, Protocol):
                pool = {"protocol": protocol, "lb_algorithm": "ROUND_ROBIN"}
                listener = {"protocol": protocol, "protocol_port": 53}
                where, here = {"loadbalancer_id": balancer}, {"vip_subnet_id": SUBNET, "provider": provider}
                await self.refused("listener.protocol", "listeners", "listener", **listener, **where)
                await self.refused("pool.protocol", "pools", "pool", **pool, **where)
                monitored = {**pool, "healthmonitor": CHECK}
                await self.refused("pool.protocol", "pools", "pool", **monitored, **where)
                nested = {**listener, "default_pool": monitored}
                await self.refused("pool.protocol", "listeners", "listener", **nested, **where)
                await self.refused("pool.protocol", "loadbalancers", "loadbalancer", **here, listeners=[nested])
                named = {**pool, "name": "a"}
                await self.refused("pool.protocol", "loadbalancers", "loadbalancer", **here, pools=[named])
        self.assertEqual(await self.all("pools"), [])
        self.assertEqual(await self.all("listeners"), [])

    async def test_a_monitor_of_datagrams_is_of_no_other_pool(self) -> None:
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"])
        for kind in ("UDP-CONNECT", "SCTP"):
            reply = await self.ask(
                "POST", "healthmonitors", {"healthmonitor": {**CHECK, "type": kind, "pool_id": pool["id"]}}
            )
            self.assertEqual(reply.status, 400)
            self.assertIn("healthmonitor.type", reply.sentence)

    async def all(self, path: str) -> list[dict[str, Any]]:
        """What there is."""
        found: list[dict[str, Any]] = (await self.ask("GET", path)).body[path]
        return found


class AcceptedTests(ApiCase):
    """With amphorae that don't exist, which serve nothing anyway."""

    accept_all = True

    async def test_in_what_is_new(self) -> None:
        balancer = (await self.load_balancer())["id"]
        for protocol in ("UDP", "SCTP"):
            pool = await self.pool(balancer, protocol=protocol, healthmonitor={**CHECK, "type": "UDP-CONNECT"})
            await self.listener(balancer, protocol=protocol, protocol_port=53, default_pool_id=pool["id"])
