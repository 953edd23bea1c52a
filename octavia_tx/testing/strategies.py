"""
Hypothesis strategies for the model: trees that the API would accept, or nearly.

They need the C{hypothesis} package, which only tests do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from octavia_tx.model import handshake
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
from octavia_tx.model.statuses import (
    Algorithm,
    ClientAuthentication,
    L7Action,
    L7Comparison,
    L7RuleType,
    MonitorType,
    Persistence,
    Protocol,
)
from octavia_tx.model.tree import Tree
from octavia_tx.model.validation import CERTIFICATE_HEADERS, FORWARDED_HEADERS
from octavia_tx.testing.texts import (
    cookie_names,
    expected_codes,
    expressions,
    host_names,
    ip_addresses,
    ipv4_addresses,
    ipv6_addresses,
    l7_values,
    names,
    tokens,
    url_paths,
    urls,
)

CREATED_AT: Final = datetime(2030, 1, 1, tzinfo=UTC)
PROJECT: Final = "a-project"

POOL_PROTOCOLS: Final = {
    Protocol.HTTP: (Protocol.HTTP, Protocol.PROXY, Protocol.PROXYV2),
    Protocol.TERMINATED_HTTPS: (Protocol.HTTP, Protocol.PROXY, Protocol.PROXYV2),
    Protocol.HTTPS: (Protocol.HTTPS, Protocol.TCP, Protocol.PROXY, Protocol.PROXYV2),
    Protocol.TCP: (Protocol.TCP, Protocol.HTTP, Protocol.HTTPS, Protocol.PROXY, Protocol.PROXYV2),
    Protocol.PROMETHEUS: (),
}
MONITOR_TYPES: Final = (MonitorType.HTTP, MonitorType.HTTPS, MonitorType.TCP, MonitorType.TLS_HELLO)
L7_RULE_TYPES: Final = (
    L7RuleType.HOST_NAME,
    L7RuleType.PATH,
    L7RuleType.FILE_TYPE,
    L7RuleType.HEADER,
    L7RuleType.COOKIE,
)
HTTP_METHODS: Final = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
identifiers: Final = st.uuids().map(str)
# Disabled objects hide what is below them, so most are enabled.
enabled: Final = st.sampled_from([True, True, True, False])
ports: Final = st.integers(1, 65535)
milliseconds: Final = st.integers(0, 2073600000)


def networks() -> SearchStrategy[str]:
    """CIDRs, with and without bits beyond the prefix."""
    return st.one_of(
        st.builds("{}/{}".format, ipv4_addresses, st.integers(0, 32)),
        st.builds("{}/{}".format, ipv6_addresses, st.integers(0, 128)),
    )


def persistences() -> SearchStrategy[SessionPersistence | None]:
    """Session persistence, or none."""
    return st.one_of(
        st.none(),
        st.sampled_from([Persistence.SOURCE_IP, Persistence.HTTP_COOKIE]).map(lambda t: SessionPersistence(type=t)),
        cookie_names.map(lambda name: SessionPersistence(type=Persistence.APP_COOKIE, cookie_name=name)),
    )


references: Final = st.sampled_from([f"https://secrets.example.com/{name}" for name in ("one", "two", "three")])
_ALPN: Final = st.lists(st.sampled_from(handshake.ALPN), max_size=3, unique=True)
_VERSIONS: Final = st.sampled_from([handshake.ALL_VERSIONS[i:j] for i in range(4) for j in range(i + 1, 5)])
_CIPHERS: Final = st.one_of(
    st.sampled_from(["HIGH", "HIGH:!aNULL:@SECLEVEL=1", "ECDHE-ECDSA-AES128-GCM-SHA256", "ALL:TLS_AES_128_GCM_SHA256"]),
    st.just(":".join(("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"))),
)


@composite
def tls_words(draw: DrawFn) -> dict[str, Any]:
    """What a listener and a pool may both say of TLS."""
    versions, ciphers = draw(st.none() | _VERSIONS), draw(st.none() | _CIPHERS)
    if versions is not None and handshake.VERSIONS[-1] not in versions:
        ciphers = draw(st.none() | st.just("HIGH"))
    return {"tls_versions": versions, "tls_ciphers": ciphers, "alpn_protocols": draw(st.none() | _ALPN)}


@composite
def terminations(draw: DrawFn) -> dict[str, Any]:
    """The fields of a listener that terminates TLS."""
    asked = draw(st.sampled_from(ClientAuthentication))
    authority = draw(references if asked is not ClientAuthentication.NONE else st.none() | references)
    shown = draw(st.lists(references, min_size=1, max_size=3, unique=True))
    age = draw(st.none() | st.integers(0, 10**9))
    return {
        **draw(tls_words()),
        "default_tls_container_ref": shown[0],
        "sni_container_refs": tuple(shown[1:]),
        "client_authentication": asked,
        "client_ca_tls_container_ref": authority,
        "client_crl_container_ref": authority and draw(st.none() | references),
        "hsts_max_age": age,
        "hsts_include_subdomains": age is not None and draw(st.booleans()),
        "hsts_preload": age is not None and draw(st.booleans()),
    }


@composite
def tls_to_members(draw: DrawFn) -> dict[str, Any]:
    """The fields of a pool whose members speak TLS."""
    authority = draw(st.none() | references)
    return {
        **draw(tls_words()),
        "tls_enabled": True,
        "tls_container_ref": draw(st.none() | references),
        "ca_tls_container_ref": authority,
        "crl_container_ref": authority and draw(st.none() | references),
    }


@composite
def health_monitors(draw: DrawFn, /, **given: Any) -> HealthMonitor:
    """A health monitor; C{given} fixes fields."""
    monitor = HealthMonitor(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        admin_state_up=draw(enabled),
        type=draw(st.sampled_from(MONITOR_TYPES)),
        delay=draw(st.integers(0, 10**7)),
        timeout=draw(st.integers(0, 10**7)),
        max_retries=draw(st.integers(1, 10)),
        max_retries_down=draw(st.integers(1, 10)),
        created_at=CREATED_AT,
        **given,
    )
    if monitor.type not in (MonitorType.HTTP, MonitorType.HTTPS):
        return monitor
    version = draw(st.sampled_from([1.0, 1.1]))
    return evolve(
        monitor,
        http_method=draw(st.sampled_from(HTTP_METHODS)),
        url_path=draw(url_paths),
        expected_codes=draw(expected_codes),
        http_version=version,
        domain_name=draw(st.none() | host_names) if version == 1.1 else None,
    )


@composite
def members(draw: DrawFn, /, **given: Any) -> Member:
    """A member; C{given} fixes fields."""
    return Member(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        admin_state_up=draw(enabled),
        address=draw(ip_addresses),
        protocol_port=draw(ports),
        weight=draw(st.integers(0, 256)),
        backup=draw(st.booleans()),
        monitor_address=draw(st.none() | ip_addresses),
        monitor_port=draw(st.none() | ports),
        created_at=CREATED_AT,
        **given,
    )


@composite
def pools(draw: DrawFn, /, **given: Any) -> Pool:
    """A pool; C{given} fixes fields."""
    return Pool(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        description=draw(names),
        admin_state_up=draw(enabled),
        lb_algorithm=draw(st.sampled_from(Algorithm)),
        session_persistence=draw(persistences()),
        created_at=CREATED_AT,
        **given,
    )


_HEADERS: Final = {
    Protocol.HTTP: FORWARDED_HEADERS,
    Protocol.TERMINATED_HTTPS: (*FORWARDED_HEADERS, *CERTIFICATE_HEADERS),
}


@composite
def listeners(draw: DrawFn, /, **given: Any) -> Listener:
    """A listener of a given protocol; C{given} fixes further fields."""
    headers = _HEADERS.get(given["protocol"], ())
    return Listener(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        description=draw(names),
        admin_state_up=draw(enabled),
        connection_limit=draw(st.integers(-1, 10**10)),
        insert_headers=draw(st.dictionaries(st.sampled_from(headers), st.sampled_from(["true", "false"])))
        if headers
        else {},
        timeout_client_data=draw(milliseconds),
        timeout_member_connect=draw(milliseconds),
        timeout_member_data=draw(milliseconds),
        timeout_tcp_inspect=draw(milliseconds),
        allowed_cidrs=draw(st.lists(networks(), max_size=4)),  # type: ignore[arg-type]  # as in the model: a generic converter
        created_at=CREATED_AT,
        **given,
    )


_COMPARISONS: Final = {
    L7RuleType.FILE_TYPE: [L7Comparison.EQUAL_TO, L7Comparison.REGEX],
    L7RuleType.SSL_CONN_HAS_CERT: [L7Comparison.EQUAL_TO],
    L7RuleType.SSL_VERIFY_RESULT: [L7Comparison.EQUAL_TO],
}
_VALUES: Final[dict[L7RuleType, SearchStrategy[str]]] = {
    L7RuleType.SSL_CONN_HAS_CERT: st.sampled_from(["True", "true"]),
    L7RuleType.SSL_VERIFY_RESULT: st.integers(0, 10**9 - 1).map(str),
}
_KEYS: Final = {
    L7RuleType.HEADER: tokens,
    L7RuleType.COOKIE: tokens,
    L7RuleType.SSL_DN_FIELD: st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True),
}


@composite
def l7_rules(draw: DrawFn, /, **given: Any) -> L7Rule:
    """A rule, about plain HTTP where its type isn't given; C{given} fixes fields."""
    type = given.pop("type", None) or draw(st.sampled_from(L7_RULE_TYPES))
    comparison = draw(st.sampled_from(_COMPARISONS.get(type, list(L7Comparison))))
    values = _VALUES.get(type, expressions if comparison is L7Comparison.REGEX else l7_values)
    return L7Rule(
        id=draw(identifiers),
        project_id=PROJECT,
        admin_state_up=draw(enabled),
        type=type,
        compare_type=comparison,
        key=draw(_KEYS[type]) if type in _KEYS else None,
        value=draw(values),
        invert=draw(st.booleans()),
        created_at=CREATED_AT,
        **given,
    )


