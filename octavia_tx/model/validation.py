"""
The rules that hold between fields and between objects, whoever provides the load balancer.

Each function takes values and the name under which the client knows them, and raises
L{InvalidInput<octavia_tx.errors.InvalidInput>} naming the field that breaks a rule. Types of single fields are checked
before, by the API's codecs.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from octavia_tx.errors import InvalidInput, MissingField
from octavia_tx.model import tls
from octavia_tx.model.addresses import unmapped
from octavia_tx.model.amphora import Subnet
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ClientAuthentication, MonitorType, Persistence, Protocol

P = Protocol
M = MonitorType

POOL_PROTOCOLS: Mapping[Protocol, tuple[Protocol, ...]] = {
    P.TCP: (P.HTTP, P.HTTPS, P.PROXY, P.PROXYV2, P.TCP),
    P.HTTP: (P.HTTP, P.PROXY, P.PROXYV2),
    P.HTTPS: (P.HTTPS, P.PROXY, P.PROXYV2, P.TCP),
    P.TERMINATED_HTTPS: (P.HTTP, P.PROXY, P.PROXYV2),
    P.UDP: (P.UDP,),
    P.SCTP: (P.SCTP,),
    P.PROMETHEUS: (),
}
"""Which pools a listener may have."""

RESERVED_ADDRESSES = frozenset({"169.254.169.254"})
"""Where clouds tell their machines about themselves; no member's."""

_DATAGRAM_MONITORS = (M.UDP_CONNECT, M.SCTP, M.HTTP, M.TCP)
_STREAM_MONITORS = (M.PING, M.HTTP, M.HTTPS, M.TCP, M.TLS_HELLO)
_HTTP_MONITORS = (M.HTTP, M.HTTPS)

HTTP_CHECK: Mapping[str, Any] = {"http_method": "GET", "url_path": "/", "expected_codes": "200", "http_version": 1.0}
"""What a monitor that speaks HTTP asks, where the tenant says nothing."""

FORWARDED_HEADERS = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
CERTIFICATE_HEADERS = (
    "X-SSL-Client-Verify",
    "X-SSL-Client-Has-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-CN",
    "X-SSL-Issuer",
    "X-SSL-Client-SHA1",
    "X-SSL-Client-Not-Before",
    "X-SSL-Client-Not-After",
)
_TERMINATED_ONLY = (
    "default_tls_container_ref",
    "sni_container_refs",
    "client_ca_tls_container_ref",
    "client_crl_container_ref",
    "tls_ciphers",
    "tls_versions",
    "alpn_protocols",
    "hsts_max_age",
    "hsts_include_subdomains",
    "hsts_preload",
)


def check_listener(listener: Listener, where: str) -> None:
    """What a listener's protocol asks for, and forbids."""
    if not tls.used(listener):
        for name in _TERMINATED_ONLY:
            _only_with(f"{where}.{name}", getattr(listener, name), "protocol TERMINATED_HTTPS")
        if listener.client_authentication is not ClientAuthentication.NONE:
            raise InvalidInput(
                f"{where}.client_authentication", str(listener.client_authentication), "NONE without TLS"
            )
    elif not listener.default_tls_container_ref and not listener.sni_container_refs:
        raise MissingField(f"{where}.default_tls_container_ref", "a certificate, here or in sni_container_refs")
    _check_headers(listener, where)
    _check_client_certificates(listener, where)
    if listener.hsts_max_age is None and (listener.hsts_include_subdomains or listener.hsts_preload):
        raise MissingField(f"{where}.hsts_max_age", "seconds, as the other hsts fields need it")


def _check_headers(listener: Listener, where: str) -> None:
    accepted: tuple[str, ...] = ()
    if listener.protocol in (P.HTTP, P.TERMINATED_HTTPS):
        accepted += FORWARDED_HEADERS
    if listener.protocol is P.TERMINATED_HTTPS:
        accepted += CERTIFICATE_HEADERS
    for name in listener.insert_headers:
        if name not in accepted:
            raise InvalidInput(
                f"{where}.insert_headers", name, f"with protocol {listener.protocol}: {', '.join(accepted) or 'none'}"
            )


def _check_client_certificates(listener: Listener, where: str) -> None:
    authority = listener.client_ca_tls_container_ref
    if listener.client_authentication is not ClientAuthentication.NONE and not authority:
        raise MissingField(f"{where}.client_ca_tls_container_ref", "an authority, for client_authentication needs one")
    if listener.client_crl_container_ref and not authority:
        raise MissingField(f"{where}.client_ca_tls_container_ref", "an authority, for client_crl_container_ref has one")


def check_allowed_cidrs(listener: Listener, versions: frozenset[int], where: str) -> None:
    """
    Ranges are of the front end's IP versions.

    @param versions: 4, 6 or both; empty when they aren't known.
    """
    for at, cidr in enumerate(listener.allowed_cidrs or ()):
        version = ip_network(cidr, strict=False).version
        if versions and version not in versions:
            accepted = " or ".join(f"IPv{v}" for v in sorted(versions))
            raise InvalidInput(f"{where}.allowed_cidrs[{at}]", cidr, f"ranges of the VIP's version, {accepted}")


def check_sole_filter(listener: Listener, load_balancer: LoadBalancer, where: str) -> None:
    """Either the listener says who may come, or the security groups of the VIP's port do."""
    if listener.allowed_cidrs and load_balancer.vip_sg_ids:
        accepted = "nothing, for the load balancer's vip_sg_ids tell who may come"
        raise InvalidInput(f"{where}.allowed_cidrs", list(listener.allowed_cidrs), accepted)


