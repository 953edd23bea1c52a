"""Tests of C{octavia_tx.model.addresses}."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.model.addresses import is_host, sequence


class SequenceTests(SynchronousTestCase):
    """L{sequence}."""

    @given(st.text(), st.integers(20, 30))
    def test_every_host_occurs_once(self, key: str, prefix: int) -> None:
        found = list(sequence(f"10.0.0.0/{prefix}", key))
        self.assertEqual(sorted(found, key=ip_address), [str(a) for a in ip_network(f"10.0.0.0/{prefix}").hosts()])

    @given(st.text(), st.sampled_from(["127.64.0.0/10", "2001:db8::/64", "::1/128", "10.0.0.0/31"]))
    def test_addresses_are_of_the_network_and_the_same_each_time(self, key: str, cidr: str) -> None:
        found = list(islice(sequence(cidr, key), 50))
        self.assertEqual(found, list(islice(sequence(cidr, key), 50)))
        self.assertEqual(len(found), len(set(found)))
        self.assertTrue(all(is_host(address, cidr) for address in found))

    def test_two_keys_begin_elsewhere(self) -> None:
        firsts = {next(sequence("127.64.0.0/10", str(key))) for key in range(100)}
        self.assertEqual(len(firsts), 100)


class IsHostTests(SynchronousTestCase):
    """L{is_host}."""

    def test_the_networks_own_name_and_broadcast_are_nobodys(self) -> None:
        self.assertFalse(is_host("192.0.2.0", "192.0.2.0/24"))
        self.assertFalse(is_host("192.0.2.255", "192.0.2.0/24"))
        self.assertFalse(is_host("2001:db8::", "2001:db8::/64"))
        self.assertTrue(is_host("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"))

    def test_the_smallest_networks_have_only_hosts(self) -> None:
        self.assertTrue(is_host("192.0.2.0", "192.0.2.0/31"))
        self.assertTrue(is_host("::1", "::1/128"))

    def test_other_networks_and_families_are_outside(self) -> None:
        self.assertFalse(is_host("192.0.3.1", "192.0.2.0/24"))
        self.assertFalse(is_host("::1", "0.0.0.0/0"))
