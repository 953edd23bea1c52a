"""What a controller says when it plugs an interface, and what the interface shall be like then. No effects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any, Final

from attrs import frozen

MAIN_TABLE: Final = 254
# Where replies in the name of a VIP are looked up; keepalived's configuration names it too.
VIP_TABLE: Final = 1
_DEFAULT: Final = {4: "0.0.0.0/0", 6: "::/0"}
_BROADCAST: Final = IPv4Address("255.255.255.255")
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}").fullmatch

Address = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network


class InvalidPlug(ValueError):
    """This can't be an interface."""


class InvalidVip(InvalidPlug):
    """A VIP, its subnet or its routes can't be."""


class InvalidVrrp(InvalidPlug):
    """The address by which the pair speaks can't be."""


class InvalidPort(InvalidPlug):
    """An address of a network, its subnet or its routes can't be."""


@frozen
class Route:
    """
    A route by an interface.

    @ivar destination: a network.
    @ivar gateway: C{None}: the destination is on the link.
    @ivar source: the address that is preferred; C{None}: any.
    """

    destination: str
    gateway: str | None = None
    source: str | None = None
    table: int = MAIN_TABLE


@frozen
class Wanted:
    """
    What an interface shall be like.

    @ivar addresses: each with its prefix's length.
    @ivar foreign: those that others, as keepalived, may give it or take away.
    @ivar sources: addresses whose replies are looked up in L{VIP_TABLE}; C{None}: not by this interface.
    """

    mtu: int | None
    addresses: tuple[str, ...] = ()
    foreign: frozenset[str] = frozenset()
    routes: tuple[Route, ...] = ()
    sources: frozenset[str] | None = None


def mac(value: object) -> str:
    """
    A MAC address, in lower case.

    @raise InvalidPlug: no interface of a network has it.
    """
    text = value.lower() if isinstance(value, str) else ""
    if not _MAC(text) or int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise InvalidPlug("mac_address must be an interface's MAC address, like fa:16:3e:00:00:01.")
    return text


def mtu(value: object) -> int | None:
    """
    An MTU; C{None}: as it is.

    @raise InvalidPlug: it isn't one.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 68 <= value <= 65535:
        raise InvalidPlug("mtu must be an integer from 68 to 65535.")
    return value


def network(body: Mapping[str, Any]) -> Wanted:
    """
    An interface in a network of members.

    @raise InvalidPlug: there can't be such a one.
    """
    addresses, routes = [], []
    for each in _fixed(body.get("fixed_ips")):
        addresses.append(f"{each.address}/{each.subnet.prefixlen}")
        routes += each.host_routes()
    return Wanted(mtu(body.get("mtu")), _first_of(addresses), routes=_distinct(routes))


def vip(address: object, body: Mapping[str, Any], keepalived: bool) -> Wanted:
    """
    The interface of the VIPs.

    @param body: C{subnet_cidr}, C{gateway}, and perhaps C{mtu}, C{vrrp_ip}, C{host_routes}, C{additional_vips}, and
        C{fixed_ips} of other subnets in the same network.
    @param keepalived: sets the VIPs, and their routes in L{VIP_TABLE}.
    @raise InvalidPlug: there can't be such a one.
    """
    vips = list(_vips(address, body))
    fixed = list(_fixed(body.get("fixed_ips")))
    vrrp = _vrrp(body)
    own = [*vrrp, *(f"{each.address}/{each.subnet.prefixlen}" for each in fixed)]
    near = {str(ip_network(each, strict=False)) for each in own}
    routes = [route for each in vips for route in each.routes(near, keepalived)]
    for each in fixed:
        routes += each.default(keepalived) + each.host_routes()
    held = [f"{each.address}/{each.address.max_prefixlen}" for each in vips]
    return Wanted(
        mtu(body.get("mtu")),
        _first_of(own if keepalived else own + held),
        foreign=frozenset(held) if keepalived else frozenset(),
        routes=_distinct(routes),
        sources=None if keepalived else frozenset(str(each.address) for each in vips),
    )


def refuse_unreachable(address: object, body: Mapping[str, Any]) -> None:
    """
    Refuse what can be written down but not be. What was plugged before isn't judged by it.

    @param body: as L{vip} takes it.
    @raise InvalidVip: a VIP is no address of a host in its subnet, or a gateway isn't in any of the subnets.
    @raise InvalidVrrp: the address by which the pair speaks is no address of a host.
    """
    vips = list(_vips(address, body))
    near = [each.subnet for each in (*vips, *_fixed(body.get("fixed_ips")))]
    for each in vips:
        if not _is_hosts(each.address):
            raise InvalidVip(f"{each.address} is no address that users can reach: it must be one of a host.")
        if each.address not in each.subnet or _is_end(each.address, each.subnet):
            raise InvalidVip(f"{each.address} isn't an address of a host in the subnet {each.subnet}.")
        hop = each.gateway
        if hop is not None and not (hop.version == 6 and hop.is_link_local or any(hop in subnet for subnet in near)):
            raise InvalidVip(f"gateway {hop} must be in the subnet {each.subnet}, or a link-local address of IPv6.")
    for own in _vrrp(body):
        if not _is_hosts(ip_interface(own).ip):
            raise InvalidVrrp(f"{own.partition('/')[0]} is no address of a host.")


def _is_hosts(address: Address) -> bool:
    """Whether a host in a network may have it."""
    return not (address.is_multicast or address.is_loopback or address.is_unspecified or address == _BROADCAST)


def _is_end(address: Address, subnet: Net) -> bool:
    """Whether it stands for the subnet itself, or for all in it."""
    ends = subnet.network_address, subnet.broadcast_address
    return address.version == 4 and subnet.prefixlen < 31 and address in ends


@frozen
class _Place:
    """An address in a subnet, and how others are reached from there."""

    address: Address
    subnet: Net
    gateway: Address | None
    hosts: tuple[tuple[Net, Address], ...]

    def default(self, keepalived: bool) -> list[Route]:
        if self.gateway is None:
            return []
        tables = (MAIN_TABLE,) if keepalived else (MAIN_TABLE, VIP_TABLE)
        return [Route(_DEFAULT[self.address.version], str(self.gateway), table=table) for table in tables]

    def host_routes(self, table: int = MAIN_TABLE) -> list[Route]:
        return [Route(str(destination), str(hop), table=table) for destination, hop in self.hosts]

    def routes(self, near: set[str], keepalived: bool) -> list[Route]:
        """As a VIP's. C{near}: subnets that are on the link anyhow."""
        found = self.default(keepalived) + self.host_routes()
        if str(self.subnet) not in near:
            found.append(Route(str(self.subnet)))
        if not keepalived:
            found += [Route(str(self.subnet), source=str(self.address), table=VIP_TABLE), *self.host_routes(VIP_TABLE)]
        return found


