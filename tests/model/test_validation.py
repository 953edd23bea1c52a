"""The rules between fields and between objects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput, MissingField, RequestError
from octavia_tx.model import validation
from octavia_tx.model.amphora import Subnet
from octavia_tx.model.resources import (
    AdditionalVip,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    SessionPersistence,
)
from octavia_tx.model.statuses import MonitorType, Protocol

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN: dict[str, Any] = {"id": "i", "project_id": "p", "load_balancer_id": "lb", "created_at": NOW}
BALANCER = LoadBalancer(id="lb", project_id="p", vip_address="192.0.2.1", created_at=NOW)
SUBNET = Subnet(id="s", name="s", network_id="n", cidr="192.0.2.0/24", ip_version=4)


def listener(protocol: str = "HTTP", **fields: Any) -> Listener:
    return Listener(**ORIGIN, protocol=protocol, protocol_port=80, **fields)


def pool(protocol: str = "HTTP", **fields: Any) -> Pool:
    return Pool(**ORIGIN, protocol=protocol, lb_algorithm="ROUND_ROBIN", **fields)


def monitor(kind: str = "TCP", **fields: Any) -> HealthMonitor:
    return HealthMonitor(**ORIGIN, pool_id="i", type=kind, delay=1, timeout=1, max_retries=1, **fields)


def member(address: str, **fields: Any) -> Member:
    return Member(**ORIGIN, pool_id="i", address=address, protocol_port=80, **fields)


class ValidationCase(SynchronousTestCase):
    """A test that looks at the field that is named."""

    def refuses(self, field: str, check: Callable[..., None], *values: Any) -> None:
        """It raises, and names the field."""
        error = self.assertRaises(RequestError, check, *values)
        assert isinstance(error, InvalidInput | MissingField)
        self.assertEqual(error.field, field)


class ListenerTests(ValidationCase):
    """What a listener's protocol asks for."""

    def test_tls_fields_need_terminated_tls(self) -> None:
        for name, value in (
            ("default_tls_container_ref", "x"),
            ("sni_container_refs", ("x",)),
            ("client_ca_tls_container_ref", "x"),
            ("client_crl_container_ref", "x"),
            ("tls_ciphers", "x"),
            ("tls_versions", ("TLSv1.2",)),
            ("alpn_protocols", ("h2",)),
            ("hsts_max_age", 5),
            ("hsts_preload", True),
        ):
            self.refuses(f"l.{name}", validation.check_listener, listener(**{name: value}), "l")
        self.refuses(
            "l.client_authentication", validation.check_listener, listener(client_authentication="OPTIONAL"), "l"
        )

    def test_terminated_tls_needs_a_certificate(self) -> None:
        check = validation.check_listener
        self.refuses("l.default_tls_container_ref", check, listener("TERMINATED_HTTPS"), "l")
        check(listener("TERMINATED_HTTPS", default_tls_container_ref="x"), "l")
        check(listener("TERMINATED_HTTPS", sni_container_refs=("x",)), "l")

    def test_metrics_may_be_told_over_tls(self) -> None:
        secured = listener("PROMETHEUS", default_tls_container_ref="x", tls_versions=("TLSv1.3",))
        validation.check_listener(secured, "l")
        bare = listener("PROMETHEUS", tls_versions=("TLSv1.3",))
        self.refuses("l.tls_versions", validation.check_listener, bare, "l")

    def test_clients_certificates_need_an_authority(self) -> None:
        tls: dict[str, Any] = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "x"}
        where = "l.client_ca_tls_container_ref"
        self.refuses(where, validation.check_listener, listener(**tls, client_authentication="MANDATORY"), "l")
        self.refuses(where, validation.check_listener, listener(**tls, client_crl_container_ref="x"), "l")
        full = listener(**tls, client_authentication="MANDATORY", client_ca_tls_container_ref="x")
        validation.check_listener(full, "l")

    def test_hsts_needs_an_age(self) -> None:
        tls: dict[str, Any] = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "x"}
        self.refuses("l.hsts_max_age", validation.check_listener, listener(**tls, hsts_preload=True), "l")
        validation.check_listener(listener(**tls, hsts_preload=True, hsts_max_age=5), "l")

    def test_headers_are_those_of_the_protocol(self) -> None:
        forwarded = {"X-Forwarded-For": "true"}
        certificate = {"X-SSL-Client-CN": "true"}
        tls: dict[str, Any] = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "x"}
        validation.check_listener(listener(insert_headers=forwarded), "l")
        validation.check_listener(listener(**tls, insert_headers={**forwarded, **certificate}), "l")
        self.refuses("l.insert_headers", validation.check_listener, listener(insert_headers=certificate), "l")
        self.refuses("l.insert_headers", validation.check_listener, listener("TCP", insert_headers=forwarded), "l")

    def test_ranges_are_of_the_vips_versions(self) -> None:
        check = validation.check_allowed_cidrs
        limited = listener(allowed_cidrs=("198.51.100.0/24", "2001:db8::/32"))
        self.refuses("l.allowed_cidrs[1]", check, limited, frozenset({4}), "l")
        self.refuses("l.allowed_cidrs[0]", check, limited, frozenset({6}), "l")
        check(limited, frozenset({4, 6}), "l")
        check(limited, frozenset(), "l")

    def test_ranges_are_not_beside_the_vips_security_groups(self) -> None:
        check = validation.check_sole_filter
        limited = listener(allowed_cidrs=("198.51.100.0/24",))
        self.refuses("l.allowed_cidrs", check, limited, evolve(BALANCER, vip_sg_ids=("g",)), "l")
        check(limited, BALANCER, "l")
        check(listener(), evolve(BALANCER, vip_sg_ids=("g",)), "l")

    def test_the_vips_versions_follow_from_its_addresses_or_its_subnet(self) -> None:
        versions = validation.vip_versions
        unknown = evolve(BALANCER, vip_address=None)
        both = evolve(BALANCER, additional_vips=(AdditionalVip(ip_address="2001:db8::1"),))
        later = evolve(BALANCER, additional_vips=(AdditionalVip(subnet_id="s6"),))
        self.assertEqual(versions(BALANCER, None), {4})
        self.assertEqual(versions(both, None), {4, 6})
        self.assertEqual(versions(unknown, SUBNET), {4})
        self.assertEqual(versions(unknown, evolve(SUBNET, cidr="0.0.0.0/0")), frozenset())
        self.assertEqual(versions(unknown, None), frozenset())
        self.assertEqual(versions(later, SUBNET), frozenset())


