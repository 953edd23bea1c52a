"""Tests of C{octavia_tx.model.vips}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import AddressUnavailable, InvalidInput, ReferenceMissing, RequestError
from octavia_tx.model.amphora import Network, Subnet
from octavia_tx.model.vips import (
    Asked,
    additional_vip_of,
    check_distinct,
    check_front_ends,
    check_port,
    choose_address,
    choose_subnet,
    port_of,
    vip_of,
)
from octavia_tx.testing.network import asking as load_balancer

NETWORKS = (Network(id="n1", name="", subnet_ids=("six", "four")), Network(id="n2", name="", subnet_ids=("other",)))
SIX = Subnet(id="six", name="", network_id="n1", cidr="2001:db8::/64", ip_version=6)
FOUR = Subnet(id="four", name="", network_id="n1", cidr="192.0.2.0/30", ip_version=4, gateway="192.0.2.1")
OTHER = Subnet(id="other", name="", network_id="n2", cidr="198.51.100.0/24", ip_version=4)
SUBNETS = (SIX, FOUR, OTHER)


def asking(**asked: Any) -> Asked:
    """What a load balancer asks for its VIP."""
    return vip_of(load_balancer(**asked))


class ChooseSubnetTests(SynchronousTestCase):
    """L{choose_subnet}."""

    def test_a_network_means_its_ipv4_subnet(self) -> None:
        self.assertEqual(choose_subnet(asking(vip_network_id="n1"), NETWORKS, SUBNETS), FOUR)

    def test_an_address_means_the_subnet_that_holds_it(self) -> None:
        asked = asking(vip_network_id="n1", vip_address="2001:db8::5")
        self.assertEqual(choose_subnet(asked, NETWORKS, SUBNETS), SIX)

    def test_an_address_of_another_network_is_refused_with_the_ranges_there_are(self) -> None:
        asked = asking(vip_network_id="n2", vip_address="192.0.2.2")
        error = self.assertRaises(AddressUnavailable, choose_subnet, asked, NETWORKS, SUBNETS)
        self.assertIn("198.51.100.0/24", str(error))

    def test_a_subnet_named_is_meant(self) -> None:
        self.assertEqual(choose_subnet(asking(vip_subnet_id="six"), NETWORKS, SUBNETS), SIX)

    def test_a_subnet_of_another_network_is_refused(self) -> None:
        asked = asking(vip_subnet_id="other", vip_network_id="n1")
        error = self.assertRaises(InvalidInput, choose_subnet, asked, NETWORKS, SUBNETS)
        self.assertEqual(error.field, "loadbalancer.vip_subnet_id")

    def test_what_is_not_there_is_named(self) -> None:
        error = self.assertRaises(ReferenceMissing, choose_subnet, asking(vip_subnet_id="x"), NETWORKS, SUBNETS)
        self.assertEqual(str(error), "Subnet x, named by loadbalancer.vip_subnet_id, not found.")
        error = self.assertRaises(ReferenceMissing, choose_subnet, asking(vip_network_id="x"), NETWORKS, SUBNETS)
        self.assertEqual(error.field, "loadbalancer.vip_network_id")


class ChooseAddressTests(SynchronousTestCase):
    """L{choose_address}."""

    def test_the_gateways_address_is_nobodys(self) -> None:
        self.assertEqual(choose_address(asking(), FOUR, frozenset()), "192.0.2.2")

    def test_none_left_is_said(self) -> None:
        error = self.assertRaises(AddressUnavailable, choose_address, asking(), FOUR, frozenset({"192.0.2.2"}))
        self.assertIn("No free address", str(error))

    def test_one_that_is_taken_is_passed_over(self) -> None:
        asked = asking()
        first = choose_address(asked, OTHER, frozenset())
        self.assertNotEqual(choose_address(asked, OTHER, frozenset({first})), first)

    def test_only_the_automatic_part_is_chosen_from(self) -> None:
        self.assertEqual(choose_address(asking(), OTHER, frozenset(), "198.51.100.8/32"), "198.51.100.8")

    def test_spelling_does_not_matter(self) -> None:
        asked = asking(vip_address="2001:0DB8::0005")
        self.assertEqual(choose_address(asked, SIX, frozenset()), "2001:db8::5")
        self.assertRaises(AddressUnavailable, choose_address, asked, SIX, frozenset({"2001:db8::5"}))

    def test_a_broadcast_address_is_refused(self) -> None:
        asked = asking(vip_address="192.0.2.3")
        self.assertRaises(AddressUnavailable, choose_address, asked, FOUR, frozenset())


class PortTests(SynchronousTestCase):
    """L{check_port}."""

    def test_only_the_port_that_was_given_may_be_named(self) -> None:
        check_port(asking())
        check_port(asking(id="a", vip_port_id=port_of("a")))
        self.assertRaises(ReferenceMissing, check_port, asking(id="a", vip_port_id=port_of("b")))

    def test_each_front_end_has_its_own(self) -> None:
        asked = load_balancer(additional_vips=({}, {}))
        keys = [vip_of(asked).key, *(additional_vip_of(asked, at, "n1").key for at in (0, 1))]
        self.assertEqual(len({port_of(key) for key in keys}), 3)


class FrontEndsTests(SynchronousTestCase):
    """L{check_front_ends}: what is wrong is told by its field."""

    def refused(self, field: str, *additional: dict[str, str], **asked: Any) -> None:
        wrong = load_balancer(additional_vips=additional, **asked)
        error = self.assertRaises(RequestError, check_front_ends, wrong, NETWORKS, SUBNETS, "198.51.100.128/25")
        self.assertEqual(error.field, field)  # type: ignore[attr-defined]

    def test_several_of_both_versions_are_fine(self) -> None:
        additional = ({"subnet_id": "six"}, {"ip_address": "2001:db8::7"}, {"ip_address": "192.0.2.2"}, {})
        check_front_ends(load_balancer(vip_network_id="n1", additional_vips=additional), NETWORKS, SUBNETS)

    def test_what_is_wrong_with_one_is_told_by_its_place(self) -> None:
        first, second = "loadbalancer.additional_vips[0]", "loadbalancer.additional_vips[1]"
        self.refused(f"{first}.subnet_id", {"subnet_id": "x"}, vip_network_id="n1")
        self.refused(f"{first}.subnet_id", {"subnet_id": "other"}, vip_network_id="n1")
        self.refused(f"{first}.subnet_id", {"subnet_id": "other"}, vip_subnet_id="four")
        self.refused(f"{second}.ip_address", {}, {"ip_address": "198.51.100.1"}, vip_network_id="n1")
        self.refused(f"{first}.ip_address", {"subnet_id": "six", "ip_address": "192.0.2.2"}, vip_network_id="n1")
        self.refused(f"{first}.ip_address", {"ip_address": "192.0.2.3"}, vip_network_id="n1")
        self.refused(f"{first}.ip_address", {"ip_address": "198.51.100.129"}, vip_network_id="n2")
        self.refused(f"{second}.port_id", {}, {"port_id": "p"}, vip_network_id="n1")

    def test_what_is_wrong_with_the_vip_is_told_as_its_own(self) -> None:
        self.refused("loadbalancer.vip_address", {}, vip_network_id="n1", vip_address="198.51.100.1")
        self.refused("loadbalancer.vip_port_id", {}, vip_network_id="n1", vip_port_id="p")

    def test_no_address_is_asked_for_twice_however_it_is_spelled(self) -> None:
        twice = load_balancer(additional_vips=({"ip_address": "2001:db8::7"}, {"ip_address": "2001:DB8:0::7"}))
        error = self.assertRaises(InvalidInput, check_distinct, twice)
        self.assertEqual(error.field, "loadbalancer.additional_vips[1].ip_address")
        again = load_balancer(vip_address="192.0.2.2", additional_vips=({"ip_address": "192.0.2.2"},))
        self.assertRaises(InvalidInput, check_distinct, again)
