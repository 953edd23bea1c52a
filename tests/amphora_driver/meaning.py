"""
What a load balancer means for haproxy: told from its tree by the words of the API, and compared with what C{retelling}
reads in a configuration.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final
from zlib import crc32

from attrs import field, frozen

from octavia_tx.model import handshake
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.l7 import in_force, pools_in_use
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, Member, Pool
from octavia_tx.model.tree import Tree

HTTP: Final = frozenset({"HTTP", "TERMINATED_HTTPS", "PROMETHEUS"})
LONGEST: Final = 2**31 - 1  # what haproxy counts, in milliseconds and in connections
_STAGES: Final = {"REJECT": 0, "REDIRECT_TO_URL": 1, "REDIRECT_PREFIX": 1, "REDIRECT_TO_POOL": 2}
_KEYED: Final = frozenset({"HEADER", "COOKIE", "SSL_DN_FIELD"})
_COOKIES: Final = frozenset({"HTTP_COOKIE", "APP_COOKIE"})


@frozen(kw_only=True)
class Tls:
    """C{certificates}, C{authorities} and C{revocations} are what is in the files."""

    certificates: tuple[str, ...]
    authorities: str | None
    revocations: str | None
    verify: str | None
    oldest: str
    newest: str
    ciphers: str
    suites: str
    alpn: tuple[str, ...]
    passes_name: bool = False


@frozen(kw_only=True)
class Rule:
    """A condition, C{key} and C{value} as the tenant gave them."""

    id: str
    type: str
    comparison: str
    key: str | None
    value: str
    invert: bool


@frozen(kw_only=True)
class Policy:
    """An action, C{target} as the tenant gave it; all its rules must match."""

    action: str
    target: str | None = None
    code: int | None = None
    rules: tuple[Rule, ...]


@frozen(kw_only=True)
class Front:
    """A listener."""

    id: str
    http: bool
    binds: tuple[tuple[str, int, Tls | None], ...]
    allowed: tuple[str, ...]
    limit: int | None
    timeout: int
    inspect: int | None
    hashes_port: bool
    metrics: bool
    hsts: tuple[int, bool, bool] | None
    policies: tuple[Policy, ...]
    default: str | None


@frozen(kw_only=True)
class Check:
    """A health check; C{request} is method, path, version and host."""

    type: str
    timeout: int
    request: tuple[str, str, str, str | None] | None
    codes: str | None


@frozen(kw_only=True)
class Server:
    """A member; C{check} is interval, fall and rise, C{sni} the name that a check by TLS asks for."""

    id: str
    number: int
    address: str
    port: int
    weight: int
    proxy: str | None
    cookie: str | None
    check: tuple[int, int, int] | None
    check_tls: bool
    sni: str | None
    check_address: str | None
    check_port: int | None
    tls: Tls | None
    backup: bool
    disabled: bool


@frozen(kw_only=True)
class Back:
    """A pool as one listener uses it; C{persistence} is its type and the cookie's name."""

    name: str
    http: bool
    algorithm: str
    timeout_connect: int
    timeout_data: int
    headers: frozenset[str]
    secure: bool | None  # what X-Forwarded-Proto says
    persistence: tuple[str, str | None] | None
    check: Check | None
    servers: tuple[Server, ...]


@frozen
class Meaning:
    """All of it."""

    fronts: tuple[Front, ...] = field(default=())
    backs: tuple[Back, ...] = field(default=())
    shares: bool = False


def meaning(tree: Tree, secrets: Secrets) -> Meaning:
    """What haproxy should do for a tree."""
    if not tree.load_balancer.admin_state_up:
        return Meaning()
    listeners = tuple(each for each in tree.listeners if each.admin_state_up)
    backs = tuple(_back(tree, each, pool, secrets) for each in listeners for pool in pools_in_use(tree, each))
    return Meaning(
        fronts=tuple(_front(tree, each, secrets) for each in listeners),
        backs=backs,
        shares=any(each.persistence and each.persistence[0] != "HTTP_COOKIE" for each in backs),
    )


