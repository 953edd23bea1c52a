"""OpenStack's own controller has our agent plug interfaces into a namespace, and its pair keep a VIP. Needs root."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.agent_namespaces import (
    FAR,
    FIXED,
    GATEWAY,
    MEMBER_IP,
    MEMBER_MAC,
    MEMBERS,
    NEAR,
    REMOTE,
    REMOTE_NET,
    SUBNET,
    VIP,
    VIP_MAC,
    VRRP,
    NetworkCase,
)
from tests.integration.agent_process import MEMBER, run
from tests.slow.openstack import ControllerCase, Refused, Tree

NAMESPACE = "amphora-haproxy"
# In a view of its own of the namespaces that have names: theirs has always the same.
ALONE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run/netns && exec "$@"', "sh"]
UDP_LISTENER = "66666666-6666-4666-8666-666666666666"
UDP_POOL = "77777777-7777-4777-8777-777777777777"


class AmphoraCase(ControllerCase, NetworkCase):
    """Has a machine with two interfaces that were just attached."""

    vrrp_ip = VRRP

    def beside(self) -> list[str]:
        return ["/usr/bin/nsenter", f"--net=/run/netns/{self.management}"]

    def before(self) -> list[str]:
        return [*self.beside(), *ALONE]

    def belongs_to_the_agent(self, directory: Path) -> None:
        """It is root."""

    def served(self, **more: Any) -> Tree:
        tree = self.tree(protocol_port=80, **more)
        tree["vip"] = VIP
        tree["pools"][0]["members"][0] |= {"ip_address": MEMBER_IP, "protocol_port": 8080}
        return tree

    async def plug(self) -> None:
        """Have the controller tell of both interfaces."""
        await self.do("plan", self.served())
        await self.do("plug_vip", VIP_MAC, SUBNET, GATEWAY)
        await self.do("plug_network", MEMBER_MAC, FIXED, MEMBERS, [REMOTE_NET, MEMBER_IP])

    def within(self, *command: str) -> str:
        """What a program says in the namespace for traffic."""
        view = ["nsenter", f"--mount=/proc/{self.agents[-1].pid}/ns/mnt", "ip", "netns", "exec", NAMESPACE]
        return subprocess.run([*view, *command], check=True, capture_output=True, text=True).stdout

    def addresses_of(self, name: str) -> set[str]:
        (found,) = json.loads(self.within("ip", "-json", "address", "show", "dev", name))
        return {f"{each['local']}/{each['prefixlen']}" for each in found["addr_info"] if each["scope"] != "link"}


class Single(AmphoraCase):
    @run
    async def test_users_reach_members_over_the_interfaces_that_it_plugs(self) -> None:
        await self.restart()
        await self.plug()
        self.assertEqual(
            (self.addresses_of("eth1"), self.addresses_of("eth2")), ({f"{VRRP}/24", f"{VIP}/32"}, {f"{FIXED}/26"})
        )
        await self.do("update")
        for source in (NEAR, FAR):
            self.assertEqual(await self.user(VIP, source), "member")
        self.assertIn(f"via {MEMBER_IP} dev eth2", self.within("ip", "route", "get", REMOTE))
        self.assertEqual(set((await self.do("client.get_details"))["networks"]), {"eth1", "eth2"})
        for address, name in ((VIP, "eth1"), (VRRP, "eth1"), (FIXED, "eth2")):
            self.assertEqual(await self.do("interface", address), name)
        self.assertEqual(await self.refused("interface", FAR), "NotFound")
        await self.plug()  # again changes nothing
        self.assertEqual(await self.user(VIP, NEAR), "member")

    @run
    async def test_haproxy_runs_as_the_user_that_the_configuration_names(self) -> None:
        await self.restart()
        await self.plug()
        await self.do("update")
        self.assertEqual({Path(f"/proc/{pid}").owner() for pid in self.workers()}, {"nobody"})
        self.assertEqual({Path(f"/proc/{pid}").stat().st_gid for pid in self.workers()} & {0}, set())
        before = self.workers()
        await self.provide(self.served(insert_headers={"X-Forwarded-For": "True"}))
        self.assertNotEqual(self.workers(), before)
        self.assertEqual(await self.user(VIP, NEAR), "member")

    @run
    async def test_an_interface_that_is_not_there_yet_is_asked_for_again(self) -> None:
        await self.restart()
        await self.do("plan", self.served())
        self.assertEqual(await self.refused("plug_vip", "fa:16:3e:00:00:99", SUBNET, GATEWAY), "TimeOutException")

    @run
    async def test_only_who_is_let_in_reaches_the_vip(self) -> None:
        await self.restart()
        await self.plug()
        await self.do("update")
        rule = {"protocol": "TCP", "cidr": f"{NEAR}/32", "port": 80}
        await self.do("rules", VIP, [rule])
        self.assertTrue(await self.reaches(VIP, NEAR))
        self.assertFalse(await self.reaches(VIP, FAR))
        await self.do("rules", VIP, [{**rule, "cidr": None}])
        self.assertTrue(await self.reaches(VIP, FAR))
        await self.do("rules", VIP, [])
        self.assertFalse(await self.reaches(VIP, NEAR))
        # Their driver takes it for an agent that is too old.
        self.assertEqual(await self.refused("rules", FAR, []), "AmpDriverNotImplementedError")

    @run
    async def test_udp_listeners(self) -> None:
        await self.restart()
        await self.plug()
        tree = self.served()
        member = {"id": MEMBER, "ip_address": MEMBER_IP, "protocol_port": 53}
        monitor = {"type": "UDP-CONNECT"}
        tree["pools"] = [{"id": UDP_POOL, "protocol": "UDP", "members": [member], "monitor": monitor}]
        tree["listeners"] = [{"id": UDP_LISTENER, "protocol": "UDP", "protocol_port": 53, "pool": UDP_POOL}]
        await self.do("plan", tree)
        with contextlib.suppress(Refused):  # where the kernel has no IPVS
            await self.controller.ask("update")
        there = await self.do("client.get", f"listeners/{UDP_LISTENER}/udp_listener")
        self.assertEqual(there["status"], 200)
        self.assertIn(f"{VIP} 53", there["body"])
        check = self.base / "lvs" / "check" / "udp_check.sh"
        self.assertIn(f'misc_path "{check} {MEMBER_IP} 53"', there["body"])
        self.assertTrue(os.access(check, os.X_OK))
        (listed,) = await self.do("client.get_all_listeners")
        self.assertEqual((listed["uuid"], listed["type"]), (UDP_LISTENER, "UDP"))
        await self.do("delete", UDP_LISTENER)
        self.assertEqual(await self.do("client.get_all_listeners"), [])


class Pair(AmphoraCase):
    topology = "ACTIVE_STANDBY"

    async def pair(self, **more: Any) -> None:
        """Have the controller make the amphora a part of one."""
        await self.restart()
        await self.plug()
        self.assertEqual(self.addresses_of("eth1"), {f"{VRRP}/24"})
        await self.provide({**self.served(), "topology": self.topology, **more})
        await self.do("update_vrrp", SUBNET, GATEWAY)
        await self.do("vrrp", "start")
        await self.until(lambda: f"{VIP}/32" in self.addresses_of("eth1"), 30)
        for source in (NEAR, FAR):
            self.assertEqual(await self.user(VIP, source), "member")

    @run
    async def test_its_keepalived_brings_the_vip_and_takes_it_away(self) -> None:
        await self.pair(peer="198.51.100.6")
        await self.until(self._leads)
        await self.do("vrrp", "reload")
        self.assertEqual(await self.user(VIP, NEAR), "member")
        await self.do("vrrp", "stop")
        await self.until(lambda: f"{VIP}/32" not in self.addresses_of("eth1"))

    @run
    async def test_haproxy_is_the_peer_that_the_configuration_names(self) -> None:
        await self.pair(peer="198.51.100.6")
        self.assertIn(f" {VRRP}:1025 ", self.within("ss", "-ltn"))

    @run
    async def test_one_is_a_pair_too_for_a_while(self) -> None:
        await self.pair()

    async def _leads(self) -> bool:
        details = await self.do("client.get_details")
        return (details["topology"], details["topology_status"]) == ("ACTIVE_STANDBY", "MASTER")
