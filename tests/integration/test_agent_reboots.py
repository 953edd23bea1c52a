"""What was plugged is there again after the agent's next start, and the machine's. Needs root."""

from __future__ import annotations

import json
import os
import signal

from tests.integration.agent_namespaces import (
    FAR,
    MEMBER_MAC,
    NEAR,
    NEAR6,
    VIP,
    VIP6,
    VIP_MAC,
    VRRP,
    NetworkCase,
)
from tests.integration.agent_process import run
from tests.integration.netns import ip


class Rebooting(NetworkCase):
    async def _reboot(self) -> None:
        """Nothing survives but the disk; interfaces come back outside, under other names."""
        self.kill(self.agents[-1])
        for pid in self.haproxies():
            os.kill(pid, signal.SIGKILL)
        await self.until(lambda: not self.haproxies())
        ip("netns", "del", self.traffic)
        for each in json.loads(ip("-n", self.management, "-j", "link")):
            if each["address"] in (VIP_MAC, MEMBER_MAC):
                ip("-n", self.management, "link", "delete", each["ifname"])
        gone = (("vip", self.users), ("members", self.members))
        await self.until(lambda: not any(f" {name}@" in ip("-n", where, "link") for name, where in gone))

    @run
    async def test_all_is_there_again_after_a_reboot(self) -> None:
        await self.start()
        await self.plug_vip()
        await self.plug_network()
        await self.allow([{"protocol": "TCP", "cidr": f"{NEAR}/32", "port": 80}])
        await self.serve(self.listening())
        before = {name: self.addresses(name) for name in ("eth1", "eth2")}
        await self._reboot()
        self.machine()
        await self.restart()
        await self.until(lambda: self.reaches(VIP, NEAR))
        self.assertEqual({name: self.addresses(name) for name in ("eth1", "eth2")}, before)
        self.assertFalse(await self.reaches(VIP6, NEAR6))
        refused = await self.plug_vip()
        self.assertEqual(refused.status, 409)

    @run
    async def test_nothing_is_plugged_again_that_can_not_be_protected(self) -> None:
        await self.start()
        await self.plug_vip()
        await self.allow([])
        await self._reboot()
        self.machine()
        self.spoil("nft")
        await self.restart()
        await self.until(lambda: "nothing is plugged that can't be protected" in self.log())
        self.assertEqual([each["ifname"] for each in self.links()], ["lo"])
        self.mend("nft")
        await self.until(lambda: len(self.links()) > 1)

    @run
    async def test_an_interface_that_comes_late_is_waited_for(self) -> None:
        await self.start()
        await self.plug_vip()
        await self.plug_network()
        await self.serve(self.listening())
        await self._reboot()
        await self.restart()
        await self.until(lambda: "isn't there yet" in self.log())
        self.machine()
        await self.until(lambda: self.reaches(VIP, FAR))

    @run
    async def test_the_agent_s_next_start_changes_nothing(self) -> None:
        child = await self.start()
        await self.plug_vip()
        await self.plug_network()
        await self.allow([{"protocol": "TCP", "cidr": None, "port": 80}])
        await self.serve(self.listening())
        before, haproxies = self.state(), self.haproxies()
        self.kill(child)
        await self.restart()
        self.assertEqual((await self.plug_vip()).status, 409)  # by when it has looked at all
        self.assertEqual((self.state(), self.haproxies()), (before, haproxies))
        self.assertTrue(await self.reaches(VIP, FAR))

    @run
    async def test_what_was_done_by_half_is_done_in_full_by_the_next_agent(self) -> None:
        child = await self.start()
        await self.plug_vip()
        self.kill(child)
        ip("-n", self.traffic, "link", "set", "eth1", "down")
        ip("-n", self.traffic, "address", "delete", f"{VIP}/32", "dev", "eth1")
        await self.restart()
        self.assertEqual((await self.plug_vip()).status, 409)
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24", f"{VIP}/32", f"{VIP6}/128"})
