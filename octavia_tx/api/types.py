"""
What a field of a request may hold: one small type for each kind of value.

A type turns a value out of JSON into the model's, or raises an error that names the field, what was given and what is
accepted. Grammars are strict where a string may reach haproxy's configuration: no quote, space, backslash, C{#} or
C{$} passes.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface
from typing import Any, Protocol
from uuid import UUID

from attrs import field, frozen

from octavia_tx.errors import InvalidInput
from octavia_tx.model.addresses import unmapped

LONGEST_LIST = 10_000
_LAYOUT = str.maketrans("\t\n\r", "   ")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class Type(Protocol):
    """
    One kind of value.

    @ivar accepted: what is accepted, for a person: "an integer from 1 to 65535".
    """

    @property
    def accepted(self) -> str: ...

    def decode(self, given: Any, where: str) -> Any:
        """
        The model's value.

        @param where: the field's full name, as in C{listener.protocol_port}.
        @raise InvalidInput: it isn't acceptable.
        """


def canonical_uuid(given: str) -> str | None:
    """A UUID in its usual spelling, or C{None} for what isn't one."""
    return str(UUID(given)) if _UUID.fullmatch(given) else None


@frozen
class Text:
    """
    Printable text: no control characters, and only what UTF-8 can carry.

    @ivar lines: whether it may have several, and tabs in them. Never for what haproxy may read.
    """

    longest: int = 255
    lines: bool = False

    @property
    def accepted(self) -> str:
        but = " but tabs and ends of lines" if self.lines else ""
        return f"a string of at most {self.longest} characters, without control characters{but}"

    def decode(self, given: Any, where: str) -> str:
        if isinstance(given, str) and len(given) <= self.longest:
            written = given.translate(_LAYOUT) if self.lines else given
            if not _UNPRINTABLE.search(written):
                return given
        raise InvalidInput(where, given, self.accepted)


PROJECT_ID = Text(36)
"""Keystone's, in whatever form."""


@frozen
class Grammar:
    """A string that matches a pattern as a whole."""

    accepted: str
    pattern: str
    longest: int = 255
    _compiled: re.Pattern[str] = field(init=False)

    @_compiled.default
    def _compile(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def decode(self, given: Any, where: str) -> str:
        if not isinstance(given, str) or len(given) > self.longest or not self._compiled.fullmatch(given):
            raise InvalidInput(where, given, self.accepted)
        return given


@frozen
class Uuid:
    """An object's id."""

    accepted: str = "a UUID"

    def decode(self, given: Any, where: str) -> str:
        identifier = canonical_uuid(given) if isinstance(given, str) else None
        if identifier is None:
            raise InvalidInput(where, given, self.accepted)
        return identifier


@frozen
class Flag:
    """A truth value; numbers and strings aren't."""

    accepted: str = "true or false"

    def decode(self, given: Any, where: str) -> bool:
        if not isinstance(given, bool):
            raise InvalidInput(where, given, self.accepted)
        return given


@frozen
class Integer:
    """
    A whole number within bounds, both included. Its decimal spelling is accepted too: the C{openstack} client sends
    some numbers as it was given them.
    """

    lowest: int
    highest: int = 2**31 - 1

    @property
    def accepted(self) -> str:
        return f"an integer from {self.lowest} to {self.highest}"

    def decode(self, given: Any, where: str) -> int:
        if isinstance(given, str) and _INTEGER.fullmatch(given):
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or not self.lowest <= given <= self.highest:
            raise InvalidInput(where, given, self.accepted)
        return given


@frozen
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def accepted(self) -> str:
        return f"one of {', '.join(self.words)}"

    def decode(self, given: Any, where: str) -> str:
        if not isinstance(given, str) or given not in self.words:
            raise InvalidInput(where, given, self.accepted)
        return given


@frozen
class OneOfNumbers:
    """One of a few whole numbers."""

    numbers: tuple[int, ...]

    @property
    def accepted(self) -> str:
        return f"one of {', '.join(map(str, self.numbers))}"

    def decode(self, given: Any, where: str) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or given not in self.numbers:
            raise InvalidInput(where, given, self.accepted)
        return given


@frozen
class HttpVersion:
    """HTTP's version, as a number or its spelling."""

    accepted: str = "1.0 or 1.1"

    def decode(self, given: Any, where: str) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float | str) or given not in (1, 1.1, "1.0", "1.1"):
            raise InvalidInput(where, given, self.accepted)
        return float(given)


