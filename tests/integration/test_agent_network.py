"""The agent plugs interfaces into a namespace of its own, and haproxy serves there. Needs root."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.agent_namespaces import (
    FAR,
    FAR6,
    FIXED,
    FIXED6,
    GATEWAY,
    GATEWAY6,
    MEMBER_IP,
    MEMBER_IP6,
    MEMBERS,
    NEAR,
    NEAR6,
    REMOTE,
    REMOTE_NET,
    SUBNET,
    SUBNET6,
    VIP,
    VIP6,
    VIP_MAC,
    VRRP,
    NetworkCase,
)
from tests.integration.agent_process import AgentCase, run
from tests.integration.netns import cable, ip


class Plugging(NetworkCase):
    @run
    async def test_users_reach_members_by_the_vips_of_both_versions(self) -> None:
        await self.start()
        plugged = await self.plug_vip()
        self.assertEqual(
            (plugged.status, plugged.json),
            (202, {"message": "OK", "details": f"VIPs plugged on interface eth1: {VIP}, {VIP6}"}),
        )
        plugged = await self.plug_network()
        self.assertEqual(
            (plugged.status, plugged.json), (202, {"message": "OK", "details": "Plugged on interface eth2"})
        )
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24", f"{VIP}/32", f"{VIP6}/128"})
        self.assertEqual(self.addresses("eth2"), {f"{FIXED}/26", f"{FIXED6}/64"})
        self.assertEqual((self.interface("eth1")["mtu"], self.interface("eth2")["mtu"]), (1450, 1450))
        self.assertIn("UP", self.interface("lo")["flags"])

        for member in (MEMBER_IP, MEMBER_IP6, REMOTE):
            await self.serve(self.listening(member))
            for vip, source in ((VIP, NEAR), (VIP, FAR), (VIP6, NEAR6), (VIP6, FAR6)):
                self.assertEqual(await self.user(vip, source), "member", (member, vip, source))
        for pid in self.haproxies():
            self.assertEqual(
                Path(f"/proc/{pid}/ns/net").stat().st_ino, Path(f"/run/netns/{self.traffic}").stat().st_ino
            )

        details = await self.call("GET", "/1.0/details")
        self.assertEqual(details.json["networks"].keys(), {"eth1", "eth2"})
        self.assertGreater(details.json["networks"]["eth1"]["network_rx"], 0)

    @run
    async def test_a_namespace_whose_maker_was_killed_is_made_anew(self) -> None:
        Path(f"/run/netns/{self.traffic}").touch()
        await self.start()
        self.assertEqual([each["ifname"] for each in self.links()], ["lo"])

    @run
    async def test_replies_in_the_name_of_the_vip_leave_by_its_interface(self) -> None:
        await self.start()
        await self.plug_vip()
        # The far user's network is behind the members' interface, as far as all others are concerned.
        route = {"destination": f"{FAR}/32", "nexthop": MEMBER_IP}
        await self.plug_network(fixed_ips=[{"ip_address": FIXED, "subnet_cidr": MEMBERS, "host_routes": [route]}])
        self.assertIn("dev eth2", ip("-n", self.traffic, "route", "get", FAR))
        self.assertIn("dev eth1", ip("-n", self.traffic, "route", "get", FAR, "from", VIP))
        await self.serve(self.listening())
        self.assertEqual(await self.user(VIP, FAR), "member")

    @run
    async def test_members_are_asked_in_the_name_of_the_amphora_where_it_has_one_there(self) -> None:
        await self.start()
        await self.plug_network()
        await self.plug_vip()
        # Of IPv6 the interface has the VIP alone.
        for far, source in ((FAR, VRRP), (FAR6, VIP6), (MEMBER_IP, FIXED), (MEMBER_IP6, FIXED6)):
            self.assertIn(f" src {source} ", ip("-n", self.traffic, "route", "get", far))

    @run
    async def test_a_vip_of_ipv6_may_be_the_first(self) -> None:
        await self.start()
        vrrp = "2001:db8:1::5"
        plugged = await self.plug_vip(VIP6, subnet_cidr=SUBNET6, gateway=GATEWAY6, vrrp_ip=vrrp, additional_vips=[])
        self.assertEqual(plugged.status, 202)
        self.assertEqual(self.addresses("eth1"), {f"{vrrp}/64", f"{VIP6}/128"})
        self.assertIn(f" src {vrrp} ", ip("-n", self.traffic, "route", "get", FAR6))
        await self.plug_network()
        await self.serve(self.listening(MEMBER_IP6))
        for source in (NEAR6, FAR6):
            self.assertEqual(await self.user(VIP6, source), "member")

    @run
    async def test_interfaces_are_found_by_their_addresses(self) -> None:
        await self.start()
        await self.plug_vip()
        for address in (VIP, VRRP, VIP6, "2001:0db8:0001:0000:0000:0000:0000:0009"):
            found = await self.call("GET", f"/1.0/interface/{address}")
            self.assertEqual((found.status, found.json), (200, {"message": "OK", "interface": "eth1"}))
        for wrong in ("fish", "198.51.100", "fe80::1%25eth1"):
            refused = await self.call("GET", f"/1.0/interface/{wrong}")
            self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid IP address"))
        absent = await self.call("GET", f"/1.0/interface/{FAR}")
        self.assertEqual((absent.status, absent.json["message"]), (404, "Error interface not found for IP address"))

    @run
    async def test_what_can_not_be_plugged_is_refused_as_openstack_s_agent_refuses_it(self) -> None:
        await self.start()
        refused = await self.plug_vip(mac_address="fa:16:3e:00:00:99")
        self.assertEqual((refused.status, refused.json["details"]), (404, "No suitable network interface found"))
        refused = await self.plug_network(mac_address="fa:16:3e:00:00:99")
        self.assertEqual((refused.status, refused.json["details"]), (404, "No suitable network interface found"))
        for body in (b"", b"[]", b"{}", b"{", b"[" * 100000, json.dumps({"mac_address": VIP_MAC}).encode()):
            refused = await self.call("POST", f"/1.0/plug/vip/{VIP}", body)
            self.assertEqual((refused.status, refused.json["http_code"]), (400, 400))
        for wrong, message in (
            ({"subnet_cidr": "fish"}, "Invalid VIP"), ({"subnet_cidr": "198.51.100.9/24"}, "Invalid VIP"),
            ({"gateway": "fish"}, "Invalid VIP"), ({"vrrp_ip": "fish"}, "Invalid VRRP Address"),
            ({"vip": "224.0.0.1"}, "Invalid VIP"), ({"gateway": "203.0.113.1"}, "Invalid VIP"),
            ({"vip": "fish"}, "Invalid VIP"), ({"mtu": "1500; reboot"}, "Invalid interface"),
        ):  # fmt: skip
            refused = await self.plug_vip(**wrong)
            self.assertEqual((refused.status, refused.json["message"]), (400, message), wrong)
        refused = await self.plug_network(fixed_ips=[{"ip_address": "fish", "subnet_cidr": MEMBERS}])
        self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid network port"))
        self.assertEqual(self.state().count("eth"), 0)

        self.assertEqual((await self.plug_vip()).status, 202)
        refused = await self.plug_vip()
        self.assertEqual((refused.status, refused.json["message"]), (409, "Interface already exists"))

    @run
    async def test_a_vip_that_could_not_be_plugged_may_be_plugged_again(self) -> None:
        await self.start()
        cable(self.traffic, "fa:16:3e:00:00:09", self.members, "other")
        (other,) = [each["ifname"] for each in self.links() if each["ifname"] != "lo"]
        ip("-n", self.traffic, "link", "set", other, "name", "eth1")
        refused = await self.plug_vip()
        self.assertEqual((refused.status, refused.json["message"]), (500, "Error plugging VIP"))
        ip("-n", self.traffic, "link", "delete", "eth1")
        self.spoil("nft")
        refused = await self.plug_vip()
        self.assertEqual((refused.status, refused.json["message"]), (500, "Error plugging VIP"))
        refused = await self.plug_network()
        self.assertEqual((refused.status, refused.json["message"]), (500, "Error plugging network"))
        self.mend("nft")
        self.assertEqual((await self.plug_vip()).status, 202)
        self.assertEqual((await self.plug_network()).json["details"], "Plugged on interface eth2")

    @run
    async def test_a_route_that_can_not_be_keeps_nothing_else_back(self) -> None:
        await self.start()
        route = {"destination": "224.0.0.0/4", "nexthop": "127.0.0.1"}
        good = {"destination": REMOTE_NET, "nexthop": MEMBER_IP}
        fixed = [{"ip_address": FIXED, "subnet_cidr": MEMBERS, "host_routes": [route, good]}]
        self.assertEqual((await self.plug_network(fixed_ips=fixed)).status, 202)
        self.assertEqual(self.addresses("eth2"), {f"{FIXED}/26"})
        self.assertIn(REMOTE_NET, ip("-n", self.traffic, "route"))
        self.assertIn("route add 224.0.0.0/4", self.log())

    @run
    async def test_the_interface_that_the_agent_is_reached_by_stays_where_it_is(self) -> None:
        mac = "fa:16:3e:00:00:03"
        cable(self.management, mac, self.users, "manage", "198.51.100.129/25")
        (name,) = [
            each["ifname"] for each in json.loads(ip("-n", self.management, "-j", "link")) if each["address"] == mac
        ]
        self.host = "198.51.100.130"
        ip("-n", self.management, "address", "add", f"{self.host}/25", "dev", name)
        ip("-n", self.management, "link", "set", name, "up")
        await self.start()
        for refused in (await self.plug_vip(mac_address=mac), await self.plug_network(mac_address=mac)):
            self.assertEqual((refused.status, refused.json["message"]), (400, "The agent's own interface"))
        self.assertIn(self.host, ip("-n", self.management, "address", "show", "dev", name))

    @run
    async def test_a_network_plugged_again_is_brought_to_its_new_addresses(self) -> None:
        await self.start()
        await self.plug_network()
        other = {"ip_address": "203.0.113.140", "subnet_cidr": MEMBERS, "host_routes": []}
        again = await self.plug_network(fixed_ips=[other], mtu=1400)
        self.assertEqual(
            (again.status, again.json), (202, {"message": "OK", "details": "Updated existing interface eth2"})
        )
        self.assertEqual(self.addresses("eth2"), {"203.0.113.140/26"})
        self.assertEqual(self.interface("eth2")["mtu"], 1400)
        self.assertNotIn(REMOTE_NET, ip("-n", self.traffic, "route"))
        before = self.state()
        self.assertEqual((await self.plug_network(fixed_ips=[other], mtu=1400)).status, 202)
        self.assertEqual(self.state(), before)
        # DHCP isn't the agent's.
        self.assertEqual((await self.plug_network(fixed_ips=None)).status, 202)
        self.assertEqual(self.addresses("eth2"), set())
        self.assertIn("UP", self.interface("eth2")["flags"])

    @run
    async def test_a_subnet_of_members_may_come_to_the_vip_s_interface(self) -> None:
        await self.start()
        await self.plug_vip()
        more = {"ip_address": "203.0.113.5", "subnet_cidr": "203.0.113.0/26", "host_routes": []}
        vip = {"vip": VIP, "subnet_cidr": SUBNET, "gateway": GATEWAY, "vrrp_ip": VRRP, "additional_vips": []}
        port = {"ip_address": VRRP, "subnet_cidr": SUBNET, "gateway": GATEWAY, "host_routes": []}
        again = await self.plug_network(mac_address=VIP_MAC, fixed_ips=[port, more], vip_net_info=vip)
        self.assertEqual((again.status, again.json["details"]), (202, "Updated existing interface eth1"))
        bad = await self.plug_network(mac_address=VIP_MAC, fixed_ips=[port], vip_net_info={**vip, "vip": "224.0.0.1"})
        self.assertEqual((bad.status, bad.json["message"]), (400, "Invalid VIP"))
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24", f"{VIP}/32", f"{VIP6}/128", "203.0.113.5/26"})
        self.assertEqual((await self.plug_network(mac_address=VIP_MAC, fixed_ips=[port], vip_net_info=vip)).status, 202)
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24", f"{VIP}/32", f"{VIP6}/128"})

    @run
    async def test_neighbours_hear_that_the_vip_has_moved(self) -> None:
        for address in (VIP, VIP6):
            ip(
                "-n",
                self.users,
                "neighbour",
                "replace",
                address,
                "lladdr",
                "fa:16:3e:00:00:77",
                "dev",
                "vip",
                "nud",
                "stale",
            )
        await self.start()
        await self.plug_vip()

        def known() -> bool:
            found = json.loads(ip("-n", self.users, "-j", "neighbour", "show", "dev", "vip"))
            return {each["lladdr"] for each in found if each["dst"] in (VIP, VIP6)} == {VIP_MAC}

        await self.until(known)


class InAPair(NetworkCase):
    topology = "ACTIVE_STANDBY"

    @run
    async def test_the_vips_are_keepalived_s(self) -> None:
        await self.start()
        self.assertEqual((await self.plug_vip()).status, 202)
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24"})
        # haproxy is ready before the VIP comes.
        await self.serve(self.listening())
        keepalived = ("-n", self.traffic, "address", "add", f"{VIP}/32", "dev", "eth1")
        ip(*keepalived)
        fixed = [{"ip_address": VRRP, "subnet_cidr": SUBNET, "host_routes": []}]
        self.assertEqual((await self.plug_network(mac_address=VIP_MAC, fixed_ips=fixed)).status, 202)
        self.assertEqual(self.addresses("eth1"), {f"{VRRP}/24", f"{VIP}/32"})
        self.assertNotIn("lookup 1", ip("-n", self.traffic, "rule"))
        await self.plug_network()
        self.assertTrue(await self.reaches(VIP, FAR))


class Without(NetworkCase):
    """In the agent's own namespace."""

    def place(self, directory: Path | None = None) -> Path:
        self.traffic = self.management
        return AgentCase.place(self, directory)

    @run
    async def test_interfaces_keep_their_names_and_are_plugged_where_the_agent_is(self) -> None:
        await self.start()
        plugged = await self.plug_vip()
        self.assertEqual(plugged.status, 202)
        name = plugged.json["details"].split(":")[0].split()[-1]
        self.assertEqual(self.addresses(name), {f"{VRRP}/24", f"{VIP}/32", f"{VIP6}/128"})
        self.assertEqual((await self.plug_network()).status, 202)
        await self.serve(self.listening())
        self.assertTrue(await self.reaches(VIP, FAR))
        self.assertEqual((await self.plug_vip()).status, 409)
        self.assertIn(name, (await self.call("GET", "/1.0/details")).json["networks"])
