"""Interfaces moved to where traffic flows and made as they shall be: the effects beneath the network."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger

from amphora import links
from amphora.links import Link, Present
from amphora.namespace import CommandFailed, Namespace
from amphora.plugging import Route, Wanted

FIRST: Final = 2  # the first number in the name of a network's interface
ROUNDS: Final = 4  # looks at an interface until it must be as it shall be
_OUTSIDE: Final = Namespace()
_RESCAN: Final = Path("/sys/bus/pci/rescan")


class NoInterface(Exception):
    """There's no interface with this MAC address yet."""

    def __init__(self) -> None:
        super().__init__("No suitable network interface found")


class OwnInterface(Exception):
    """The agent is reached by this interface itself, and would be so no more."""


class Plumbing:
    """
    The interfaces of this machine, which come into a namespace.

    @param namespace: may be the agent's own; interfaces are where they shall be then, and keep their names.
    """

    log = Logger()

    def __init__(self, reactor: Any, namespace: Namespace) -> None:
        self._reactor = reactor
        self._namespace = namespace

    async def find(self, mac: str) -> Link | None:
        """The interface with this MAC address, if it is in the namespace."""
        return await self._find(self._namespace, mac)

    async def with_address(self, address: str) -> Link | None:
        """The interface of the namespace that has an address."""
        return next((link for link in await self._links(self._namespace) if link.has(address)), None)

    async def name(self, mac: str, preferred: str | None, reached: str) -> str:
        """
        The name that an interface has in the namespace, or will have there.

        @param preferred: C{None}: the first that is free.
        @param reached: the agent's address that the controller uses.
        @raise NoInterface: it isn't there yet.
        @raise OwnInterface: see there.
        @raise CommandFailed: another interface has the name already.
        """
        here = await self.find(mac)
        there = here or await self._find(_OUTSIDE, mac)
        if there is None:
            await self._rescan()
            raise NoInterface
        if (here is None or self._namespace.name is None) and there.has(reached):
            raise OwnInterface(f"The agent is reached by {there.name}.")
        if here is not None:
            return here.name
        taken = {link.name for link in await self._links(self._namespace)}
        if preferred in taken:
            raise CommandFailed(f"There's another interface {preferred} already.")
        return preferred or next(name for name in (f"eth{n}" for n in count(FIRST)) if name not in taken)

    async def bring(self, mac: str, name: str, wanted: Wanted) -> Link:
        """
        Have an interface in the namespace, as it shall be.

        @param name: that it gets where it is moved.
        @raise NoInterface: it isn't there.
        @raise CommandFailed: it doesn't become so.
        """
        if await self.find(mac) is None:
            found = await self._find(_OUTSIDE, mac)
            if found is None or self._namespace.name is None:
                raise NoInterface
            where = ("netns", self._namespace.name, "name", name)
            await _OUTSIDE.ip(self._reactor, "link", "set", "dev", found.name, *where)
        return await self._settle(mac, wanted)

    async def _settle(self, mac: str, wanted: Wanted) -> Link:
        failed: set[links.Step] = set()
        before: Link | None = None
        for _ in range(ROUNDS):
            present = await self._present(mac, wanted)
            before = before or present.link
            left = links.steps(wanted, present)
            if failed.issuperset(left):
                if present.link.addresses - before.addresses:
                    await self._do(links.announcement(present.link))
                return present.link
            failed = {step for step in left if not await self._do(step)}
        raise CommandFailed(f"{present.link.name} doesn't become as it shall be: {left[0].arguments}")

    async def _do(self, step: links.Step) -> bool:
        """
        Whether it could be done.

        @raise CommandFailed: it couldn't, and the interface is of no use without.
        """
        try:
            await self._namespace.ip(self._reactor, *step.arguments)
        except CommandFailed as e:
            if not step.may_fail:
                raise
            self.log.warn("{e}", e=e)
            return False
        return True

    async def _present(self, mac: str, wanted: Wanted) -> Present:
        link = await self.find(mac)
        if link is None:
            raise NoInterface
        ours = ("table", "all", "proto", links.PROTOCOL, "dev", link.name)
        routes: set[Route] = set()
        sources: set[str] = set()
        for version in (4, 6):
            said = await self._namespace.ip(self._reactor, "-j", f"-{version}", "route", "show", *ours)
            routes |= links.routes(said, version)
            if wanted.sources is not None:
                sources |= links.sources(await self._namespace.ip(self._reactor, "-j", f"-{version}", "rule", "show"))
        return Present(link, frozenset(routes), frozenset(sources))

    async def _links(self, where: Namespace) -> tuple[Link, ...]:
        return links.links(await where.ip(self._reactor, "-j", "address", "show"))

    async def _find(self, where: Namespace, mac: str) -> Link | None:
        return next((link for link in await self._links(where) if link.mac == mac), None)

    async def _rescan(self) -> None:
        """Some machines don't hear by themselves of an interface that came while they run."""
        if _RESCAN.exists():
            try:
                await _OUTSIDE.run(self._reactor, ("tee", str(_RESCAN)), b"1\n")
            except CommandFailed as e:
                self.log.info("{e}", e=e)
