"""
The table of a load balancer's fields: which test fails where one of them is ignored.

C{test_fields.py} sees to it that no field is missing, and C{tests/slow/test_fields_ignored.py} ignores them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from octavia_tx.model.resources import (
    AdditionalVip,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    SessionPersistence,
)
from octavia_tx.model.tree import Tree
from tests.amphora_driver.gallery import pool

Ignoring = Mapping[type, Mapping[str, Any]]

NOT_TRAFFIC: Final = frozenset({
    # What an object is called and where it hangs.
    "id", "project_id", "load_balancer_id", "l7policy_id", "listener_id", "pool_id", "name", "description", "tags",
    # What we keep about it.
    "provisioning_status", "operating_status", "revision", "applied_revision", "error", "incomplete", "created_at",
    "updated_at", "listener_ids", "pool_ids", "member_ids", "l7policy_ids", "rule_ids", "health_monitor_id",
    # Who serves it, and where in the network it is.
    "provider", "flavor_id", "availability_zone", "topology", "vip_port_id", "vip_subnet_id", "vip_network_id",
    "vip_vnic_type", "subnet_id", "port_id",
})  # fmt: skip
"""Fields that change nothing of what haproxy does."""

LISTED: Final = frozenset({"default_tls_container_ref", "sni_container_refs"})
"""Fields that stand in a list of certificates, and not in the configuration."""


@frozen
class Acts:
    """
    A field, or one value of it, that haproxy is told.

    @ivar test: the one that fails where it is ignored.
    @ivar ignoring: what fields of which objects hold where it is ignored.
    """

    test: str
    ignoring: Ignoring

    def ignored(self, tree: Tree) -> Tree:
        """A tree without it."""

        def neutral(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(evolve(item, **self._wanted(item)) for item in items)

        return Tree(
            load_balancer=neutral((tree.load_balancer,))[0],
            listeners=neutral(tree.listeners),
            pools=neutral(tree.pools),
            members=neutral(tree.members),
            health_monitors=neutral(tree.health_monitors),
            l7policies=neutral(tree.l7policies),
            l7rules=neutral(tree.l7rules),
        )

    def _wanted(self, item: Any) -> Mapping[str, Any]:
        fields = dict(self.ignoring.get(type(item), {}))
        only = fields.pop("only", {})
        return fields if all(getattr(item, name) == value for name, value in only.items()) else {}


@frozen
class Refused:
    """
    A field, or one value of it, that the provider or the API refuses.

    @ivar test: the one that sees to it.
    """

    test: str


def _acts(test: str, kind: type, **fields: Any) -> Acts:
    return Acts(f"tests.integration.{test}", {kind: fields})


def _chosen(test: str, kind: type, name: str, value: str, instead: str, **more: Any) -> Acts:
    """One value of several: where it is ignored, another one stands there."""
    return _acts(test, kind, only={name: value}, **{name: instead}, **more)


_OTHER_TYPE = Refused("tests.driver.test_amphora.AmphoraProviderTests.test_it_does_not_balance_other_protocols")
_NO_QOS = Refused("tests.driver.test_amphora.AmphoraProviderTests.test_it_has_any_number_of_vips_and_no_rules_for_them")
_ONLY_DATAGRAMS = Refused(
    "tests.model.test_validation.PoolTests.test_only_datagrams_have_timed_persistence_and_by_address_alone"
)
_HTTP, _STREAM, _STATE = (f"test_haproxy_listeners.{name}Tests.test_" for name in ("Http", "Stream", "State"))
_TRAFFIC = "test_haproxy_configuration.TrafficTests.test_"
_TIE = "test_haproxy_pools.PersistenceTests.test_"
_SHARE = "test_haproxy_pools.AlgorithmTests.test_"
_RAW = "test_haproxy_pools.StreamTests.test_"
_CHECK = "test_haproxy_monitors.HttpTests.test_"
_FRONT, _BACK = (f"test_haproxy_tls.{name}Tests.test_" for name in ("Listener", "Pool"))
_RULE, _ACTION = "test_haproxy_l7.RuleTests.test_", "test_haproxy_l7.ActionTests.test_"

_TO_URL: Final[dict[str, Any]] = {"redirect_url": "http://ignored", "redirect_prefix": None, "redirect_pool_id": None}

FIELDS: Final[dict[type, dict[str, Acts | Refused]]] = {
    LoadBalancer: {
        "admin_state_up": _acts(
            "test_amphora_driver.HaproxyDriverTests.test_a_tree_with_nothing_enabled_is_not_served", LoadBalancer,
            admin_state_up=True,
        ),
        "vip_address": _acts(
            _STREAM + "all_front_ends_serve_the_port_whatever_their_ip_version", LoadBalancer, vip_address="127.0.0.9"
        ),
        "additional_vips": _acts(
            _STREAM + "all_front_ends_serve_the_port_whatever_their_ip_version", LoadBalancer, additional_vips=()
        ),
        "vip_qos_policy_id": _NO_QOS,
        "vip_sg_ids": _NO_QOS,
    },
    AdditionalVip: {
        "ip_address": _acts(
            _STREAM + "all_front_ends_serve_the_port_whatever_their_ip_version", LoadBalancer,
            additional_vips=(AdditionalVip(ip_address="127.0.0.9"),),
        ),
    },
    Listener: {
        "admin_state_up": _acts(
            _STATE + "a_disabled_listener_listens_nowhere_while_others_do", Listener, admin_state_up=True
        ),
        "protocol=HTTP": _chosen(
            _HTTP + "http_sends_each_request_of_a_connection_to_another_member", Listener, "protocol", "HTTP", "TCP"
        ),
        "protocol=HTTPS": Acts(
            f"tests.integration.{_STREAM}https_passes_tls_on_to_the_member",
            {Listener: {"protocol": "HTTP"}, Pool: {"protocol": "HTTP"}},
        ),
        "protocol=TCP": Acts(
            f"tests.integration.{_STREAM}tcp_passes_any_bytes_on_in_both_directions",
            {Listener: {"protocol": "HTTP"}, Pool: {"protocol": "HTTP"}},
        ),
        "protocol=PROMETHEUS": _chosen(
            _HTTP + "prometheus_serves_what_haproxy_counts_and_nothing_else", Listener, "protocol", "PROMETHEUS", "HTTP"
        ),
        "protocol=TERMINATED_HTTPS": _chosen(
            _FRONT + "a_client_is_served_by_tls_and_the_member_in_the_clear", Listener, "protocol", "TERMINATED_HTTPS",
            "HTTP",
        ),
        "alpn_protocols": _acts(_FRONT + "http_2_is_spoken_where_both_want_to", Listener, alpn_protocols=None),
        "tls_ciphers": _acts(_FRONT + "only_ciphers_asked_for_are_used", Listener, tls_ciphers=None),
        "tls_versions": _acts(_FRONT + "only_versions_asked_for_are_spoken", Listener, tls_versions=None),
        **{
            f"client_authentication={asked}": _chosen(_FRONT + test, Listener, "client_authentication", asked, instead)
            for asked, test, instead in (
                ("NONE", "nobody_is_asked_for_a_certificate_where_none_is", "OPTIONAL"),
                ("OPTIONAL", "clients_without_a_certificate_are_served_where_one_is_optional", "MANDATORY"),
                (
                    "MANDATORY",
                    "clients_without_a_certificate_of_the_authority_are_refused_where_one_is_mandatory",
                    "OPTIONAL",
                ),
            )
        },
        "client_ca_tls_container_ref": _acts(
            _FRONT + "clients_without_a_certificate_are_served_where_one_is_optional", Listener,
            client_ca_tls_container_ref=None, client_authentication="NONE",
        ),
        "client_crl_container_ref": _acts(
            _FRONT + "a_revoked_certificate_is_refused", Listener, client_crl_container_ref=None
        ),
        **{
            name: _acts(_FRONT + "browsers_are_told_to_come_by_tls_alone", Listener, **{name: instead})
            for name, instead in (
                ("hsts_max_age", None), ("hsts_include_subdomains", False), ("hsts_preload", False),
            )
        },
        "protocol=UDP": _OTHER_TYPE,
        "protocol=SCTP": _OTHER_TYPE,
        "protocol_port": _acts(_STATE + "a_listener_listens_at_its_port", Listener, protocol_port=64999),
        "connection_limit": _acts(
            _STREAM + "no_more_connections_than_the_limit_are_served_at_once", Listener, connection_limit=-1
        ),
        "default_pool_id": _acts(
            _STATE + "a_listeners_default_pool_is_the_one_it_names", Listener, default_pool_id=pool(1).id
        ),
        "insert_headers": _acts(
            _HTTP + "headers_are_inserted_for_members_as_asked", Listener, insert_headers={}
        ),
        "timeout_client_data": _acts(
            _STREAM + "a_client_that_says_nothing_for_too_long_is_left", Listener, timeout_client_data=50000
        ),
        "timeout_member_connect": _acts(
            _HTTP + "a_member_that_can_not_be_reached_in_time_is_a_503", Listener, timeout_member_connect=5000
        ),
        "timeout_member_data": _acts(
            _HTTP + "a_member_that_answers_too_late_is_a_504", Listener, timeout_member_data=50000
        ),
        "timeout_tcp_inspect": _acts(
            _STREAM + "a_member_is_asked_for_when_the_client_spoke_or_the_time_to_inspect_is_over", Listener,
            timeout_tcp_inspect=0,
        ),
        "allowed_cidrs": _acts(
            _STREAM + "allowed_networks_of_either_ip_version_get_in_and_others_do_not", Listener, allowed_cidrs=None
        ),
    },
    Pool: {
        "admin_state_up": _acts(_TRAFFIC + "a_listener_with_a_disabled_pool_answers_503", Pool, admin_state_up=True),
        **{
            f"protocol={protocol}": _chosen(
                _RAW + "pools_of_http_https_and_tcp_tell_the_member_nothing_of_their_own", Pool, "protocol", protocol,
                "PROXY",
            )
            for protocol in ("HTTP", "HTTPS", "TCP")
        },
        "protocol=PROXY": _chosen(
            _RAW + "proxy_tells_the_member_who_the_client_is", Pool, "protocol", "PROXY", "PROXYV2"
        ),
        "protocol=PROXYV2": _chosen(_RAW + "proxyv2_tells_it_in_binary", Pool, "protocol", "PROXYV2", "PROXY"),
        "protocol=UDP": _OTHER_TYPE,
        "protocol=SCTP": _OTHER_TYPE,
        **{
            f"lb_algorithm={algorithm}": _chosen(test, Pool, "lb_algorithm", algorithm, instead)
            for algorithm, test, instead in (
                ("ROUND_ROBIN", _SHARE + "round_robin_gives_each_member_its_share_by_weight", "SOURCE_IP"),
                ("LEAST_CONNECTIONS", _SHARE + "least_connections_passes_over_a_member_that_is_busy", "ROUND_ROBIN"),
                ("SOURCE_IP", _SHARE + "source_ip_keeps_each_client_and_spreads_clients", "ROUND_ROBIN"),
                ("SOURCE_IP_PORT", _RAW + "source_ip_port_keeps_each_port_and_spreads_ports", "SOURCE_IP"),
            )
        },
        "session_persistence": _acts(_TIE + "by_the_clients_address", Pool, session_persistence=None),
        **{
            name: _acts(_BACK + test, Pool, **{name: None})
            for name, test in (
                ("tls_enabled", "a_member_is_spoken_to_by_tls"),
                ("tls_container_ref", "a_member_sees_the_pools_certificate"),
                ("ca_tls_container_ref", "only_members_of_the_authority_are_trusted"),
                ("crl_container_ref", "not_those_that_were_revoked"),
                ("tls_ciphers", "only_ciphers_asked_for_are_used"),
                ("tls_versions", "only_versions_asked_for_are_spoken"),
                ("alpn_protocols", "protocols_asked_for_are_offered"),
            )
        },
    },
    SessionPersistence: {
        "type=SOURCE_IP": _acts(
            _TIE + "by_the_clients_address", Pool, session_persistence=SessionPersistence(type="HTTP_COOKIE")
        ),
        "type=HTTP_COOKIE": _acts(
            _TIE + "by_a_cookie_of_ours", Pool, session_persistence=SessionPersistence(type="SOURCE_IP")
        ),
        "type=APP_COOKIE": _acts(
            _TIE + "by_a_cookie_of_the_application", Pool, session_persistence=SessionPersistence(type="SOURCE_IP")
        ),
        "cookie_name": _acts(
            _TIE + "by_a_cookie_of_the_application", Pool,
            session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="OTHER"),
        ),
        "persistence_timeout": _ONLY_DATAGRAMS,
        "persistence_granularity": _ONLY_DATAGRAMS,
    },
    Member: {
        "admin_state_up": _acts(
            _TRAFFIC + "a_disabled_member_and_one_without_weight_get_nothing", Member, admin_state_up=True
        ),
        "address": _acts(_RAW + "members_are_found_at_their_address_and_port", Member, address="127.0.0.1"),
        "protocol_port": _acts(_RAW + "members_are_found_at_their_address_and_port", Member, protocol_port=1),
        "weight": _acts(_SHARE + "round_robin_gives_each_member_its_share_by_weight", Member, weight=1),
        "weight=0": _acts(_TIE + "a_member_without_weight_keeps_whom_it_has_and_gets_nobody_new", Member, weight=1),
        "backup": _acts(_TRAFFIC + "backups_serve_together_when_nobody_else_does", Member, backup=False),
        "monitor_address": _acts(_CHECK + "another_address_or_port_is_checked_instead", Member, monitor_address=None),
        "monitor_port": _acts(_CHECK + "another_address_or_port_is_checked_instead", Member, monitor_port=None),
        "vnic_type": _NO_QOS,
    },
    HealthMonitor: {
        "admin_state_up": _acts(_CHECK + "a_disabled_monitor_takes_nobody_out", HealthMonitor, admin_state_up=True),
        **{
            f"type={type}": _chosen(test, HealthMonitor, "type", type, instead)
            for type, test, instead in (
                ("HTTP", _CHECK + "one_code_a_list_and_a_range_are_expected", "TCP"),
                ("HTTPS", _CHECK + "https_asks_within_tls", "HTTP"),
                ("TLS-HELLO", _CHECK + "tls_hello_asks_for_tls_and_no_more", "HTTPS"),
                ("TCP", "test_haproxy_monitors.TcpTests.test_whoever_accepts_a_connection_is_up", "HTTP"),
                ("PING", "test_haproxy_pings.PingTests.test_who_answers_pings_is_up_whatever_listens_there", "TCP"),
            )
        },
        "type=SCTP": _OTHER_TYPE,
        "type=UDP-CONNECT": _OTHER_TYPE,
        "delay": _acts(_CHECK + "checks_come_at_the_delay_and_as_many_decide_as_told", HealthMonitor, delay=2),
        "timeout": _acts(_CHECK + "an_answer_after_the_timeout_is_none", HealthMonitor, timeout=60),
        "max_retries": _acts(
            _CHECK + "checks_come_at_the_delay_and_as_many_decide_as_told", HealthMonitor, max_retries=1
        ),
        "max_retries_down": _acts(
            _CHECK + "checks_come_at_the_delay_and_as_many_decide_as_told", HealthMonitor, max_retries_down=3
        ),
        "http_method": _acts(
            _CHECK + "the_method_the_path_and_the_version_are_those_of_the_monitor", HealthMonitor, http_method="GET"
        ),
        "url_path": _acts(
            _CHECK + "the_method_the_path_and_the_version_are_those_of_the_monitor", HealthMonitor, url_path="/"
        ),
        "http_version": _acts(
            _CHECK + "the_method_the_path_and_the_version_are_those_of_the_monitor", HealthMonitor, http_version=1.0
        ),
        "expected_codes": _acts(
            _CHECK + "one_code_a_list_and_a_range_are_expected", HealthMonitor, expected_codes="200"
        ),
        "domain_name": _acts(
            _CHECK + "the_host_is_the_domain_name_else_the_vip_if_the_version_needs_one", HealthMonitor,
            domain_name=None,
        ),
    },
    L7Policy: {
        "admin_state_up": _acts(
            _ACTION + "a_policy_that_is_disabled_or_has_no_rule_does_nothing", L7Policy, admin_state_up=True
        ),
        "action=REJECT": _chosen(
            _ACTION + "reject_answers_403", L7Policy, "action", "REJECT", "REDIRECT_TO_URL", **_TO_URL
        ),
        "action=REDIRECT_TO_URL": _chosen(
            _ACTION + "redirects_answer_their_code", L7Policy, "action", "REDIRECT_TO_URL", "REJECT"
        ),
        "action=REDIRECT_PREFIX": _chosen(
            _ACTION + "redirects_answer_their_code", L7Policy, "action", "REDIRECT_PREFIX", "REDIRECT_TO_URL", **_TO_URL
        ),
        "action=REDIRECT_TO_POOL": _chosen(
            _ACTION + "a_redirect_pool_serves_with_its_own_members", L7Policy, "action", "REDIRECT_TO_POOL",
            "REDIRECT_TO_URL", **_TO_URL,
        ),
        "position": _acts(_ACTION + "among_redirects_and_among_pools_the_position_decides", L7Policy, position=1),
        "redirect_pool_id": _acts(
            _ACTION + "a_redirect_pool_serves_with_its_own_members", L7Policy, redirect_pool_id=pool(1).id
        ),
        "redirect_url": _chosen(
            _ACTION + "redirects_answer_their_code", L7Policy, "action", "REDIRECT_TO_URL", "REDIRECT_TO_URL", **_TO_URL
        ),
        "redirect_prefix": _chosen(
            _ACTION + "redirects_answer_their_code", L7Policy, "action", "REDIRECT_PREFIX", "REDIRECT_PREFIX",
            redirect_prefix="http://ignored",
        ),
        "redirect_http_code": _acts(_ACTION + "redirects_answer_their_code", L7Policy, redirect_http_code=None),
    },
    L7Rule: {
        **{
            f"type={type}": _chosen(_FRONT + "rules_see_certificates", L7Rule, "type", type, "PATH")
            for type in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD")
        },
        "admin_state_up": _acts(_RULE + "a_rule_that_is_disabled_is_not_asked", L7Rule, admin_state_up=True),
        **{
            f"type={type}": _chosen(_RULE + test, L7Rule, "type", type, instead)
            for type, test, instead in (
                ("HOST_NAME", "host_names", "PATH"),
                ("PATH", "paths", "HOST_NAME"),
                ("FILE_TYPE", "types_of_files", "PATH"),
                ("HEADER", "headers", "COOKIE"),
                ("COOKIE", "cookies", "HEADER"),
            )
        },
        **{
            f"compare_type={how}": _chosen(_RULE + "paths", L7Rule, "compare_type", how, instead)
            for how, instead in (
                ("EQUAL_TO", "CONTAINS"), ("STARTS_WITH", "EQUAL_TO"), ("ENDS_WITH", "CONTAINS"),
                ("CONTAINS", "EQUAL_TO"), ("REGEX", "EQUAL_TO"),
            )
        },
        "key": _acts(_RULE + "headers", L7Rule, key="ignored"),
        "value": _acts(_RULE + "paths", L7Rule, value="/ignored"),
        "invert": _acts(_RULE + "an_inverted_rule_matches_what_it_otherwise_would_not", L7Rule, invert=False),
    },
}  # fmt: skip
"""By kind of object: each of its fields, or each value of one; C{weight=0} is more than a small weight."""
