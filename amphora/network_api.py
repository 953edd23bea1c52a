"""The agent's REST for the amphora's network, as controllers call it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any

from twisted.web.iweb import IRequest

from amphora import plugging
from amphora.answers import Malformed, answer, logged, said
from amphora.network import Network
from amphora.routing import Route


class NetworkApi:
    """What controllers may ask of this amphora's interfaces."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        return (
            ("POST", "/1.0/plug/vip/<vip>", self.plug_vip),
            ("POST", "/1.0/plug/network", self.plug_network),
            ("GET", "/1.0/interface/<address>", self.interface),
            ("PUT", "/1.0/interface/<address>/rules", self.protect),
        )

    async def plug_vip(self, request: IRequest, vip: str) -> bytes:
        """Plug the interface of the VIP."""
        body, mac = _plug(request, "subnet", "subnet_cidr", "gateway", "mac_address")
        name = await logged(request, self._network.plug_vip(mac, vip, body, _reached(request)))
        more = [each["ip_address"] for each in body.get("additional_vips") or ()]
        return answer(request, 202, said("OK", f"VIPs plugged on interface {name}: {', '.join((vip, *more))}"))

    async def plug_network(self, request: IRequest) -> bytes:
        """Plug the interface of a network of members, or bring it to other addresses."""
        body, mac = _plug(request, "port", "mac_address")
        name, before = await logged(request, self._network.plug_network(mac, body, _reached(request)))
        return answer(
            request, 202, said("OK", f"Updated existing interface {name}" if before else f"Plugged on interface {name}")
        )

    async def interface(self, request: IRequest, address: str) -> bytes:
        """Which interface has an address."""
        try:
            found = _address(address)
        except ValueError as e:
            return answer(request, 400, said("Invalid IP address", str(e)))
        return answer(request, 200, {"message": "OK", "interface": await self._network.interface(found)})

    async def protect(self, request: IRequest, address: str) -> bytes:
        """Let only these reach the interface that has an address."""
        try:
            found = _address(address)
        except ValueError as e:
            return answer(request, 400, said("Invalid IP address", str(e)))
        try:
            await logged(request, self._network.protect(found, _body(request), _reached(request)))
        except ValueError as e:
            raise Malformed(f"Invalid rules information: {e}") from e
        return answer(request, 200, {"message": "OK"})


def _plug(request: IRequest, what: str, *names: str) -> tuple[dict[str, Any], str]:
    """A body with at least these names, and the MAC address in it."""
    try:
        body = _body(request)
        if not isinstance(body, dict) or any(name not in body for name in names):
            raise ValueError(f"must be an object with {', '.join(names)}.")
        return body, plugging.mac(body["mac_address"])
    except ValueError as e:
        raise Malformed(f"Invalid {what} information: {e}") from e


def _body(request: IRequest) -> Any:
    try:
        return json.loads(request.content.read())
    except RecursionError as e:
        raise ValueError("too deep.") from e


def _address(text: str) -> str:
    if "%" in text:
        raise ValueError(f"{text!r} isn't an IP address.")
    return str(ip_address(text))


def _reached(request: IRequest) -> str:
    """The agent's address that the controller uses."""
    address = ip_address(request.getHost().host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
