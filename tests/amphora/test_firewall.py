"""A controller's rules, as nftables."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.firewall import InvalidRules, rules, table

GOOD: dict[str, Any] = {"protocol": "TCP", "cidr": None, "port": 80}


def told(*given: dict[str, Any]) -> list[Any]:
    """The rules of the interface's own chain, without those that all have."""
    added = [
        each["add"]["rule"] for each in table({"eth1": rules(list(given))})["nftables"] if "rule" in each.get("add", {})
    ]
    return [each["expr"] for each in added if each["chain"] == "interface_0"][4:]


def equal(left: Any, right: Any) -> Any:
    return {"match": {"op": "==", "left": left, "right": right}}


class Rules(SynchronousTestCase):
    def test_what_is_not_allowed_is_dropped(self) -> None:
        self.assertEqual(told(), [[{"drop": None}]])

    def test_everyone_or_a_network_may_be_allowed(self) -> None:
        port = equal({"payload": {"protocol": "tcp", "field": "dport"}}, 80)
        self.assertEqual(told(GOOD), [[port, {"accept": None}], [{"drop": None}]])
        for cidr, ip, address, length in (
            ("198.51.100.0/24", "ip", "198.51.100.0", 24), ("198.51.100.9/24", "ip", "198.51.100.0", 24),
            ("198.51.100.9", "ip", "198.51.100.9", 32), ("2001:DB8::/32", "ip6", "2001:db8::", 32),
        ):  # fmt: skip
            source = equal(
                {"payload": {"protocol": ip, "field": "saddr"}}, {"prefix": {"addr": address, "len": length}}
            )
            self.assertEqual(told({**GOOD, "cidr": cidr})[0], [source, port, {"accept": None}])

    def test_all_of_a_version_is_all_of_that_version_alone(self) -> None:
        for cidr, version in (("0.0.0.0/0", "ipv4"), ("::/0", "ipv6")):
            self.assertEqual(told({**GOOD, "cidr": cidr})[0][0], equal({"meta": {"key": "nfproto"}}, version))

    def test_vrrp_has_no_port(self) -> None:
        vrrp = equal({"meta": {"key": "l4proto"}}, 112)
        self.assertEqual(told({"protocol": "VRRP", "cidr": None, "port": 112})[0], [vrrp, {"accept": None}])

    def test_the_same_rule_is_told_once(self) -> None:
        self.assertEqual(len(told(GOOD, GOOD)), 2)

    def test_other_interfaces_are_not_restricted(self) -> None:
        whole = table({"eth1": rules([GOOD])})["nftables"]
        (hook,) = [each["add"]["chain"] for each in whole if each.get("add", {}).get("chain", {}).get("hook")]
        self.assertEqual(hook["policy"], "accept")
        self.assertEqual(table({})["nftables"], whole[:2])

    def test_members_answer_us_and_not_users_what_lvs_passes_on(self) -> None:
        whole = table({"eth1": rules([GOOD])}, ["eth2", "eth1"])["nftables"]
        added = [each["add"]["rule"] for each in whole if "rule" in each.get("add", {})]
        chains = {each["chain"]: each["expr"] for each in added}
        self.assertEqual(
            chains["postrouting"],
            [
                equal({"meta": {"key": "oifname"}}, {"set": ["eth1", "eth2"]}),
                equal({"meta": {"key": "l4proto"}}, {"set": ["udp", "sctp"]}),
                {"masquerade": None},
            ],
        )
        # Rules of an interface need to know its connections.
        for chain, key in (("prerouting", "iifname"), ("output", "oifname")):
            self.assertEqual(chains[chain][0], equal({"meta": {"key": key}}, {"set": ["eth2"]}))
            self.assertEqual(chains[chain][-1], {"notrack": None})

    def test_nothing_else_is_passed_on(self) -> None:
        whole = table({}, ["eth1"])["nftables"]
        (forward,) = [e["add"]["chain"] for e in whole if e.get("add", {}).get("chain", {}).get("name") == "forward"]
        self.assertEqual((forward["hook"], forward["policy"]), ("forward", "drop"))

    def test_what_can_not_be_a_rule_is_told_by_its_place(self) -> None:
        for wrong, said in (
            ({}, "must be a list"), (None, "must be a list"), ([GOOD, None], "[1] must be an object"),
            ([{**GOOD, "more": 1}], "[0] must be an object"), ([{**GOOD, "port": 0}], "[0].port"),
            ([{**GOOD, "port": "80"}], "[0].port"), ([{**GOOD, "protocol": "tcp"}], "[0].protocol"),
            ([{**GOOD, "cidr": "fe80::%eth0/64"}], "[0].cidr"), ([{**GOOD, "cidr": 5}], "[0].cidr"),
            ([{**GOOD, "cidr": "0.0.0.0/0 accept"}], "[0].cidr"),
        ):  # fmt: skip
            self.assertIn(said, str(self.assertRaises(InvalidRules, rules, wrong)))

    @given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
        | st.sampled_from(["TCP", "VRRP", "198.51.100.0/24", "::/0"]),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["protocol", "cidr", "port"]), inner, max_size=3),
    ))  # fmt: skip
    def test_whatever_is_given_is_rules_or_refused(self, body: object) -> None:
        try:
            found = rules(body)
        except InvalidRules:
            return
        json.dumps(table({"eth1": found}))