def _vips(address: object, body: Mapping[str, Any]) -> Iterator[_Place]:
    try:
        yield _place({**body, "ip_address": address})
        for each in _list(body.get("additional_vips"), "additional_vips"):
            # Of another subnet of the same network, which may be described more briefly.
            yield _place({"gateway": each.get("gateway_ip"), **each})
    except ValueError as e:
        raise InvalidVip(str(e)) from e


def _vrrp(body: Mapping[str, Any]) -> list[str]:
    given = body.get("vrrp_ip")
    if not given:
        return []
    try:
        found = _place({"ip_address": given, "subnet_cidr": body.get("subnet_cidr")})
    except ValueError as e:
        raise InvalidVrrp(str(e)) from e
    return [f"{found.address}/{found.subnet.prefixlen}"]


def _fixed(given: object) -> Iterator[_Place]:
    try:
        for each in _list(given, "fixed_ips"):
            yield _place({"gateway": each.get("gateway_ip"), **each})
    except ValueError as e:
        raise InvalidPort(str(e)) from e


def _place(given: Mapping[str, Any]) -> _Place:
    address = _address(given.get("ip_address"), "an address")
    subnet = _net(given.get("subnet_cidr"), "subnet_cidr")
    gateway = _address(given["gateway"], "gateway") if given.get("gateway") else None
    if subnet.version != address.version or (gateway is not None and gateway.version != address.version):
        raise ValueError(f"the subnet {subnet} and its gateway must be of the IP version of {address}.")
    hosts = []
    for each in _list(given.get("host_routes"), "host_routes"):
        destination, hop = _net(each.get("destination"), "destination", False), _address(each.get("nexthop"), "nexthop")
        if not destination.version == hop.version == address.version:
            raise ValueError(f"the route to {destination} by {hop} must be of the IP version of {address}.")
        hosts.append((destination, hop))
    return _Place(address, subnet, gateway, tuple(hosts))


def _list(given: object, name: str) -> list[Mapping[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise ValueError(f"{name} must be a list of objects.")
    return given


def _address(given: object, name: str) -> Address:
    # What follows a % is free text.
    if not isinstance(given, str) or "%" in given:
        raise ValueError(f"{name} must be an IP address.")
    return ip_address(given)


def _net(given: object, name: str, strict: bool = True) -> Net:
    if not isinstance(given, str) or "%" in given:
        raise ValueError(f"{name} must be a network like 198.51.100.0/24.")
    return ip_network(given, strict)


def _first_of(addresses: Iterable[str]) -> tuple[str, ...]:
    """Each address once, with the first of its prefixes."""
    found: dict[str, str] = {}
    for each in addresses:
        found.setdefault(each.partition("/")[0], each)
    return tuple(found.values())


def _distinct(routes: Iterable[Route]) -> tuple[Route, ...]:
    """In each table the first of all routes to the same destination: there can't be more."""
    found: dict[tuple[str, int], Route] = {}
    for each in routes:
        found.setdefault((each.destination, each.table), each)
    return tuple(found.values())
