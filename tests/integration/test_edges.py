"""From what haproxy sees to what the API shows: the whole system."""

from __future__ import annotations

import socket
import time
from typing import Any

from tests.integration.haproxy_process import ask_haproxy
from tests.integration.system import SystemCase


class EdgeCase(SystemCase):
    settings = {"OCTAVIA_TX_HEALTH__INTERVAL": "5"}

    async def begin(self) -> dict[str, Any]:
        """A load balancer with a member, online."""
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        await self.until_active(created["id"])
        (_code, listed) = await self.tenant.call("GET", "/pools")
        (pool,) = listed["pools"]
        (member,) = pool["members"]
        self.member = f"/pools/{pool['id']}/members/{member['id']}"
        self.listener = f"/listeners/{pool['listeners'][0]['id']}"
        self.server = f"{pool['id']}:{pool['listeners'][0]['id']}/{member['id']}"
        await self.tenant.wait_for(self.member, "member", lambda m: bool(m and m["operating_status"] == "ONLINE"))
        return created

    def tell(self, command: str) -> None:
        """Have haproxy do something, as an operator of the amphora would."""
        (path,) = (self.system.directory / "state" / "amphorae").glob("*/load_balancers/*/worker.sock")
        ask_haproxy(path, command)

    async def until_shown(self, path: str, status: str, began: float | None = None) -> float:
        """Seconds until the API shows it, since then or now."""
        began = began or time.monotonic()
        key = path.rsplit("/", 2)[1][:-1]
        while True:
            shown = await self.tenant.show(path, key)
            assert shown is not None
            if shown["operating_status"] == status:
                return time.monotonic() - began
            self.assertLess(time.monotonic() - began, 10, shown)
            await self.pause(0.005)


class Edges(EdgeCase):
    async def test_what_haproxy_sees_the_api_shows_within_half_a_second(self) -> None:
        created = await self.begin()
        taken = []
        for _ in range(5):
            for command, status in (("disable", "OFFLINE"), ("enable", "ONLINE")):
                began = time.monotonic()
                self.tell(f"{command} server {self.server}")
                taken.append(await self.until_shown(self.member, status, began))
        self.assertLess(max(taken), 0.5, taken)

        # A listener that is full, and isn't any more; by the same test, since the system takes long to come up.
        await self.tenant.call("PUT", self.listener, {"listener": {"connection_limit": 1}})
        shown = await self.until_active(created["id"])
        await self.until_shown(self.listener, "ONLINE")
        taken.clear()
        for _ in range(3):
            with socket.create_connection((shown["vip_address"], 8080)):
                taken.append(await self.until_shown(self.listener, "DEGRADED"))
            taken.append(await self.until_shown(self.listener, "ONLINE"))
        self.assertLess(max(taken), 0.5, taken)