class PoolTests(ValidationCase):
    """What a pool may be, and whose."""

    def test_each_listeners_protocol_has_its_pools(self) -> None:
        accepted = {
            "TCP": "HTTP HTTPS PROXY PROXYV2 TCP",
            "HTTP": "HTTP PROXY PROXYV2",
            "HTTPS": "HTTPS PROXY PROXYV2 TCP",
            "TERMINATED_HTTPS": "HTTP PROXY PROXYV2",
            "UDP": "UDP",
            "SCTP": "SCTP",
            "PROMETHEUS": "",
        }
        for front in accepted:
            for back in ("HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP", "UDP", "SCTP"):
                if back in accepted[front].split():
                    validation.check_default_pool(listener(front), pool(back), "l.default_pool_id")
                else:
                    self.refuses(
                        "l.default_pool_id",
                        validation.check_default_pool,
                        listener(front),
                        pool(back),
                        "l.default_pool_id",
                    )

    def test_a_pool_that_does_not_fit_is_named_by_what_was_given(self) -> None:
        for where, shown in (("l.default_pool_id", "'i'"), ("pool.protocol", "'UDP'")):
            error = self.assertRaises(InvalidInput, validation.check_default_pool, listener(), pool("UDP"), where)
            self.assertIn(f"for {where}: {shown}. ", str(error))

    def test_only_an_applications_cookie_has_a_name(self) -> None:
        def tied(kind: str, **fields: Any) -> Pool:
            return pool(session_persistence=SessionPersistence(type=kind, **fields))

        where = "pool.session_persistence.cookie_name"
        self.refuses(where, validation.check_pool, tied("APP_COOKIE"), "pool")
        self.refuses(where, validation.check_pool, tied("HTTP_COOKIE", cookie_name="x"), "pool")
        self.refuses(where, validation.check_pool, tied("SOURCE_IP", cookie_name="x"), "pool")
        for fine in (tied("APP_COOKIE", cookie_name="x"), tied("HTTP_COOKIE"), tied("SOURCE_IP")):
            validation.check_pool(fine, "pool")

    def test_only_datagrams_have_timed_persistence_and_by_address_alone(self) -> None:
        timed = SessionPersistence(type="SOURCE_IP", persistence_timeout=5, persistence_granularity="255.255.255.0")
        where = "pool.session_persistence"
        validation.check_pool(pool("UDP", session_persistence=timed), "pool")
        self.refuses(f"{where}.persistence_timeout", validation.check_pool, pool(session_persistence=timed), "pool")
        cookie = SessionPersistence(type="HTTP_COOKIE")
        self.refuses(f"{where}.type", validation.check_pool, pool("UDP", session_persistence=cookie), "pool")

    def test_fields_of_tls_to_members_may_be_there_before_it(self) -> None:
        validation.check_pool(pool(tls_ciphers="x", tls_versions=("TLSv1.2",), alpn_protocols=("h2",)), "pool")

    def test_a_list_of_what_is_revoked_needs_the_authority_that_made_it(self) -> None:
        where = "pool.ca_tls_container_ref"
        self.refuses(where, validation.check_pool, pool(crl_container_ref="x"), "pool")
        validation.check_pool(pool(crl_container_ref="x", ca_tls_container_ref="y"), "pool")


