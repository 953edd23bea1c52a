"""Where daemons listen: C{tcp:9876:interface=127.0.0.1}, C{udp:5555}, C{tcp:9876:interface=[::1]}."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address

from attrs import frozen

_FORM = re.compile(r"(tcp|udp):(\d{1,5})(?::interface=(\S+))?", re.ASCII)


@frozen
class Listen:
    """
    One socket to listen on.

    @ivar kind: C{tcp} or C{udp}.
    @ivar port: 0 for any free one.
    @ivar interface: an IPv4 or IPv6 address; empty for all.
    """

    kind: str
    port: int
    interface: str = ""

    @classmethod
    def parse(cls, text: str) -> Listen:
        """
        Read the form of Twisted's endpoint descriptions; an IPv6 address stands in brackets or with escaped colons.

        @raise ValueError: saying what is accepted.
        """
        match = _FORM.fullmatch(text)
        accepted = (
            f"{text!r} isn't a place to listen. Accepted: tcp:PORT or udp:PORT, with or without :interface=ADDRESS"
        )
        if match is None or int(match[2]) > 65535:
            raise ValueError(accepted)
        interface = (match[3] or "").replace("\\:", ":").strip("[]")
        try:
            return cls(match[1], int(match[2]), str(ip_address(interface)) if interface else "")
        except ValueError:
            raise ValueError(accepted) from None

    @property
    def family(self) -> socket.AddressFamily:
        """Of the socket's address."""
        return socket.AF_INET6 if ":" in self.interface else socket.AF_INET

    def reachable(self, port: int) -> str:
        """C{address:port} by which a process on this host reaches the socket, given the port it really got."""
        address = self.interface or "127.0.0.1"
        if ip_address(address).is_unspecified:
            address = "::1" if ":" in address else "127.0.0.1"
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
