"""
Which members are down, handed from one worker to the next: a new one takes each member for up until its first check.

haproxy believes a state file even where the tenant has changed things meanwhile: it keeps the old port, and a member
that nobody checks any more would be down for ever. So only those are handed on of whom it still holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

STATES: Final = "servers.state"
_VERSION: Final = "1"
_SECTION: Final = re.compile(r"(?:backend|listen)[ \t]+(\S+)")
_COLUMNS: Final = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_check_addr", "srv_check_port")
# Stopped, not by the tenant, and no check has succeeded since. haproxy would forget those that have: a member that gets
# well would stay down for as long as reloads come sooner than all the checks that it needs.
_DOWN: Final = {"srv_op_state": "0", "srv_admin_state": "0", "srv_check_health": "0"}


def handed_on(states: str, configuration: str) -> str:
    """
    What of the present states holds under the next configuration: members that are down since their checks fail, and
    that are still checked at the same address and port.

    @param states: the answer to C{show servers state}; of anything else nothing is handed on.
    """
    version, _, table = states.lstrip().partition("\n")
    head, _, rows = table.partition("\n")
    if version.strip() != _VERSION or not head.startswith("# "):
        return ""
    names = head[2:].split()
    checked = set(_checked(configuration))
    kept = []
    for row in rows.splitlines():
        values = dict(zip(names, row.split(" "), strict=False))
        if _DOWN.items() <= values.items() and _key(*(values.get(name, "") for name in _COLUMNS)) in checked:
            kept.append(row)
    return "\n".join((_VERSION, head, *kept, ""))


def _checked(configuration: str) -> Iterator[tuple[str, ...]]:
    section = ""
    for line in configuration.splitlines():
        if line[:1].strip():
            found = _SECTION.match(line)
            section = found[1] if found else ""
        words = line.split()
        if words[:1] == ["server"] and "check" in words[3:] and "disabled" not in words[3:]:
            address, _, port = words[2].rpartition(":")
            said = dict(zip(words[3:], words[4:], strict=False))
            # As haproxy writes it where a check has none of its own.
            yield _key(section, words[1], address, port, said.get("addr", "-"), said.get("port", "0"))


def _key(backend: str, server: str, address: str, port: str, check_address: str, check_port: str) -> tuple[str, ...]:
    return backend, server, _plain(address), port, _plain(check_address), check_port


def _plain(address: str) -> str:
    with suppress(ValueError):  # not a plain address, but it may still be the same
        return str(ip_address(address.strip("[]")))
    return address