def _front(tree: Tree, listener: Listener, secrets: Secrets) -> Front:
    pools = pools_in_use(tree, listener)
    vips = (tree.load_balancer.vip_address, *(vip.ip_address for vip in tree.load_balancer.additional_vips))
    tls = _terminated(listener, secrets)
    limited = listener.connection_limit not in (-1, 0)
    inspects = listener.timeout_tcp_inspect and listener.protocol not in HTTP
    known = {pool.id for pool in pools}
    told = sorted(in_force(tree, listener), key=lambda policy: _STAGES[policy.action])
    return Front(
        id=listener.id,
        http=listener.protocol in HTTP,
        binds=tuple((str(ip_address(vip or "")), listener.protocol_port, tls) for vip in vips),
        allowed=tuple(str(ip_network(each, strict=False)) for each in listener.allowed_cidrs or ()),
        limit=min(listener.connection_limit, LONGEST) if limited else None,
        timeout=_milliseconds(listener.timeout_client_data),
        inspect=_milliseconds(listener.timeout_tcp_inspect) if inspects else None,
        hashes_port=any(pool.lb_algorithm == "SOURCE_IP_PORT" for pool in pools),
        metrics=listener.protocol == "PROMETHEUS",
        hsts=None
        if listener.hsts_max_age is None or tls is None
        else (listener.hsts_max_age, listener.hsts_include_subdomains, listener.hsts_preload),
        policies=tuple(_policy(tree, listener, policy) for policy in told),
        default=f"{listener.default_pool_id}:{listener.id}" if listener.default_pool_id in known else None,
    )


def _policy(tree: Tree, listener: Listener, policy: L7Policy) -> Policy:
    redirects = policy.action in ("REDIRECT_TO_URL", "REDIRECT_PREFIX")
    targets = {
        "REJECT": None,
        "REDIRECT_TO_URL": policy.redirect_url,
        "REDIRECT_PREFIX": policy.redirect_prefix,
        "REDIRECT_TO_POOL": f"{policy.redirect_pool_id}:{listener.id}",
    }
    return Policy(
        action=policy.action.value,
        target=targets[policy.action],
        code=(policy.redirect_http_code or 302) if redirects else None,
        rules=tuple(_rule(rule) for rule in tree.rules_of(policy.id) if rule.admin_state_up),
    )


def _rule(rule: L7Rule) -> Rule:
    type, comparison, value = rule.type.value, rule.compare_type.value, rule.value
    if type == "SSL_CONN_HAS_CERT":
        value = "True"
    if (type, comparison) == ("FILE_TYPE", "EQUAL_TO"):
        type, comparison, value = "PATH", "ENDS_WITH", f".{value.removeprefix('.')}"
    key = rule.key if type in _KEYED else None
    return Rule(id=rule.id, type=type, comparison=comparison, key=key, value=value, invert=rule.invert)


def _back(tree: Tree, listener: Listener, pool: Pool, secrets: Secrets) -> Back:
    http = listener.protocol in HTTP
    monitor = next((each for each in tree.health_monitors if each.pool_id == pool.id and each.admin_state_up), None)
    kept = pool.session_persistence
    persistence = (kept.type.value, kept.cookie_name) if kept and (http or kept.type not in _COOKIES) else None
    headers = {name for name, wanted in listener.insert_headers.items() if wanted == "true"} if http else set()
    members = tree.members_of(pool.id)
    numbers = _numbers(members)
    tls = _spoken(listener, pool, secrets) if pool.tls_enabled else None
    return Back(
        name=f"{pool.id}:{listener.id}",
        http=http,
        algorithm=pool.lb_algorithm.value,
        timeout_connect=_milliseconds(listener.timeout_member_connect),
        timeout_data=_milliseconds(listener.timeout_member_data),
        headers=frozenset(headers),
        secure=bool(handshake.certificates(listener)) if "X-Forwarded-Proto" in headers else None,
        persistence=persistence,
        check=monitor and _check(tree, monitor),
        servers=tuple(
            _server(each, numbers[each.id], pool, monitor, tls, persistence == ("HTTP_COOKIE", None))
            for each in members
        ),
    )


