"""What the agent says of the machine that it runs on."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.utils import getProcessOutputAndValue

from amphora.keepalived import find
from octavia_tx.wire.rest import API_VERSION

_VERSION: Final = re.compile(r"^(?:HAProxy version |HA-Proxy version |\w+ v)(\d+(?:\.\d+)*)", re.MULTILINE).search
_PROC: Final = Path("/proc")
_MEMORY: Final = {
    "total": "MemTotal",
    "free": "MemFree",
    "buffers": "Buffers",
    "cached": "Cached",
    "shared": "Shmem",
    "slab": "Slab",
}


async def info(reactor: Any, haproxy: str) -> dict[str, str]:
    """What C{/1.0/info} tells. Versions are empty of programs that aren't there, or can't run here."""
    programs = {"haproxy": (haproxy, "-v")} | {each: (find(each), "--version") for each in ("keepalived", "ipvsadm")}
    asked = [Deferred.fromCoroutine(_version(reactor, *call)) for call in programs.values()]
    versions = {f"{name}_version": told for name, told in zip(programs, await gatherResults(asked), strict=True)}
    return {"hostname": socket.gethostname(), "api_version": API_VERSION, **versions}


async def _version(reactor: Any, program: str | None, option: str) -> str:
    """A program's version, like C{2.6.12}; empty where it doesn't say."""
    if program is None:
        return ""
    out, err, _code = await getProcessOutputAndValue(program, [option], env=dict(os.environ), reactor=reactor)
    found = _VERSION((out + err).decode(errors="replace"))
    return found[1] if found else ""


def figures() -> dict[str, Any]:
    """What the machine has, and what of it is used."""
    return {
        "active": True,
        "packages": {},
        "cpu_count": os.cpu_count(),
        "cpu": _processors(),
        "memory": _memory(),
        "disk": _disk(),
        "load": (_PROC / "loadavg").read_text().split()[:3],
        "active_tuned_profiles": "",
    }


def networks(said: str | None = None) -> dict[str, dict[str, int]]:
    """
    Bytes received and sent, by interface, without the loopback.

    @param said: what C{/proc/net/dev} says where the interfaces are; C{None}: here.
    """
    networks = {}
    for line in ((_PROC / "net" / "dev").read_text() if said is None else said).splitlines()[2:]:
        name, _, numbers = line.partition(":")
        columns = numbers.split()
        if name.strip() != "lo":
            networks[name.strip()] = {"network_rx": int(columns[0]), "network_tx": int(columns[8])}
    return networks


def _processors() -> dict[str, Any]:
    """Ticks since the boot."""
    ticks = (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    return {"total": sum(map(int, ticks)), "user": ticks[0], "system": ticks[2], "soft_irq": ticks[6]}


def _memory() -> Mapping[str, int]:
    """In KiB."""
    lines = (line.partition(":") for line in (_PROC / "meminfo").read_text().splitlines())
    found = {name: int(value.split()[0]) for name, _, value in lines}
    used = {name: found.get(field, 0) for name, field in _MEMORY.items()}
    return used | {"swap_used": found.get("SwapTotal", 0) - found.get("SwapFree", 0)}


def _disk() -> dict[str, int]:
    """In bytes."""
    disk = os.statvfs("/")
    return {"used": (disk.f_blocks - disk.f_bfree) * disk.f_frsize, "available": disk.f_bavail * disk.f_frsize}