@frozen
class Address:
    """
    An IP address of one host; C{0.0.0.0} and C{::} aren't.

    To haproxy the unspecified address means "whatever address the client came to", which is the amphora itself.
    """

    accepted: str = "an IPv4 or IPv6 address of one host"

    def decode(self, given: Any, where: str) -> str:
        try:
            address = ip_address(given if isinstance(given, str) else "")
        except ValueError:
            raise InvalidInput(where, given, self.accepted) from None
        if unmapped(str(address)).is_unspecified or getattr(address, "scope_id", None):
            raise InvalidInput(where, given, self.accepted)
        return str(address)


@frozen
class Netmask:
    """Any address, of which netmasks are those that persistence by source address makes sense with."""

    accepted: str = "an IP address such as the netmask 255.255.255.0 or ffff:ffff::"

    def decode(self, given: Any, where: str) -> str:
        try:
            mask = ip_address(given if isinstance(given, str) else "")
        except ValueError:
            raise InvalidInput(where, given, self.accepted) from None
        if getattr(mask, "scope_id", None):
            raise InvalidInput(where, given, self.accepted)
        return str(mask)


@frozen
class Cidr:
    """A range of addresses; a single address is the range that holds it alone."""

    accepted: str = "a range of addresses such as 192.0.2.0/24 or 2001:db8::/32"

    def decode(self, given: Any, where: str) -> str:
        try:
            interface = ip_interface(given if isinstance(given, str) else "")
        except ValueError:
            raise InvalidInput(where, given, self.accepted) from None
        if getattr(interface, "scope_id", None):
            raise InvalidInput(where, given, self.accepted)
        return interface.with_prefixlen


@frozen
class ListOf:
    """
    A list, each item of one type.

    @ivar most: how many items it may have.
    """

    item: Type
    distinct: bool = False
    most: int = LONGEST_LIST

    @property
    def accepted(self) -> str:
        twice = ", none twice" if self.distinct else ""
        return f"a list of at most {self.most}, each {self.item.accepted}{twice}"

    def decode(self, given: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(given, list):
            raise InvalidInput(where, given, self.accepted)
        if len(given) > self.most:
            raise InvalidInput(where, f"{len(given)} items", self.accepted)
        items = tuple(self.item.decode(item, f"{where}[{at}]") for at, item in enumerate(given))
        if self.distinct and len(set(items)) < len(items):
            raise InvalidInput(where, given, self.accepted)
        return items


@frozen
class Switches:
    """A map of known names to C{"true"} or C{"false"}."""

    names: tuple[str, ...]

    @property
    def accepted(self) -> str:
        return f'an object with "true" or "false" for any of {", ".join(self.names)}'

    def decode(self, given: Any, where: str) -> dict[str, str]:
        if not isinstance(given, dict):
            raise InvalidInput(where, given, self.accepted)
        for name, value in given.items():
            if name not in self.names or value not in ("true", "false"):
                raise InvalidInput(where, {name: value}, self.accepted)
        return dict(given)


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"

HOST_NAME = Grammar("a host name of at most 255 characters", rf"{_LABEL}(?:\.{_LABEL})*")
URL_PATH = Grammar(
    "a path that starts with '/'; letters, digits and -._~!&()*+,;=:@/? as they are, others percent-encoded",
    r"/(?:[A-Za-z0-9\-._~!&()*+,;=:@/?]|%[0-9A-Fa-f]{2})*",
)
URL = Grammar(
    "a URL such as https://example.com/path, with http, https or ftp",
    r"(?:https?|ftp)://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#](?:[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=]|%[0-9A-Fa-f]{2})*)?",
)
EXPECTED_CODES = Grammar(
    "HTTP status codes as 200, 200,201 or 200-204", r"[1-5]\d\d(?:, ?[1-5]\d\d)*|[1-5]\d\d-[1-5]\d\d"
)
COOKIE_NAME = Grammar("visible ASCII characters but , ; and backslash", r"[!-+\--:<-\[\]-~]+")
"""Whatever a provider may take; haproxy has a grammar of its own."""
CIPHERS = Grammar("names of ciphers in OpenSSL's syntax", r"[A-Za-z0-9:_\-+!=@.]*", 2048)
