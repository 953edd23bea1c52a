"""OpenStack's own controller boots our agent and drives it, and traffic flows."""

from __future__ import annotations

from tests.integration.agent_process import AMPHORA, LB, LISTENER, run
from tests.slow.openstack import ControllerCase


class Driving(ControllerCase):
    @run
    async def test_first(self) -> None:
        await self.restart()
        print(await self.do("versions"))
        print(await self.do("client.get_info"))
        print(await self.do("client.get_details"))
        await self.provide(self.tree())
        print((await self.visit()).body)
        print(await self.do("client.get_all_listeners"))
        print(self.log())
        print((self.base / "load_balancers" / LB / "haproxy.cfg").read_text())
        print((self.base / "load_balancers" / LB / "haproxy.log").read_text())
