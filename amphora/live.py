"""
What of a new configuration haproxy can take up while it runs: servers that come, go, weigh differently or rest.

Two configurations are compared line by line. Where only C{server} lines differ, the difference is a list of commands.
Servers that go are only put to rest: haproxy forgets one when its last connection has ended (L{amphora.runtime}). One
that is to be what its runtime socket can't make of it, as a backup, is swapped for another of its name
(L{amphora.swaps}).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from sys import intern
from typing import Final

from attrs import evolve, frozen

_SECTION: Final = re.compile(
    r"(acme|backend|cache|crt-store|defaults|fcgi-app|frontend|global|http-errors|listen|log-forward|log-profile|mailers"
    r"|peers|program|resolvers|ring|traces|userlist)\b"
)
_BACKENDS: Final = frozenset({"backend", "listen"})
SWAPS: Final = 8  # at once; for more, a reload is the lesser disturbance
# A section of which clients are tied to one of its servers, and would be sent to another one while that is swapped.
_TIES: Final = re.compile(r"(stick|cookie|stick-table|balance (?!roundrobin|leastconn).*)\b")
_SUCCESS: Final = frozenset({"", "New server registered."})
Key = tuple[str, str]  # the names of a server's section and its own
# What a server added at run time would lack, or what can't be told of a line by its words.
_BEYOND: Final = re.compile(
    r"""^\s*(default-server|server-template|option external-check)\b|^\s*server\b.*["'\\$]""", re.MULTILINE
)


@frozen
class Server:
    """
    A C{server} line.

    @ivar options: but for its weight and whether it rests.
    """

    address: str
    options: tuple[str, ...]
    weight: str = "1"
    rests: bool = False

    def differs(self, other: Server) -> bool:
        """Whether one can't become the other while haproxy runs."""
        return (self.address, self.options) != (other.address, other.options)


def servers(text: str) -> Mapping[Key, Server]:
    """The servers of a configuration."""
    return _parsed(text)[0]


@frozen
class Swap:
    """
    A server that is to be another one under its name.

    @ivar rested: whether it got nothing before.
    @ivar orders: what makes the new one of it once the old one is forgotten.
    """

    key: Key
    rested: bool
    orders: tuple[str, ...]


@frozen
class Orders:
    """
    What to tell haproxy.

    @ivar first: so that servers come; only if all of that succeeds, the rest may be told.
    @ivar swaps: servers that are to be others under their names.
    @ivar then: so that others change, or go.
    """

    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    swaps: tuple[Swap, ...] = ()


def orders(now: str, wanted: str, leaving: Mapping[Key, Server]) -> Orders | None:
    """
    What makes a haproxy that runs one configuration serve by the other; C{None}: that needs a reload.

    @param leaving: servers that went, but which haproxy hasn't forgotten yet.
    """
    if _BEYOND.search(now) or _BEYOND.search(wanted):
        return None
    old, old_rest, ties = _parsed(now)
    new, new_rest, _ties = _parsed(wanted)
    if old_rest != new_rest:
        return None
    known = {**{key: evolve(server, rests=True) for key, server in leaving.items()}, **old}
    others = {key for key in new.keys() & known.keys() if known[key].differs(new[key])}
    if len(others) > SWAPS or any(section in ties for section, _name in others):
        return None
    added = [order for key in new.keys() - known.keys() for order in _added(key, new[key])]
    changed = [order for key in new.keys() & known.keys() - others for order in _changed(key, known[key], new[key])]
    swaps = tuple(Swap(key, known[key].rests, tuple(_added(key, new[key]))) for key in sorted(others))
    return Orders(tuple(added), (*changed, *map(rest, old.keys() - new.keys())), swaps)


def rest(key: Key) -> str:
    """The command that lets a server finish what it has, and get nothing more."""
    return f"set server {'/'.join(key)} state maint"


def ready(key: Key) -> str:
    """The command that lets a server get requests again."""
    return f"set server {'/'.join(key)} state ready"


def forget(key: Key, address: str, port: str) -> tuple[str, ...]:
    """
    The commands that remove a server, if nobody uses it any more.

    Connections that nobody uses, but haproxy keeps for later, would be in the way for a quarter of a minute. It closes
    them when the server moves, be it there and back. And resting is told again: an earlier agent may have ended before.
    """
    name = "/".join(key)
    moves = [f"set server {name} addr {address} port {each}" for each in ("1" if port != "1" else "2", port)]
    return (rest(key), *moves, f"del server {name}")


def succeeded(answer: str) -> bool:
    """Whether haproxy did all that it was told, by its answers to L{orders}."""
    return all(line in _SUCCESS for line in answer.splitlines())


@lru_cache(maxsize=2)  # what runs was what was wanted the time before
def _parsed(text: str) -> tuple[Mapping[Key, Server], list[str], frozenset[str]]:
    """The servers, all other lines that mean something, and the sections that tie clients to servers."""
    found: dict[Key, Server] = {}
    others: list[str] = []
    ties: set[str] = set()
    section = ""
    for line in _lines(text):
        words = line.split()
        if _SECTION.fullmatch(words[0]):
            section = words[1] if words[0] in _BACKENDS and len(words) > 1 else ""
        if words[0] == "server" and len(words) > 2 and section and (section, words[1]) not in found:
            found[section, words[1]] = _server(words[2], words[3:])
        else:
            others.append(" ".join(words))
            if _TIES.match(others[-1]):
                ties.add(section)
    return found, others, frozenset(ties)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _server(address: str, words: list[str]) -> Server:
    weight, rests, options = "1", False, []
    remaining = iter(words)
    for word in remaining:
        if word == "weight":
            weight = next(remaining, "")
        elif word == "disabled":
            rests = True
        else:
            options.append(intern(word))  # all servers of a pool have nearly the same
    return Server(address, tuple(options), weight, rests)


def _added(key: Key, server: Server) -> Iterator[str]:
    name = "/".join(key)
    yield " ".join(("add server", name, server.address, "weight", server.weight, *server.options))
    if "check" in server.options:
        yield f"enable health {name}"
    if not server.rests:
        yield f"enable server {name}"


def _changed(key: Key, old: Server, new: Server) -> Iterator[str]:
    name = "/".join(key)
    if old.weight != new.weight:
        yield f"set server {name} weight {new.weight}"
    if old.rests != new.rests:
        yield rest(key) if new.rests else ready(key)
