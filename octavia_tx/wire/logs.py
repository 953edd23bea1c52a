"""What a controller tells an agent of one load balancer's access log: the bounds, and where it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import asdict, field, fields, frozen

# Where haproxy is told to write a listener's lines, each beginning with its level, C{<6>}. A pipe takes 4,096 bytes at
# once or not at all.
HAPROXY_TARGET: Final = "log stdout len 4000 format short local0 info"
INFO: Final = b"<6>"
TRANSPORTS: Final = ("udp", "tcp", "tls")
_LIMIT: Final = 1 << 20  # characters of whatever is a text


@frozen(kw_only=True)
class Store:
    """
    An object store, written to by OpenStack's API of it.

    @ivar url: what an object's name is appended to, up to and with a slash.
    @ivar query: a temporary URL's, without which C{keystone} says who we are.
    @ivar authorities: PEM of who vouches for its certificate, and keystone's; empty: whom the system trusts.
    """

    name: str
    url: str
    query: str = field(default="", repr=False)
    keystone: str = ""
    credential_id: str = ""
    credential_secret: str = field(default="", repr=False)
    authorities: str = field(default="", repr=False)


@frozen(kw_only=True)
class Syslog:
    """
    A receiver of syslog.

    @ivar transport: one of L{TRANSPORTS}.
    @ivar facility: its number.
    @ivar server: the name that its certificate must hold.
    @ivar authorities: PEM of who vouches for it; empty: whom the system trusts.
    @ivar certificate: PEM of our own with its key; empty: none.
    """

    name: str
    host: str
    port: int
    transport: str
    facility: int = 16
    server: str = ""
    authorities: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)


Target = Store | Syslog


@frozen(kw_only=True)
class LogTerms:
    """
    All of it.

    @ivar spool: bytes that may wait on the amphora's disk.
    @ivar rotate_bytes, rotate_after: a file is closed when it has so many, or is so many seconds old.
    @ivar farewell: seconds for which what is left is still shipped when the load balancer is gone.
    @ivar renew_at: when to ask for new terms, in seconds since 1970; C{None}: they hold for good.
    """

    targets: tuple[Target, ...]
    spool: int
    rotate_bytes: int
    rotate_after: float
    farewell: float
    renew_at: float | None = None


class BadTerms(ValueError):
    """These are no terms; the text says why."""


def encode(terms: LogTerms) -> bytes:
    """As JSON."""
    kinds = {Store: "swift", Syslog: "syslog"}
    targets = [{"kind": kinds[type(target)], **asdict(target)} for target in terms.targets]
    return json.dumps({**asdict(terms, recurse=False), "targets": targets}).encode()


def decode(text: bytes) -> LogTerms:
    """
    The terms that were L{encode}d.

    @raise BadTerms: none were.
    """
    try:
        given = json.loads(text)
        numbers = {name: _number(name, given[name]) for name in ("spool", "rotate_bytes", "rotate_after", "farewell")}
        renew_at = None if given.get("renew_at") is None else _number("renew_at", given["renew_at"])
        targets = tuple(_target(target) for target in given["targets"])
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise BadTerms(f"no terms of a log: {e if isinstance(e, BadTerms) else type(e).__name__}") from e
    if len({target.name for target in targets}) < len(targets):
        raise BadTerms("no terms of a log: two targets have one name")
    return LogTerms(targets=targets, renew_at=renew_at, **numbers)  # type: ignore[arg-type]


def _number(name: str, given: object) -> float | int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 2**53:
        raise BadTerms(f"{name} must be a number above 0")
    return given


def _target(given: Mapping[str, Any]) -> Target:
    kind: Any = {"swift": Store, "syslog": Syslog}[given["kind"]]
    types = {each.name: each.type for each in fields(kind)}
    values = {name: value for name, value in given.items() if name != "kind"}
    for name, value in values.items():
        wanted = int if types[name] == "int" else str
        if type(value) is not wanted or (isinstance(value, str) and len(value) > _LIMIT):
            raise BadTerms(f"{name} of a target must be a {'number' if wanted is int else 'text'}")
    made: Target = kind(**values)
    if isinstance(made, Syslog):
        _check_syslog(made)
    else:
        _check_url(f"{made.url}?{made.query}")
        if made.keystone:
            _check_url(made.keystone)
    return made


def _check_syslog(target: Syslog) -> None:
    if target.transport not in TRANSPORTS:
        raise BadTerms(f"transport must be one of {', '.join(TRANSPORTS)}")
    if not 0 < target.port < 65536 or not 0 <= target.facility < 24 or not target.host.isascii() or not target.host:
        raise BadTerms("host, port or facility can't be")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    plain = url.isascii() and url.isprintable() and not set(url) & set(' "#\\')
    if not plain or parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise BadTerms("a URL can't be")
