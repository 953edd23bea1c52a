"""Monitors of type PING in the whole system: where amphorae may ping, and where they may not."""

from __future__ import annotations

import os
import shutil
from typing import Any

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes
from tests.integration.system import SystemCase
from tests.integration.test_agent_pings import may_ping


class PingCase(SystemCase):
    async def pinged(self) -> dict[str, Any]:
        """A load balancer whose member listens nowhere, and is on a machine that answers."""
        monitor = {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1}
        pool = {
            "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "healthmonitor": monitor,
            "members": [{"address": "127.0.0.1", "protocol_port": 1}],
        }  # fmt: skip
        listener = {"protocol": "TCP", "protocol_port": 8080, "default_pool": pool}
        return await self.tenant.create(
            "/loadbalancers", "loadbalancer", vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener]
        )


class Allowed(PingCase):
    skip = None if may_ping() else "This machine doesn't let us ping: be root."

    async def test_a_member_that_answers_is_online(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        shown = await self.until_active((await self.pinged())["id"])
        pool = await self.tenant.show(f"/pools/{shown['pools'][0]['id']}", "pool")
        assert pool is not None
        await self.tenant.wait_for(
            f"/pools/{pool['id']}/members/{pool['members'][0]['id']}",
            "member",
            lambda member: bool(member and member["operating_status"] == "ONLINE"),
        )


class NotAllowed(PingCase):
    skip = None if os.geteuid() == 0 and shutil.which("setpriv") else "Rights are given up by root, with setpriv."

    async def test_it_is_an_error_with_a_reason_until_nobody_is_to_be_pinged(self) -> None:
        without = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
        command = [*without, *processes.controller_command(self.system.directory)]
        log = self.system.directory / "controller.log"
        self.system._children["controller"] = processes.start(command, self.system.environment(), log)
        await self.system.wait_for_api()
        made = await self.pinged()
        await self.tenant.wait_for(
            f"/loadbalancers/{made['id']}", "loadbalancer", lambda lb: bool(lb and lb["provisioning_status"] == "ERROR")
        )
        self.assertIn("Health monitors of type PING can't be served here", log.read_text())
        pool = await self.tenant.show(f"/pools/{made['pools'][0]['id']}", "pool")
        assert pool is not None
        code, _ = await self.tenant.call("DELETE", f"/healthmonitors/{pool['healthmonitor_id']}")
        self.assertEqual(code, 204)
        await self.until_active(made["id"])
