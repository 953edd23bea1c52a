"""The amphora's network: interfaces plugged where traffic flows, and who may reach them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from amphora import plugged, system
from amphora.firewall import rules, table
from amphora.links import Link
from amphora.namespace import CommandFailed, Namespace
from amphora.network_settings import NetworkSettings
from amphora.plugged import Plug
from amphora.plugging import InvalidPlug, refuse_unreachable
from amphora.plumbing import NoInterface, OwnInterface, Plumbing
from amphora.turns import Turns

VIP_INTERFACE: Final = "eth1"  # as keepalived's configuration, which controllers make, may know it
RETURN_LOOK: Final = 1.0  # seconds between looks for interfaces after a boot; each waits twice as long
RETURN_LIMIT: Final = 64.0


class AlreadyPlugged(Exception):
    """The VIP's interface is where traffic flows, and carries it."""


class NoSuchAddress(Exception):
    """No interface has this address."""


class VipFailed(Exception):
    """The VIP's interface is there, but couldn't be made as it shall be."""


class NetworkFailed(Exception):
    """The interface is there, but couldn't be made as it shall be."""


class Network(Service):
    """
    Plugs interfaces as controllers say. At its start it does so with all that was plugged before.

    @param directory: where it is written down.
    @ivar prefix: what goes before a program's path and arguments to have it run where traffic flows. The process is the
        program's own.
    @raise SystemExit: nothing can be run there.
    """

    log = Logger()

    def __init__(self, reactor: Any, settings: NetworkSettings, directory: Path) -> None:
        self.namespace = Namespace(settings.namespace)
        try:
            self.prefix = self.namespace.prefix
        except CommandFailed as e:
            raise SystemExit(f"The agent can't have its network namespace: {e}") from e
        self._reactor = reactor
        self._keepalived = settings.topology == "ACTIVE_STANDBY"
        self._directory = directory
        self._plumbing = Plumbing(reactor, self.namespace)
        self._turns = Turns("the network")
        self._plugged = plugged.Plugged()
        self._told = table({})  # what nftables were told
        self._whole: set[str] = set()  # MACs of interfaces that are as they shall be
        self._timer: IDelayedCall | None = None

    def privilegedStartService(self) -> None:
        """See to it that the namespace is there before anything is run in it."""
        try:
            self.namespace.make()
        except CommandFailed as e:
            raise SystemExit(f"The agent can't have its network namespace: {e}") from e

    def startService(self) -> None:
        """Plug again what was plugged before."""
        super().startService()  # type: ignore[no-untyped-call]
        self._plugged = plugged.read(self._directory)
        if self._plugged.plugs or self._plugged.rules:
            self._resume(RETURN_LOOK)

    def stopService(self) -> Deferred[None]:
        """Finish what is being done. Interfaces stay as they are."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

        async def nothing() -> None:
            pass

        return self._turns.take(nothing)

    async def plug_vip(self, mac: str, vip: str, body: Mapping[str, Any], reached: str) -> str:
        """
        Plug the interface of the VIP.

        @param reached: the agent's address that the controller uses.
        @return: its name.
        @raise InvalidPlug: there can't be such a one.
        @raise NoInterface: it isn't there yet.
        @raise AlreadyPlugged: it carries its VIP.
        @raise OwnInterface: see there.
        @raise VipFailed: something of it can't be.
        """
        Plug(mac=mac, name="", vip=vip, body=body).wanted(self._keepalived)
        refuse_unreachable(vip, body)

        async def plug() -> str:
            if mac in self._whole and await self._plumbing.find(mac):
                raise AlreadyPlugged(mac)
            try:
                name = await self._plumbing.name(mac, VIP_INTERFACE, reached)
                if body.get("is_sriov") and name not in self._plugged.rules:
                    # No security group is before such an interface.
                    await self._go_by(self._plugged.with_rules(name, []))
                return await self._plug(Plug(mac=mac, name=self._kept(name), vip=vip, body=body))
            except CommandFailed as e:
                raise VipFailed(str(e)) from e

        return await self._turns.take(plug)

    async def plug_network(self, mac: str, body: Mapping[str, Any], reached: str) -> tuple[str, bool]:
        """
        Plug the interface of a network of members, or bring it to other addresses.

        @param body: C{vip_net_info} where the interface is the VIP's: what is said of that anew.
        @return: its name, and whether it was plugged before.
        @raise InvalidPlug: there can't be such a one.
        @raise NoInterface: it isn't there yet.
        @raise OwnInterface: see there.
        @raise NetworkFailed: something of it can't be.
        """
        Plug(mac=mac, name="", vip=None, body=body).wanted(self._keepalived)

        async def plug() -> tuple[str, bool]:
            before = self._plugged.plugs.get(mac)
            try:
                if before is not None:
                    return await self._plug(_again(before, body)), True
                name = await self._plumbing.name(mac, None, reached)
                return await self._plug(Plug(mac=mac, name=self._kept(name), vip=None, body=body)), False
            except CommandFailed as e:
                raise NetworkFailed(str(e)) from e

        return await self._turns.take(plug)

    async def interface(self, address: str) -> str:
        """
        The name of the interface that has an address.

        @raise NoSuchAddress: none has.
        """
        return (await self._with_address(address)).name

    async def protect(self, address: str, given: list[Any], reached: str) -> None:
        """
        Let only these reach the interface that has an address.

        @raise NoSuchAddress: none has.
        @raise InvalidRules: these can't be.
        @raise OwnInterface: see there.
        @raise CommandFailed: nftables can't do it; those before hold.
        """
        rules(given)

        async def protect() -> None:
            link = await self._with_address(address)
            if self.namespace.name is None and link.has(reached):
                raise OwnInterface(f"The agent is reached by {link.name}.")
            await self._go_by(self._plugged.with_rules(link.name, given))

        await self._turns.take(protect)

    async def traffic(self) -> dict[str, dict[str, int]]:
        """What the interfaces sent and received."""
        if self.namespace.name is None:
            return system.networks()
        return system.networks(await self.namespace.run(self._reactor, ("cat", "/proc/net/dev")))

    def _resume(self, delay: float) -> None:
        self._timer = None
        resuming = self._turns.take(self._restore)

        def look_again(whole: bool) -> None:
            if not whole and self.running and delay <= RETURN_LIMIT:
                self._timer = self._reactor.callLater(delay, self._resume, delay * 2)
            elif not whole:
                self.log.error("the network isn't all that it was before; no more is waited for")

        resuming.addCallback(look_again)
        resuming.addErrback(lambda f: self.log.failure("the network can't be plugged again", f))

    async def _restore(self) -> bool:
        """Whether all is as it was."""
        try:
            await self._go_by(self._plugged)
        except CommandFailed as e:
            self.log.error("nothing is plugged that can't be protected: {e}", e=e)
            return False
        for plug in tuple(self._plugged.plugs.values()):
            if plug.mac in self._whole:
                continue
            try:
                await self._plug(plug)
            except NoInterface:
                self.log.info("interface {mac} isn't there yet", mac=plug.mac)
            except (CommandFailed, InvalidPlug, OSError) as e:
                self.log.error("interface {mac} can't be plugged again: {e}", mac=plug.mac, e=e)
        return self._plugged.plugs.keys() <= self._whole

    def _kept(self, name: str) -> str:
        """The name to remember: where nothing is moved, the machine may give other ones at its next boot."""
        return name if self.namespace.name else ""

    async def _plug(self, plug: Plug) -> str:
        """Write it down, have the interface where traffic flows, and make it as it shall be."""
        wanted = plug.wanted(self._keepalived)
        self._whole.discard(plug.mac)
        await self._go_by(self._plugged.with_plug(plug))
        link = await self._plumbing.bring(plug.mac, plug.name, wanted)
        self._whole.add(plug.mac)
        self.log.info("{name} ({mac}): {addresses}", name=link.name, mac=plug.mac, addresses=list(wanted.addresses))
        return link.name

    async def _go_by(self, wanted: plugged.Plugged) -> None:
        """Write it down once nftables hold to it."""
        protected = {name: rules(given) for name, given in wanted.rules.items()}
        told = table(protected, [plug.name for plug in wanted.plugs.values() if plug.name])
        if told != self._told:
            await self.namespace.run(self._reactor, ("nft", "-j", "-f", "-"), json.dumps(told).encode())
            self._told = told
        if wanted != self._plugged:
            plugged.write(self._directory, wanted)
            self._plugged = wanted

    async def _with_address(self, address: str) -> Link:
        link = await self._plumbing.with_address(address)
        if link is None:
            raise NoSuchAddress(address)
        return link


def _again(before: Plug, body: Mapping[str, Any]) -> Plug:
    """The same interface, with other addresses. The VIP's stays the VIP's."""
    if before.vip is None:
        return evolve(before, body=body)
    anew = body.get("vip_net_info")
    news = {name: body[name] for name in ("fixed_ips", "mtu") if name in body}
    if not isinstance(anew, Mapping):
        return evolve(before, body={**before.body, **news})
    # Controllers don't name them here.
    more = {"additional_vips": anew.get("additional_vips") or before.body.get("additional_vips")}
    again = evolve(before, vip=anew.get("vip", before.vip), body={**anew, **more, **news})
    refuse_unreachable(again.vip, again.body)
    return again
