"""The agent lets in whom it is told to let in. Needs root."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from tests.integration.agent_namespaces import (
    FAR,
    FAR6,
    FIXED,
    MEMBER_IP,
    MEMBERS,
    NEAR,
    NEAR6,
    UNREACHED,
    VIP,
    VIP6,
    VRRP,
    NetworkCase,
)
from tests.integration.agent_process import real, run
from tests.integration.netns import browser, inside, ip


class Member(DatagramProtocol):
    """Keeps who sent what."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.heard.append((datagram, addr[0]))


class Protecting(NetworkCase):
    async def _serving(self) -> None:
        await self.start()
        await self.plug_vip()
        await self.plug_network()
        await self.serve(self.listening())

    @run
    async def test_who_is_allowed_gets_in_and_others_are_kept_out(self) -> None:
        await self._serving()
        rules = [
            {"protocol": "TCP", "cidr": f"{NEAR}/32", "port": 80},
            {"protocol": "TCP", "cidr": f"{FAR6}/128", "port": 80},
            {"protocol": "UDP", "cidr": None, "port": 53},
            {"protocol": "SCTP", "cidr": "2001:db8::/32", "port": 132},
            {"protocol": "VRRP", "cidr": "198.51.100.6/32", "port": 112},
        ]
        allowed = await self.allow(rules)
        self.assertEqual((allowed.status, allowed.json), (200, {"message": "OK"}))
        reached = {source: await self.reaches(vip, source) for vip, source in (
            (VIP, NEAR), (VIP, FAR), (VIP6, NEAR6), (VIP6, FAR6),
        )}  # fmt: skip
        self.assertEqual(reached, {NEAR: True, FAR: False, NEAR6: False, FAR6: True})
        self.assertEqual((await self.allow([{"protocol": "TCP", "cidr": None, "port": 80}])).status, 200)
        for vip, source in ((VIP, FAR), (VIP6, NEAR6)):
            self.assertTrue(await self.reaches(vip, source))
        self.assertEqual((await self.allow([])).status, 200)
        self.assertFalse(await self.reaches(VIP, NEAR))

    @run
    async def test_who_is_being_served_is_served_to_the_end(self) -> None:
        await self._serving()
        self.assertEqual((await self.allow([{"protocol": "TCP", "cidr": None, "port": 80}])).status, 200)
        asked = self.request(browser(self.users, FAR), "GET", f"http://{VIP}/held")
        answered = Deferred.fromCoroutine(asked)
        await self.until(lambda: bool(self.back_end.held))
        self.assertEqual((await self.allow([])).status, 200)
        self.back_end.go_on()
        self.assertEqual((await answered).body, b"member")

    @run
    async def test_bad_rules_are_refused_and_those_before_hold(self) -> None:
        await self._serving()
        good = {"protocol": "TCP", "cidr": f"{NEAR}/32", "port": 80}
        await self.allow([good])
        before = self.state()
        for wrong in (
            None, {}, "TCP", [None], [{}], [{**good, "port": 0}], [{**good, "port": "80"}], [{**good, "port": 80.5}],
            [{**good, "port": True}], [{**good, "protocol": "ICMP"}], [{**good, "protocol": []}],
            [{**good, "cidr": "fish"}], [{**good, "cidr": "0.0.0.0/0 accept"}], [{**good, "cidr": 5}],
            [{**good, "more": 1}], [good, {"protocol": "TCP", "port": 80}],
        ):  # fmt: skip
            refused = await self.allow(wrong)
            self.assertEqual((refused.status, refused.json["http_code"]), (400, 400), wrong)
            self.assertIn("Invalid rules information", refused.json["error"])
        self.assertEqual((await self.allow([good], "fish")).status, 400)
        self.assertEqual((await self.allow([good], FAR)).status, 404)
        self.assertEqual(self.state(), before)

    @run
    async def test_rules_that_can_not_be_set_are_told_and_those_before_hold(self) -> None:
        await self._serving()
        await self.allow([{"protocol": "TCP", "cidr": f"{NEAR}/32", "port": 80}])
        before, written = self.state(), (self.agent_directory / "network.json").read_bytes()
        self.spoil("nft")
        refused = await self.allow([])
        self.assertEqual((refused.status, refused.json["message"]), (500, "Error in the network"))
        self.assertIn("It is spoilt.", refused.json["details"])
        self.assertEqual((self.state(), (self.agent_directory / "network.json").read_bytes()), (before, written))
        self.mend("nft")
        self.assertEqual((await self.allow([])).status, 200)
        self.assertFalse(await self.reaches(VIP, NEAR))

    @run
    async def test_nobody_reaches_an_sriov_interface_before_there_are_rules(self) -> None:
        await self.start()
        await self.plug_network()
        self.assertEqual((await self.plug_vip(is_sriov=True)).status, 202)
        await self.serve(self.listening())
        self.assertFalse(await self.reaches(VIP, NEAR))
        await self.allow([{"protocol": "TCP", "cidr": None, "port": 80}])
        self.assertTrue(await self.reaches(VIP, NEAR))


class PassingOn(NetworkCase):
    async def _plugged(self) -> None:
        await self.start()
        await self.plug_vip()
        await self.plug_network()

    @run
    async def test_members_see_the_amphora_s_address_by_udp(self) -> None:
        await self._plugged()
        member = Member()
        with inside(self.members):
            listening = real.listenUDP(0, member, interface=MEMBER_IP)
        self.addCleanup(listening.stopListening)
        with inside(self.traffic), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as user:
            user.bind((VRRP, 0))
            user.sendto(b"hello", (MEMBER_IP, listening.getHost().port))
        await self.until(lambda: bool(member.heard))
        self.assertEqual(member.heard, [(b"hello", FIXED)])

    @run
    async def test_nobody_reaches_members_but_by_a_listener(self) -> None:
        await self._plugged()
        ip("-n", self.users, "route", "add", MEMBERS, "via", VRRP)
        ip("-n", self.members, "route", "add", "198.51.100.0/24", "via", FIXED)
        try:
            answer = await self.request(browser(self.users, NEAR), "GET", f"http://{MEMBER_IP}:8080/")
            self.fail(f"reached: {answer.body!r}")
        except UNREACHED:
            pass