def vip_versions(load_balancer: LoadBalancer, subnet: Subnet | None) -> frozenset[int]:
    """The IP versions of a load balancer's front end, as far as they are known."""
    further = [v.ip_address for v in load_balancer.additional_vips]
    if load_balancer.additional_vips and None in further:
        return frozenset()
    known: set[int] = {ip_address(a).version for a in (load_balancer.vip_address, *further) if a}
    if not load_balancer.vip_address:
        if subnet is None or anywhere(subnet):
            return frozenset()
        known.add(subnet.ip_version)
    return frozenset(known)


def check_distinct_subnets(load_balancer: LoadBalancer, subnet: Subnet | None, where: str) -> None:
    """
    Each front end is in a subnet of its own.

    @param subnet: the VIP's, as far as it is known.
    """
    seen = set() if subnet is None else {subnet.id}
    for at, vip in enumerate(load_balancer.additional_vips):
        if vip.subnet_id in seen:
            accepted = "a subnet in which no other front end of the load balancer is"
            raise InvalidInput(f"{where}.additional_vips[{at}].subnet_id", vip.subnet_id, accepted)
        seen |= {vip.subnet_id} if vip.subnet_id else set()


def check_pool(pool: Pool, where: str) -> None:
    """What a pool's protocol asks of its persistence, and its TLS."""
    if pool.crl_container_ref and not pool.ca_tls_container_ref:
        raise MissingField(f"{where}.ca_tls_container_ref", "an authority, for crl_container_ref has one")
    kept = pool.session_persistence
    if kept is None:
        return
    where = f"{where}.session_persistence"
    if kept.type is Persistence.APP_COOKIE and not kept.cookie_name:
        raise MissingField(f"{where}.cookie_name", "the name of the application's cookie")
    if kept.type is not Persistence.APP_COOKIE and kept.cookie_name is not None:
        raise InvalidInput(f"{where}.cookie_name", kept.cookie_name, "nothing, but with type APP_COOKIE")
    if pool.protocol in (P.UDP, P.SCTP):
        if kept.type is not Persistence.SOURCE_IP:
            raise InvalidInput(f"{where}.type", str(kept.type), f"SOURCE_IP with protocol {pool.protocol}")
    else:
        for name in ("persistence_timeout", "persistence_granularity"):
            _only_with(f"{where}.{name}", getattr(kept, name), "protocol UDP or SCTP")


def check_default_pool(listener: Listener, pool: Pool, where: str) -> None:
    """
    A listener's and its pool's protocols fit.

    @param where: the field that brought them together.
    """
    accepted = POOL_PROTOCOLS[listener.protocol]
    if pool.protocol not in accepted:
        sentence = f"a pool for a listener of protocol {listener.protocol}: {', '.join(accepted) or 'none at all'}"
        if where.endswith("_id"):
            raise InvalidInput(where, pool.id, f"{sentence}; this one's protocol is {pool.protocol}")
        raise InvalidInput(where, str(pool.protocol), sentence)


def check_member(member: Member, load_balancer: LoadBalancer, where: str) -> None:
    """A member isn't the load balancer itself, nor the cloud."""
    if str(unmapped(member.address)) in RESERVED_ADDRESSES:
        raise InvalidInput(f"{where}.address", member.address, "an address that isn't reserved")
    fronts = [load_balancer.vip_address, *(v.ip_address for v in load_balancer.additional_vips)]
    for name in ("address", "monitor_address"):
        given = getattr(member, name)
        if given and any(_same(given, front) for front in fronts if front):
            raise InvalidInput(f"{where}.{name}", given, "an address that isn't the load balancer's own VIP")


def check_monitor(monitor: HealthMonitor, pool: Pool, where: str) -> None:
    """A monitor's type fits its pool, and its HTTP fields fit its type."""
    accepted = _DATAGRAM_MONITORS if pool.protocol in (P.UDP, P.SCTP) else _STREAM_MONITORS
    if monitor.type not in accepted:
        raise InvalidInput(
            f"{where}.type", str(monitor.type), f"for a pool of protocol {pool.protocol}: {', '.join(accepted)}"
        )
    if monitor.type not in _HTTP_MONITORS:
        for name in (*HTTP_CHECK, "domain_name"):
            _only_with(f"{where}.{name}", getattr(monitor, name), "type HTTP or HTTPS")
        return
    if monitor.domain_name is not None and monitor.http_version != 1.1:
        raise InvalidInput(f"{where}.domain_name", monitor.domain_name, "with http_version 1.1 only")
    first, dash, last = (monitor.expected_codes or "").partition("-")
    if dash and int(first) > int(last):
        raise InvalidInput(f"{where}.expected_codes", monitor.expected_codes, "a range from lower to higher")


def check_vip(load_balancer: LoadBalancer, subnet: Subnet | None, where: str) -> None:
    """The address asked for lies in its subnet."""
    address = load_balancer.vip_address
    if not address or subnet is None or anywhere(subnet):
        return
    if ip_address(address) not in ip_network(subnet.cidr, strict=False):
        raise InvalidInput(f"{where}.vip_address", address, f"an address of subnet {subnet.id}, {subnet.cidr}")


def anywhere(subnet: Subnet) -> bool:
    """Whether a subnet holds all addresses, of whatever version: what drivers that check nothing give."""
    return ip_network(subnet.cidr, strict=False).prefixlen == 0


def _only_with(where: str, given: object, condition: str) -> None:
    if given not in (None, (), False):
        raise InvalidInput(where, given, f"nothing, but with {condition}")


def _same(one: str, other: str) -> bool:
    return unmapped(one) == unmapped(other)