@composite
def l7_policies(draw: DrawFn, /, redirect_pools: tuple[Pool, ...] = (), **given: Any) -> L7Policy:
    """A policy, which may redirect to one of some pools; C{given} fixes fields."""
    action = draw(st.sampled_from([a for a in L7Action if redirect_pools or a is not L7Action.REDIRECT_TO_POOL]))
    to: dict[str, Any] = {}
    match action:
        case L7Action.REDIRECT_TO_POOL:
            to = {"redirect_pool_id": draw(st.sampled_from(redirect_pools)).id}
        case L7Action.REDIRECT_TO_URL | L7Action.REDIRECT_PREFIX:
            name = "redirect_url" if action is L7Action.REDIRECT_TO_URL else "redirect_prefix"
            to = {name: draw(urls), "redirect_http_code": draw(st.sampled_from([301, 302, 303, 307, 308]))}
    return L7Policy(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        description=draw(names),
        admin_state_up=draw(enabled),
        action=action,
        created_at=CREATED_AT,
        **to,
        **given,
    )


@composite
def load_balancers(draw: DrawFn, /, **given: Any) -> LoadBalancer:
    """A load balancer whose addresses were allocated; C{given} fixes fields."""
    addresses = draw(st.lists(ip_addresses, min_size=1, max_size=3, unique=True))
    return LoadBalancer(
        id=draw(identifiers),
        project_id=PROJECT,
        name=draw(names),
        description=draw(names),
        admin_state_up=draw(enabled),
        vip_address=addresses[0],
        additional_vips=[AdditionalVip(ip_address=address) for address in addresses[1:]],
        created_at=CREATED_AT,
        **given,
    )


