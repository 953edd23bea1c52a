"""Interfaces as C{ip -json} tells of them, and what C{ip} must do until one is as it shall be. No effects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Final

from attrs import frozen

from amphora.plugging import MAIN_TABLE, VIP_TABLE, Route, Wanted

PROTOCOL: Final = "static"  # marks the routes and rules that are ours
PRIORITY: Final = "100"  # of rules; keepalived's have it too
_PROTOCOL_NUMBER: Final = "4"
_WHOLE: Final = {4: 32, 6: 128}


@frozen
class Link:
    """
    An interface.

    @ivar addresses: those that somebody gave it, each with its prefix's length.
    """

    name: str
    mac: str
    up: bool
    mtu: int
    addresses: frozenset[str]

    def has(self, address: str) -> bool:
        """Whether it has this address, whatever its prefix."""
        return any(each.partition("/")[0] == address for each in self.addresses)


@frozen
class Present:
    """
    An interface, with what is ours of the tables.

    @ivar sources: as of L{Wanted<amphora.plugging.Wanted>}; of all interfaces.
    """

    link: Link
    routes: frozenset[Route]
    sources: frozenset[str]


@frozen
class Step:
    """
    Arguments of C{ip}.

    @ivar may_fail: the interface is of use without.
    """

    arguments: tuple[str, ...]
    may_fail: bool = False


def links(said: str) -> tuple[Link, ...]:
    """Those that C{ip -json address show} tells of, without the loopback."""
    return tuple(
        Link(
            str(each["ifname"]),
            str(each.get("address", "")),
            "UP" in each["flags"],
            int(each["mtu"]),
            frozenset(_addresses(each.get("addr_info", ()))),
        )
        for each in _read(said)
        if "LOOPBACK" not in each.get("flags", ("LOOPBACK",))
    )


def _addresses(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    for each in found:
        # Others come and go by themselves, with routers' advertisements or with the interface.
        if "local" in each and not each.get("dynamic") and not ip_address(each["local"]).is_link_local:
            yield str(ip_interface(f"{each['local']}/{each['prefixlen']}"))


def routes(said: str, version: int) -> frozenset[Route]:
    """Those that C{ip -json route show} tells of."""
    return frozenset(
        Route(
            str(ip_network({4: "0.0.0.0/0", 6: "::/0"}[version] if each["dst"] == "default" else each["dst"])),
            each.get("gateway"),
            each.get("prefsrc"),
            int(each.get("table", MAIN_TABLE)),
        )
        for each in _read(said)
    )


def sources(said: str) -> frozenset[str]:
    """The addresses for which C{ip -json rule show} has a rule of ours."""
    return frozenset(
        str(each["src"])
        for each in _read(said)
        if each.get("protocol") == _PROTOCOL_NUMBER and each.get("table") == str(VIP_TABLE) and "srclen" not in each
    )


def steps(wanted: Wanted, present: Present) -> tuple[Step, ...]:
    """
    What is to be done, in this order. What takes an address away may take others and routes with it: look again after.
    """
    link = present.link
    name = link.name
    found: list[Step] = []
    if wanted.mtu is not None and wanted.mtu != link.mtu:
        found.append(Step(("link", "set", "dev", name, "mtu", str(wanted.mtu))))
    for address in sorted(link.addresses - set(wanted.addresses) - wanted.foreign):
        found.append(Step(("address", "delete", address, "dev", name)))
    for address in wanted.addresses:
        if address not in link.addresses:
            found.append(Step(("address", "add", address, "dev", name, *_manner(address))))
    if not link.up:
        found.append(Step(("link", "set", "dev", name, "up")))
    gone = present.routes - set(wanted.routes)
    found += [Step(("route", "delete", *_words(route, name)), True) for route in sorted(gone, key=str)]
    found += [Step(("route", "add", *_words(r, name)), True) for r in wanted.routes if r not in present.routes]
    if wanted.sources is not None:
        found += [Step(_rule("delete", each)) for each in sorted(present.sources - wanted.sources)]
        found += [Step(_rule("add", each)) for each in sorted(wanted.sources - present.sources)]
    return tuple(found)


def announcement(link: Link) -> Step:
    """Has all neighbours hear of the addresses again: Linux tells of them whenever its MAC address is set."""
    return Step(("link", "set", "dev", link.name, "address", link.mac), True)


def _manner(address: str) -> tuple[str, ...]:
    """
    Controllers give an address to one machine at a time, and users shall not wait until a machine has found that out.
    From a VIP, which is one address without its subnet, nothing goes out by itself.
    """
    if ip_interface(address).version == 4:
        return ()
    return ("nodad", "preferred_lft", "0") if address.endswith(f"/{_WHOLE[6]}") else ("nodad",)


def _words(route: Route, name: str) -> tuple[str, ...]:
    way = ("via", route.gateway, "dev", name, "onlink") if route.gateway else ("dev", name)
    source = ("src", route.source) if route.source else ()
    scope = ("scope", "link") if not route.gateway and ip_network(route.destination).version == 4 else ()
    return (route.destination, *way, *scope, *source, "proto", PROTOCOL, "table", str(route.table))


def _rule(action: str, source: str) -> tuple[str, ...]:
    version = ip_address(source).version
    whole = f"{source}/{_WHOLE[version]}"
    where = ("table", str(VIP_TABLE), "priority", PRIORITY, "protocol", PROTOCOL)
    return (f"-{version}", "rule", action, "from", whole, *where)


def _read(said: str) -> list[dict[str, Any]]:
    """Some versions say nothing where there's nothing, others give empty objects for what they leave out."""
    return [each for each in json.loads(said or "[]") if each]
