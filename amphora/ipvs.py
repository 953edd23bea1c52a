"""
What heartbeats tell of listeners of UDP and SCTP: who is in the kernel's table of virtual servers, of those that a
configuration of OpenStack's names in its comments.

Bytes and connections in all aren't counted: the table doesn't tell them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from attrs import frozen

from amphora.statistics import OPEN, Snapshot
from octavia_tx.wire.heartbeat import Counters, MemberReport

EPOCH: Final = "ipvs"
_NAMED: Final = re.compile(r"\s*# Configuration for (Pool|Member) ([0-9a-f-]{36})\s*").fullmatch
_DISABLED: Final = re.compile(r"\s*# (Listener|Pool|Member) ([0-9a-f-]{36}) is disabled\s*").fullmatch
_SERVER: Final = re.compile(r"\s*real_server\s+(\S+)\s+(\d+)\s*\{\s*").fullmatch
_CHECKED: Final = re.compile(r"\b(?:MISC_CHECK|HTTP_GET|TCP_CHECK)\b").search
_GROUP: Final = re.compile(r"virtual_server_group[^{]*\{([^}]*)\}").findall
_PLACE: Final = re.compile(r"^\s*(\S+)\s+(\d+)\s*$", re.MULTILINE).findall

Place = tuple[str, int]


@frozen
class _Server:
    weight: int
    active: int


def snapshot(listener_id: str, text: str, table: str) -> Snapshot | None:
    """
    What is known of a listener whose keepalived runs; C{None} where the listener is disabled.

    @param text: keepalived's configuration.
    @param table: the kernel's, as C{/proc/net/ip_vs}.
    """
    pool, members = "", dict[str, Place | None]()
    member = ""
    for line in text.splitlines():
        if found := _DISABLED(line):
            if found[1] == "Listener":
                return None
            if found[1] == "Member":
                member, members[found[2]] = "", None
        elif found := _NAMED(line):
            pool, member = (found[2], "") if found[1] == "Pool" else (pool, found[2])
        elif member and (found := _SERVER(line)):
            members[member] = _place(found[1], found[2])
    places = {_place(*each) for group in _GROUP(text) for each in _PLACE(group)}
    servers = _servers(table, places)
    reports = (MemberReport(pool, m, _status(p, servers, bool(_CHECKED(text)))) for m, p in sorted(members.items()))
    active = sum(server.active for server in servers.values())
    return Snapshot(
        "",
        {listener_id: OPEN},
        {listener_id: (Counters(EPOCH, active, 0, 0, 0, 0),)},
        tuple(reports) if pool else (),
        pool_listeners={pool: listener_id} if pool else {},
    )


def _status(place: Place | None, servers: Mapping[Place, _Server], is_checked: bool) -> str:
    """haproxy's word for it. keepalived takes a member whose check fails out of the table."""
    if place is None:
        return "MAINT"
    if place not in servers:
        return "DOWN" if is_checked or servers else "no check"
    if servers[place].weight == 0:
        return "DRAIN"
    return "UP" if is_checked else "no check"


def _servers(table: str, places: set[Place]) -> dict[Place, _Server]:
    """The servers behind these places."""
    return {place: server for at, place, server in _entries(table) if at in places}


def _entries(table: str) -> Iterator[tuple[Place, Place, _Server]]:
    at: Place | None = None
    for words in map(str.split, table.splitlines()):
        if words[:1] in (["UDP"], ["SCTP"]):
            at = _hexadecimal(words[1])
        elif words[:1] == ["TCP"] or words[:1] == ["FWM"]:
            at = None
        elif at is not None and words[:1] == ["->"] and len(words) >= 6:
            yield at, _hexadecimal(words[1]), _Server(int(words[3]), int(words[4]))


def _place(address: str, port: str) -> Place:
    return str(ip_address(address)), int(port)


def _hexadecimal(written: str) -> Place:
    """As the kernel writes it: C{C6336409:0035}, or C{[2001:0db8:…]:0035}."""
    address, _, port = written.rpartition(":")
    bare = address.strip("[]")
    return str(ip_address(bare if ":" in bare else int(bare, 16))), int(port, 16)