@composite
def trees(draw: DrawFn) -> Tree:
    """
    A load balancer with up to three listeners, each alone, with a pool of its own, or with another's.

    Those that see requests may have L7 policies, which may redirect to any fitting pool of the tree.
    """
    load_balancer = draw(load_balancers())
    parts: dict[str, list[Any]] = {name: [] for name in _PARTS}
    here = {"load_balancer_id": load_balancer.id}
    for number in draw(st.lists(ports, max_size=3, unique=True)) or draw(st.lists(ports, max_size=1)):
        protocol = draw(st.sampled_from(list(POOL_PROTOCOLS)))
        shared = [pool for pool in parts["pools"] if pool.protocol in POOL_PROTOCOLS[protocol]]
        pool = draw(st.sampled_from([None, *shared]))
        if pool is None and POOL_PROTOCOLS[protocol]:
            more = draw(st.just({}) | tls_to_members())
            pool = draw(st.none() | pools(protocol=draw(st.sampled_from(POOL_PROTOCOLS[protocol])), **more, **here))
        if pool is not None and pool not in parts["pools"]:
            parts["pools"].append(pool)
            parts["members"] += draw(st.lists(members(pool_id=pool.id, **here), max_size=4))
            parts["health_monitors"] += draw(st.lists(health_monitors(pool_id=pool.id, **here), max_size=1))
        default = None if pool is None else pool.id
        more = draw(terminations()) if protocol is Protocol.TERMINATED_HTTPS else {}
        parts["listeners"].append(
            draw(listeners(protocol=protocol, protocol_port=number, default_pool_id=default, **more, **here))
        )
    fitting = tuple(pool for pool in parts["pools"] if pool.protocol in POOL_PROTOCOLS[Protocol.HTTP])
    for listener in parts["listeners"]:
        if listener.protocol in (Protocol.HTTP, Protocol.TERMINATED_HTTPS):
            for position in range(1, draw(st.integers(1, 4))):
                policy = draw(l7_policies(fitting, listener_id=listener.id, position=position, **here))
                parts["l7policies"].append(policy)
                parts["l7rules"] += draw(st.lists(l7_rules(l7policy_id=policy.id, **here), max_size=3))
                if listener.protocol is Protocol.TERMINATED_HTTPS:
                    type = draw(st.sampled_from(sorted(handshake.RULES)))
                    parts["l7rules"].append(draw(l7_rules(type=type, l7policy_id=policy.id, **here)))
    children: dict[str, Any] = {name: tuple(items) for name, items in parts.items()}
    return Tree(load_balancer=load_balancer, **children)


_PARTS: Final = ("listeners", "pools", "members", "health_monitors", "l7policies", "l7rules")
