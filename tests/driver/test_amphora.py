"""What amphorae can do."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.errors import IncompatibleConfiguration
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model import handshake
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import L7Policy
from octavia_tx.model.statuses import L7RuleType
from octavia_tx.model.tree import Tree
from tests.model.test_l7 import policy, rule
from tests.model.test_validation import BALANCER, NOW, listener, member, monitor, pool


class AmphoraProviderTests(SynchronousTestCase):
    """Asked before anything is written."""

    provider = AmphoraProvider()

    def check(self, terms: Terms | None = None, **tree: Any) -> Any:
        """Ask about a tree."""
        asked = Tree(**{"load_balancer": BALANCER, **tree})
        return self.successResultOf(Deferred.fromCoroutine(self.provider.check(asked, terms or Terms())))

    def refuses(self, field: str, terms: Terms | None = None, **tree: Any) -> str:
        """It says that it can't do this, and names the field."""
        asked = Tree(**{"load_balancer": BALANCER, **tree})
        checking = Deferred.fromCoroutine(self.provider.check(asked, terms or Terms()))
        sentence = str(self.failureResultOf(checking, IncompatibleConfiguration).value)
        self.assertIn(field, sentence)
        return sentence

    def test_it_is_a_provider(self) -> None:
        verifyObject(IProviderDriver, self.provider)

    def test_it_balances_http_and_tcp(self) -> None:
        for protocol in ("HTTP", "HTTPS", "TCP", "PROMETHEUS"):
            self.check(listeners=(listener(protocol),))
        for protocol in ("HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2"):
            self.check(pools=(pool(protocol),))
        for kind in ("HTTP", "HTTPS", "TCP", "TLS-HELLO", "PING"):
            self.check(health_monitors=(monitor(kind),))
        self.check(members=(member("192.0.2.2", backup=True),))

    def test_it_does_not_balance_other_protocols(self) -> None:
        for protocol in ("UDP", "SCTP"):
            self.refuses("listener.protocol", listeners=(listener("HTTP"), listener(protocol)))
        for protocol in ("UDP", "SCTP"):
            self.refuses("pool.protocol", pools=(pool(protocol),))
        for kind in ("UDP-CONNECT", "SCTP"):
            self.refuses("healthmonitor.type", health_monitors=(monitor(kind),))

    def test_it_speaks_tls(self) -> None:
        names = ("default_tls_container_ref", "client_ca_tls_container_ref", "client_crl_container_ref")
        front = listener("TERMINATED_HTTPS", sni_container_refs=("secret",), **dict.fromkeys(names, "secret"))
        names = ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref")
        back = pool(tls_enabled=True, **dict.fromkeys(names, "secret"))
        self.check(listeners=(front,), pools=(back,))

    def test_it_speaks_all_versions_between_two(self) -> None:
        for versions in (("TLSv1.2", "TLSv1.3"), ("TLSv1.3",), ("TLSv1.3", "TLSv1.1", "TLSv1.2"), None):
            self.check(listeners=(listener(tls_versions=versions),))
        for refused in (("TLSv1.1", "TLSv1.3"), ("SSLv3", "TLSv1")):
            self.refuses("listener.tls_versions", listeners=(listener(tls_versions=refused),))
            self.refuses("pool.tls_versions", pools=(pool(tls_enabled=True, tls_versions=refused),))

    def test_it_does_not_know_all_ciphers(self) -> None:
        for ciphers in ("ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256", "HIGH:!aNULL", "", None):
            self.check(listeners=(listener(tls_ciphers=ciphers),))
        for ciphers in ("FISH", "TLS_FISH:HIGH"):
            self.refuses("listener.tls_ciphers", listeners=(listener(tls_ciphers=ciphers),))
        self.refuses("pool.tls_ciphers", pools=(pool(tls_ciphers="FISH"),))
        apart = {"tls_ciphers": "TLS_AES_128_GCM_SHA256", "tls_versions": ("TLSv1.2",)}
        self.refuses("pool.tls_ciphers that are of none", pools=(pool(**apart),))

    def test_it_takes_what_haproxy_can_hold(self) -> None:
        for name in ("delay", "timeout"):
            self.check(health_monitors=(evolve(monitor(), **{name: 2147483}),))
            self.refuses(f"healthmonitor.{name}", health_monitors=(evolve(monitor(), **{name: 2147484}),))
        tied = {"type": "APP_COOKIE", "cookie_name": "a$b#c'd%"}
        self.check(pools=(pool(session_persistence=tied),))
        for name in ("a=b", "a(b", 'a"b', "a{b"):
            self.refuses("pool.session_persistence", pools=(pool(session_persistence={**tied, "cookie_name": name}),))

    def test_it_has_any_number_of_vips_and_no_rules_for_them(self) -> None:
        self.check(load_balancer=evolve(BALANCER, additional_vips=({"ip_address": "192.0.2.9"},)))
        self.refuses("vip_qos_policy_id", load_balancer=evolve(BALANCER, vip_qos_policy_id="q"))
        self.refuses("vip_sg_ids", load_balancer=evolve(BALANCER, vip_sg_ids=("g",)))
        self.refuses("member.request_sriov", members=(member("192.0.2.2", vnic_type="direct"),))

    def test_its_rules_look_at_requests_and_where_it_sees_them_at_certificates(self) -> None:
        front, secured = listener(), listener("TERMINATED_HTTPS", default_tls_container_ref="secret")
        for kind in L7RuleType:
            asked = {"l7policies": (policy(),), "l7rules": (rule(kind),)}
            self.check(listeners=(secured,), **asked)
            if kind in handshake.RULES:
                self.refuses(f"rule.type with the value {kind} and a listener of HTTP", listeners=(front,), **asked)
            else:
                self.check(listeners=(front,), **asked)

    def test_what_a_flavor_asks_for_and_nothing_here_can_do_is_refused_by_name(self) -> None:
        for option, given in (("loadbalancer_topology", "ACTIVE_STANDBY"), ("front_end", "L3"), ("sriov_vip", True)):
            sentence = self.refuses("loadbalancer.flavor_id", Terms({option: given}))
            self.assertIn(f"{option} is {given}: no ", sentence)
        self.check(Terms({"loadbalancer_topology": "SINGLE", "front_end": "L2", "sriov_vip": False, "spares": 3}))
        self.check(Terms({"allow_member_sriov": True, "compute_flavor": "m1", "amp_image_tag": "amphora"}))
        self.check(Terms({}, {"compute_zone": "nova"}))

    def test_an_l7_policy_may_have_no_rules_yet(self) -> None:
        policy = L7Policy(
            id="p", project_id="blue", load_balancer_id=BALANCER.id, listener_id="l", action="REJECT", created_at=NOW
        )
        self.assertEqual(self.check(l7policies=(policy,)), {})

    def test_without_amphorae_nothing_is_refused(self) -> None:
        self.provider = AmphoraProvider(accept_all=True)
        self.check(listeners=(listener("UDP"),), pools=(pool(tls_enabled=True),), health_monitors=(monitor("SCTP"),))
        self.check(Terms({"loadbalancer_topology": "ACTIVE_STANDBY", "front_end": "L3", "sriov_vip": True}))