def _check(tree: Tree, monitor: HealthMonitor) -> Check:
    speaks = monitor.type in ("HTTP", "HTTPS")
    version = "1.1" if monitor.http_version == 1.1 else "1.0"
    vip = ip_address(tree.load_balancer.vip_address or "")
    shown = f"[{vip}]" if vip.version == 6 else str(vip)
    host = monitor.domain_name or (shown if version == "1.1" else None)
    request = (monitor.http_method or "GET", monitor.url_path or "/", version, host)
    return Check(
        # That a check speaks TLS is said to each server.
        type="HTTP" if speaks else monitor.type.value,
        timeout=_seconds(monitor.timeout),
        request=request if speaks else None,
        codes=(monitor.expected_codes or "200").replace(" ", "") if speaks else None,
    )


def _server(
    member: Member, number: int, pool: Pool, monitor: HealthMonitor | None, tls: Tls | None, by_cookie: bool
) -> Server:
    by_tls = monitor is not None and monitor.type == "HTTPS"
    return Server(
        id=member.id,
        number=number,
        address=str(ip_address(member.address)),
        port=member.protocol_port,
        weight=member.weight,
        proxy=pool.protocol.value if pool.protocol in ("PROXY", "PROXYV2") else None,
        cookie=member.id if by_cookie else None,
        check=monitor and (_seconds(monitor.delay), monitor.max_retries_down, monitor.max_retries),
        check_tls=by_tls,
        sni=(monitor.domain_name or None) if by_tls and monitor else None,
        check_address=str(ip_address(member.monitor_address)) if monitor and member.monitor_address else None,
        check_port=member.monitor_port if monitor else None,
        tls=tls,
        backup=member.backup,
        disabled=not member.admin_state_up,
    )


def _numbers(members: tuple[Member, ...]) -> dict[str, int]:
    """By the members' ids, as long as no two are alike, which no example here is."""
    return {each.id: crc32(each.id.encode()) & LONGEST or 1 for each in members}


def _terminated(listener: Listener, secrets: Secrets) -> Tls | None:
    shown = handshake.certificates(listener)
    if not shown:
        return None
    asked = listener.client_authentication
    authorities = listener.client_ca_tls_container_ref if asked != "NONE" else None
    revocations = listener.client_crl_container_ref if authorities else None
    offered = handshake.ALPN if listener.alpn_protocols is None else listener.alpn_protocols
    return Tls(
        certificates=tuple(secrets.bundles[each].pem for each in shown),
        authorities=secrets.authorities[authorities] if authorities else None,
        revocations=secrets.revocations[revocations] if revocations else None,
        verify={"NONE": None, "OPTIONAL": "optional", "MANDATORY": "required"}[asked],
        alpn=offered or ("http/1.1",),
        **_handshake(listener),
    )


def _spoken(listener: Listener, pool: Pool, secrets: Secrets) -> Tls:
    authorities, shown = pool.ca_tls_container_ref, pool.tls_container_ref
    revocations = pool.crl_container_ref if authorities else None
    http = listener.protocol in ("HTTP", "TERMINATED_HTTPS")
    return Tls(
        certificates=(secrets.bundles[shown].pem,) if shown else (),
        authorities=secrets.authorities[authorities] if authorities else None,
        revocations=secrets.revocations[revocations] if revocations else None,
        verify="required" if authorities else "none",
        alpn=(pool.alpn_protocols or ()) if http else (),
        passes_name=listener.protocol == "TERMINATED_HTTPS",
        **_handshake(pool),
    )


def _handshake(end: Listener | Pool) -> dict[str, str]:
    versions = handshake.spoken(end.tls_versions, end.tls_ciphers)
    suites, ciphers = handshake.ciphers(end.tls_ciphers)
    return {"oldest": versions[0], "newest": versions[-1], "ciphers": ciphers, "suites": suites}


def _milliseconds(given: int) -> int:
    return min(given or LONGEST, LONGEST)


def _seconds(given: int) -> int:
    return min(max(given, 1), LONGEST // 1000)
