"""What an interface shall be like, of what a controller says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.links import Link, Present, steps
from amphora.plugging import (
    MAIN_TABLE,
    VIP_TABLE,
    InvalidPlug,
    InvalidPort,
    InvalidVip,
    InvalidVrrp,
    Route,
    Wanted,
    mac,
    network,
    refuse_unreachable,
    vip,
)

VIP, VIP6 = "198.51.100.9", "2001:db8:1::9"
SUBNET, SUBNET6 = "198.51.100.0/24", "2001:db8:1::/64"
BODY: dict[str, Any] = {"subnet_cidr": SUBNET, "gateway": "198.51.100.1", "vrrp_ip": "198.51.100.5", "mtu": 1450}
BODY6 = {"ip_address": VIP6, "subnet_cidr": SUBNET6, "gateway": "2001:db8:1::1", "host_routes": []}
WRONG = ("", "fish", 5, [], {}, True, "198.51.100.9; reboot", "fe80::1%-f", "198.51.100.9/24\n", "-4", "²")


class Vips(SynchronousTestCase):
    def test_a_vip_has_its_own_table_for_replies(self) -> None:
        self.assertEqual(
            vip(VIP, BODY, keepalived=False),
            Wanted(
                mtu=1450,
                addresses=("198.51.100.5/24", "198.51.100.9/32"),
                routes=(
                    Route("0.0.0.0/0", "198.51.100.1"),
                    Route("0.0.0.0/0", "198.51.100.1", table=VIP_TABLE),
                    Route(SUBNET, source=VIP, table=VIP_TABLE),
                ),
                sources=frozenset({VIP}),
            ),
        )

    def test_in_a_pair_all_that_moves_with_the_vip_is_keepalived_s(self) -> None:
        self.assertEqual(
            vip(VIP, {**BODY, "host_routes": [{"destination": "203.0.113.0/24", "nexthop": "198.51.100.7"}]}, True),
            Wanted(
                mtu=1450,
                addresses=("198.51.100.5/24",),
                foreign=frozenset({"198.51.100.9/32"}),
                routes=(Route("0.0.0.0/0", "198.51.100.1"), Route("203.0.113.0/24", "198.51.100.7")),
                sources=None,
            ),
        )

    def test_without_an_address_of_its_own_the_subnet_is_on_the_link_all_the_same(self) -> None:
        wanted = vip(VIP, {"subnet_cidr": SUBNET, "gateway": None}, keepalived=False)
        self.assertEqual(wanted.addresses, ("198.51.100.9/32",))
        self.assertIn(Route(SUBNET), wanted.routes)
        self.assertNotIn("0.0.0.0/0", [route.destination for route in wanted.routes])

    def test_additional_vips_may_be_of_the_other_version_and_other_subnets(self) -> None:
        brief = {"ip_address": "203.0.113.9", "subnet_cidr": "203.0.113.0/24", "gateway_ip": "203.0.113.1"}
        wanted = vip(VIP, {**BODY, "additional_vips": [BODY6, brief]}, keepalived=False)
        self.assertEqual(wanted.addresses[1:], ("198.51.100.9/32", "2001:db8:1::9/128", "203.0.113.9/32"))
        self.assertEqual(wanted.sources, {VIP, VIP6, "203.0.113.9"})
        for route in (
            Route("::/0", "2001:db8:1::1"), Route("::/0", "2001:db8:1::1", table=VIP_TABLE),
            Route(SUBNET6), Route(SUBNET6, source=VIP6, table=VIP_TABLE), Route("203.0.113.0/24"),
        ):  # fmt: skip
            self.assertIn(route, wanted.routes)
        defaults = [route for route in wanted.routes if route.destination == "0.0.0.0/0" and route.table == MAIN_TABLE]
        self.assertEqual(defaults, [Route("0.0.0.0/0", "198.51.100.1")])

    def test_host_routes_hold_for_replies_too(self) -> None:
        wanted = vip(
            VIP, {**BODY, "host_routes": [{"destination": "203.0.113.7/24", "nexthop": "198.51.100.7"}]}, False
        )
        for table in (MAIN_TABLE, VIP_TABLE):
            self.assertIn(Route("203.0.113.0/24", "198.51.100.7", table=table), wanted.routes)

    def test_members_subnets_may_be_on_the_vip_s_interface(self) -> None:
        fixed = [
            {"ip_address": "198.51.100.5", "subnet_cidr": SUBNET, "gateway": "198.51.100.1"},
            {"ip_address": "2001:db8:2::5", "subnet_cidr": "2001:db8:2::/64", "gateway": "2001:db8:2::1"},
        ]
        wanted = vip(VIP, {**BODY, "fixed_ips": fixed}, keepalived=False)
        self.assertEqual(wanted.addresses, ("198.51.100.5/24", "2001:db8:2::5/64", "198.51.100.9/32"))
        self.assertIn(Route("::/0", "2001:db8:2::1"), wanted.routes)

    def test_addresses_are_written_in_one_way(self) -> None:
        wanted = vip("2001:DB8:1:0::9", {**BODY6, "additional_vips": None}, keepalived=False)
        self.assertEqual((wanted.addresses, wanted.sources), (("2001:db8:1::9/128",), {VIP6}))

    def test_what_can_not_be_is_refused(self) -> None:
        for wrong in WRONG:
            self.assertRaises(InvalidVip, vip, wrong, BODY, False)
            self.assertRaises(InvalidVip, vip, VIP, {**BODY, "subnet_cidr": wrong}, False)
            for name in ("destination", "nexthop"):
                route = {"destination": "203.0.113.0/24", "nexthop": "198.51.100.7", name: wrong}
                self.assertRaises(InvalidVip, vip, VIP, {**BODY, "host_routes": [route]}, False)
            if wrong:
                self.assertRaises(InvalidVip, vip, VIP, {**BODY, "gateway": wrong}, False)
                self.assertRaises(InvalidVrrp, vip, VIP, {**BODY, "vrrp_ip": wrong}, False)
        for body in (
            {**BODY, "subnet_cidr": SUBNET6}, {**BODY, "subnet_cidr": "198.51.100.9/24"},
            {**BODY, "gateway": "2001:db8::1"}, {**BODY, "host_routes": "all"}, {**BODY, "additional_vips": [None]},
            {**BODY, "host_routes": [{"destination": "2001:db8::/32", "nexthop": "2001:db8::1"}]},
            {"gateway": None},
        ):  # fmt: skip
            self.assertRaises(InvalidVip, vip, VIP, body, False)
        for mtu in ("1500", 67, 65536, True, 1500.0):
            self.assertRaises(InvalidPlug, vip, VIP, {**BODY, "mtu": mtu}, False)


class Reachable(SynchronousTestCase):
    def test_what_users_can_reach_is_not_refused(self) -> None:
        linked = {**BODY6, "gateway": "fe80::1"}
        other = {"ip_address": "203.0.113.9", "subnet_cidr": "203.0.113.0/24", "gateway_ip": "203.0.113.1"}
        fixed = [{"ip_address": "203.0.113.130", "subnet_cidr": "203.0.113.128/26"}]
        for address, body in (
            (VIP, BODY), (VIP, {**BODY, "gateway": None}), (VIP6, BODY6), (VIP6, linked),
            (VIP, {**BODY, "additional_vips": [linked, other]}), (VIP, {**BODY, "vrrp_ip": "203.0.113.5"}),
            ("198.51.100.0", {**BODY, "subnet_cidr": "198.51.100.0/31"}), (VIP6[:-1], BODY6),
            (VIP, {**BODY, "gateway": "203.0.113.129", "fixed_ips": fixed}),
            ("198.51.100.9", {**BODY, "subnet_cidr": "198.51.100.9/32", "gateway": "198.51.100.9"}),
        ):  # fmt: skip
            refuse_unreachable(address, body)

    def test_what_nobody_can_reach_is_refused(self) -> None:
        everything, everything6 = {**BODY, "subnet_cidr": "0.0.0.0/0"}, {**BODY6, "subnet_cidr": "::/0"}
        for address, body, why in (
            ("224.0.0.1", everything, "one of a host"), ("127.0.0.1", everything, "one of a host"),
            ("255.255.255.255", everything, "one of a host"), ("0.0.0.0", everything, "one of a host"),
            ("ff02::1", everything6, "one of a host"), ("::1", everything6, "one of a host"),
            ("::", everything6, "one of a host"),
            ("203.0.113.9", BODY, "isn't an address of a host in the subnet"),
            (VIP6, {**BODY6, "subnet_cidr": "2001:db8:2::/64"}, "in the subnet"),
            ("198.51.100.0", BODY, "in the subnet"), ("198.51.100.255", BODY, "in the subnet"),
            (VIP, {**BODY, "gateway": "203.0.113.1"}, "gateway 203.0.113.1"),
            (VIP, {**BODY, "gateway": "169.254.0.1"}, "gateway 169"),
            (VIP6, {**BODY6, "gateway": "2001:db8:2::1"}, "gateway 2001"),
            (VIP, {**BODY, "additional_vips": [{**BODY6, "ip_address": "2001:db8:2::9"}]}, "2001:db8:2::9"),
            (VIP, {**BODY, "additional_vips": [{**BODY6, "gateway": "2001:db8:2::1"}]}, "gateway 2001"),
        ):  # fmt: skip
            error = self.assertRaises(InvalidVip, refuse_unreachable, address, body)
            self.assertIn(why, str(error))
        self.assertRaises(InvalidVrrp, refuse_unreachable, VIP, {**BODY, "vrrp_ip": "224.0.0.18"})

    def test_what_was_plugged_before_is_plugged_again(self) -> None:
        self.assertEqual(vip("203.0.113.9", BODY, False).sources, {"203.0.113.9"})


class Networks(SynchronousTestCase):
    def test_a_network_has_its_addresses_and_host_routes_and_no_default(self) -> None:
        fixed = {
            "ip_address": "203.0.113.130", "subnet_cidr": "203.0.113.128/26", "gateway": "203.0.113.129",
            "host_routes": [{"destination": "203.0.113.192/26", "nexthop": "203.0.113.131"}],
        }  # fmt: skip
        self.assertEqual(
            network({"fixed_ips": [fixed]}),
            Wanted(None, ("203.0.113.130/26",), routes=(Route("203.0.113.192/26", "203.0.113.131"),)),
        )

    def test_without_addresses_there_are_none(self) -> None:
        self.assertEqual(network({"fixed_ips": None}), Wanted(None))
        self.assertEqual(network({}), Wanted(None))

    def test_what_can_not_be_is_refused(self) -> None:
        for wrong in WRONG:
            for name in ("ip_address", "subnet_cidr"):
                fixed = {"ip_address": "203.0.113.130", "subnet_cidr": "203.0.113.128/26", name: wrong}
                self.assertRaises(InvalidPort, network, {"fixed_ips": [fixed]})
        self.assertRaises(InvalidPort, network, {"fixed_ips": "all"})


class Macs(SynchronousTestCase):
    def test_a_mac_address_is_read(self) -> None:
        self.assertEqual(mac("FA:16:3E:00:00:0a"), "fa:16:3e:00:00:0a")

    def test_nothing_else_is_one(self) -> None:
        for wrong in (
            *WRONG,
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:01\n",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
        ):
            self.assertRaises(InvalidPlug, mac, wrong)


_leaves = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.sampled_from([*map(str, WRONG), VIP, VIP6, SUBNET, SUBNET6])
)  # fmt: skip
_names = st.sampled_from(
    ["subnet_cidr", "gateway", "mtu", "vrrp_ip", "host_routes", "additional_vips", "fixed_ips", "ip_address",
     "destination", "nexthop", "gateway_ip"]
)  # fmt: skip
_values = st.recursive(_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4))


class AnyBody(SynchronousTestCase):
    @given(_leaves, st.dictionaries(_names, _values), st.booleans())
    def test_nothing_reaches_a_command_line_but_numbers_addresses_and_our_own_words(
        self, address: object, body: dict[str, Any], keepalived: bool
    ) -> None:
        for make in (lambda: vip(address, body, keepalived), lambda: network(body)):
            try:
                wanted = make()
            except InvalidPlug:
                continue
            link = Link("eth1", "fa:16:3e:00:00:01", False, 1500, frozenset())
            for step in steps(wanted, Present(link, frozenset(), frozenset())):
                for word in step.arguments:
                    self.assertRegex(word, r"\A(-[46]|[a-z_]+|eth1|[0-9]+|[0-9a-f:.]+(/[0-9]+)?)\Z")