class MonitorTests(ValidationCase):
    """What a monitor may ask."""

    @given(st.sampled_from(list(MonitorType)), st.sampled_from(["HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP"]))
    def test_each_pools_protocol_has_its_monitors(self, kind: MonitorType, protocol: str) -> None:
        asked = monitor(kind)
        if kind in ("HTTP", "HTTPS"):
            asked = evolve(asked, **validation.HTTP_CHECK)
        stream = {"PING", "HTTP", "HTTPS", "TCP", "TLS-HELLO"}
        datagram = {"UDP-CONNECT", "SCTP", "HTTP", "TCP"}
        if kind in (datagram if Protocol(protocol) is Protocol.UDP else stream):
            validation.check_monitor(asked, pool(protocol), "h")
        else:
            self.refuses("h.type", validation.check_monitor, asked, pool(protocol), "h")

    def test_only_http_asks_in_http(self) -> None:
        for name, value in (
            ("http_method", "GET"),
            ("url_path", "/"),
            ("expected_codes", "200"),
            ("http_version", 1.0),
            ("domain_name", "a"),
        ):
            self.refuses(f"h.{name}", validation.check_monitor, monitor("TCP", **{name: value}), pool(), "h")

    def test_a_domain_name_needs_the_version_that_carries_it(self) -> None:
        for version in (None, 1.0):
            asked = monitor("HTTP", domain_name="a", http_version=version)
            self.refuses("h.domain_name", validation.check_monitor, asked, pool(), "h")
        validation.check_monitor(monitor("HTTP", domain_name="a", http_version=1.1), pool(), "h")

    def test_a_range_of_codes_goes_up(self) -> None:
        asked = monitor("HTTP", expected_codes="204-200")
        self.refuses("h.expected_codes", validation.check_monitor, asked, pool(), "h")
        validation.check_monitor(monitor("HTTP", expected_codes="200-204"), pool(), "h")


class AddressTests(ValidationCase):
    """Members and VIPs."""

    def test_a_member_is_not_the_load_balancer_itself(self) -> None:
        check = validation.check_member
        both = evolve(BALANCER, additional_vips=(AdditionalVip(ip_address="2001:db8::1"),))
        self.refuses("m.address", check, member("192.0.2.1"), BALANCER, "m")
        self.refuses("m.address", check, member("2001:db8:0::1"), both, "m")
        self.refuses("m.monitor_address", check, member("192.0.2.2", monitor_address="192.0.2.1"), BALANCER, "m")
        self.refuses("m.address", check, member("::ffff:192.0.2.1"), BALANCER, "m")
        check(member("192.0.2.2"), BALANCER, "m")
        check(member("192.0.2.1"), evolve(BALANCER, vip_address=None), "m")

    def test_a_member_is_not_where_the_cloud_tells_of_itself(self) -> None:
        for address in ("169.254.169.254", "::ffff:169.254.169.254"):
            self.refuses("m.address", validation.check_member, member(address), BALANCER, "m")
        validation.check_member(member("169.254.169.253"), BALANCER, "m")

    def test_each_front_end_is_in_a_subnet_of_its_own(self) -> None:
        check = validation.check_distinct_subnets
        one, other = AdditionalVip(subnet_id="s"), AdditionalVip(subnet_id="s6")
        self.refuses("lb.additional_vips[0].subnet_id", check, evolve(BALANCER, additional_vips=(one,)), SUBNET, "lb")
        twice = evolve(BALANCER, additional_vips=(one, AdditionalVip(ip_address="192.0.2.7"), one))
        self.refuses("lb.additional_vips[2].subnet_id", check, twice, None, "lb")
        check(evolve(BALANCER, additional_vips=(other, AdditionalVip(port_id="p"))), SUBNET, "lb")

    def test_the_vip_lies_in_its_subnet(self) -> None:
        check = validation.check_vip
        outside = evolve(BALANCER, vip_address="198.51.100.1")
        self.refuses("lb.vip_address", check, outside, SUBNET, "lb")
        self.refuses("lb.vip_address", check, evolve(BALANCER, vip_address="2001:db8::1"), SUBNET, "lb")
        check(BALANCER, SUBNET, "lb")
        check(outside, None, "lb")
        check(evolve(BALANCER, vip_address=None), SUBNET, "lb")
        check(evolve(BALANCER, vip_address="2001:db8::1"), evolve(SUBNET, cidr="0.0.0.0/0"), "lb")
