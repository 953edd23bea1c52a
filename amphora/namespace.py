"""The network namespace where traffic flows, and programs that run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger

_NAMESPACES: Final = Path("/run/netns")
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
# What a new namespace isn't by itself.
SYSCTLS: Final = (
    # haproxy may bind a VIP that isn't there yet, or is at the other of a pair now.
    "net.ipv4.ip_nonlocal_bind=1",
    "net.ipv6.ip_nonlocal_bind=1",
    # An address that goes takes no other with it.
    "net.ipv4.conf.all.promote_secondaries=1",
    # Neighbours hear of it when addresses come to this machine.
    "net.ipv4.conf.default.arp_notify=1",
    "net.ipv6.conf.default.ndisc_notify=1",
    # Controllers say which addresses there are, and nobody else.
    "net.ipv6.conf.default.accept_ra=0",
    "net.ipv6.conf.default.autoconf=0",
    # What leaves by an interface has an address of that interface.
    "net.ipv6.conf.default.use_oif_addrs_only=1",
    # Where somebody drops the ICMP that path MTU discovery lives by.
    "net.ipv4.tcp_mtu_probing=1",
    # What members answer to LVS goes on to users; our nftables let nothing else through.
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    # Only where the kernel has LVS: members don't see users' addresses, and those that are gone get nothing more.
    "net.ipv4.vs.conntrack=1",
    "net.ipv4.vs.expire_nodest_conn=1",
    "net.ipv4.vs.expire_quiescent_template=1",
)
# What the image says of all namespaces, and what keepalived needs for some of ours.
_BEFORE: Final = (("modprobe", "ip_vs"), ("sysctl", "-q", "-e", "--system", "-r", r"^net\."))
_TUNE: Final[tuple[str, ...]] = ("sysctl", "-q", "-e", "-w", *SYSCTLS)
_log = Logger()


class CommandFailed(Exception):
    """A program that the agent runs didn't do what it should; says what it said."""


def program(name: str) -> str:
    """
    The whole path of a program that every amphora has.

    @raise CommandFailed: this one hasn't.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if found is None:
        raise CommandFailed(f"There's no program {name!r} on this machine.")
    return found


@frozen
class Namespace:
    """
    A network namespace.

    @ivar name: C{None} for the agent's own.
    """

    name: str | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """
        What goes before the path of a program, and its arguments, to have it run here. It keeps the process's id.

        @raise CommandFailed: there's no such program as C{ip}.
        """
        return (program("ip"), "netns", "exec", self.name) if self.name else ()

    async def run(self, reactor: Any, command: Sequence[str], said: bytes | None = None) -> str:
        """
        Run a program here to its end.

        @param command: its name and arguments.
        @param said: what it reads from its standard input.
        @return: what it wrote.
        @raise CommandFailed: it ended badly.
        """
        path, *arguments = self.prefix + (program(command[0]), *command[1:])  # noqa: RUF005 - mypy follows this
        out, err, code = await getProcessOutputAndValue(path, arguments, dict(os.environ), None, reactor, said)
        if code != 0:
            raise CommandFailed(f"{' '.join(command)}: {(err + out).decode(errors='replace').strip()}")
        return str(out.decode(errors="replace"))

    async def ip(self, reactor: Any, *arguments: str) -> str:
        """
        Have C{ip} do something here. Tables, scopes and protocols are numbers.

        @raise CommandFailed: it can't.
        """
        here = ("-n", self.name) if self.name else ()
        return await Namespace().run(reactor, ("ip", *here, "-N", *arguments))

    def make(self) -> None:
        """
        See to it that it exists, before the reactor runs. There already: all the same.

        @raise CommandFailed: it can't be made.
        """
        if self.name is None:
            return
        tuning = [_TUNE]
        place = _NAMESPACES / self.name
        if not place.exists() or place.stat().st_dev == _NAMESPACES.stat().st_dev:
            # Perhaps there's a file still that stood for one, where somebody was killed who made it.
            place.unlink(missing_ok=True)
            _do((program("ip"), "netns", "add", self.name))
            tuning = [*_BEFORE, _TUNE]
        _do((program("ip"), "-n", self.name, "link", "set", "dev", "lo", "up"))
        for words in tuning:
            try:
                _do((*self.prefix, program(words[0]), *words[1:]))
            except CommandFailed as e:
                _log.info("namespace {name}: {e}", name=self.name, e=e)


def _do(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CommandFailed(f"{' '.join(command)}: {e}") from e
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
