"""
haproxy's configuration split into its words, by the rules of haproxy's manual, section 2.2.

It knows nothing of how we write, so that a test can tell by it what haproxy reads. C{haproxy -dC} says the same; see
C{tests/integration/test_haproxy_reading.py}.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import Factory, define

SECTIONS: Final = frozenset({"global", "defaults", "peers", "frontend", "backend", "listen", "userlist", "resolvers"})

_SPACES: Final = b" \t\r\v\f"
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"} | {c: c for c in (b" ", b"\\", b"#", b'"', b"'")}


class Misread(AssertionError):
    """A configuration holds what nobody meant."""


def split(line: str) -> tuple[str, ...]:
    """
    The words of one line.

    @raise Misread: haproxy would refuse it, or put a variable's value into it, which nothing of ours asks for.
    """
    rest, word, found, quote = line.encode(), b"", [], b""
    begun = False
    while rest:
        char, rest = rest[:1], rest[1:]
        if char in (b"'", b'"') and quote in (b"", char):
            quote, begun = (b"" if quote else char), True
        elif char == b"\\" and quote != b"'":
            made, rest = _escape(rest, quote)
            word, begun = word + made, True
        elif char == b"$" and quote == b'"':
            raise Misread(f"a variable in {line!r}")
        elif not quote and char == b"#":
            break
        elif not quote and char in _SPACES:
            found, word, begun = ([*found, word] if begun else found), b"", False
        else:
            word, begun = word + char, True
    if quote:
        raise Misread(f"a quote without an end in {line!r}")
    # At the end, and only there, haproxy sees no word in quotes that hold nothing.
    return tuple(each.decode() for each in ([*found, word] if word else found))


def _escape(rest: bytes, quote: bytes) -> tuple[bytes, bytes]:
    """What a backslash makes of what follows it, and what follows that."""
    following = rest[:1]
    if following in _ESCAPED:
        return _ESCAPED[following], rest[1:]
    if following == b"$" and quote:
        return b"$", rest[1:]
    if following == b"x":
        if not re.match(rb"[0-9A-Fa-f]{2}", rest[1:3]):
            raise Misread(f"no number of a byte in {rest!r}")
        return bytes.fromhex(rest[1:3].decode()), rest[3:]
    return b"\\", rest


@define
class Section:
    """
    A section's directives, each a line's words, in their order.

    What was understood is taken out; so that what is left at the end is what nobody understood.
    """

    kind: str
    name: tuple[str, ...]
    directives: list[tuple[str, ...]] = Factory(list)

    def take(self, first: str) -> list[tuple[str, ...]]:
        """Take out all that begin with these words, and tell how each goes on."""
        begin = tuple(first.split(" "))
        taken = [words[len(begin) :] for words in self.directives if words[: len(begin)] == begin]
        self.directives = [words for words in self.directives if words[: len(begin)] != begin]
        return taken

    def one(self, first: str) -> tuple[str, ...] | None:
        """How the one directive goes on that begins with these words, if there is any."""
        taken = self.take(first)
        if len(taken) > 1:
            raise Misread(f"{first} is there {len(taken)} times")
        return taken[0] if taken else None

    def word(self, first: str) -> str | None:
        """The only word behind these, in the one directive that begins with them, if there is any."""
        rest = self.one(first)
        if rest is None:
            return None
        if len(rest) != 1:
            raise Misread(f"{first} is followed by {rest}")
        return rest[0]

    def has(self, words: str) -> bool:
        """Take out this directive, and tell whether it was there, once and with nothing more."""
        rest = self.one(words)
        if rest:
            raise Misread(f"{words} is followed by {rest}")
        return rest is not None

    def nothing_left(self) -> None:
        """Whether all was understood."""
        if self.directives:
            raise Misread(f"{self.kind} {self.name} also says {self.directives}")


def sections(text: str) -> list[Section]:
    """The sections of a configuration."""
    found: list[Section] = []
    for words in filter(None, map(split, text.split("\n"))):
        if words[0] in SECTIONS:
            found.append(Section(words[0], words[1:]))
        elif found:
            found[-1].directives.append(words)
        else:
            raise Misread(f"{words} is in no section")
    return found
