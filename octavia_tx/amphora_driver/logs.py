"""Which load balancers' accesses are logged, in which format, and on which terms their agents ship that."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import unquote, urlencode, urlsplit
from zlib import crc32

from attrs import evolve, field, frozen
from twisted.logger import Logger

from octavia_tx.model.flavor import LOG_FORMAT, LOG_TARGETS, LOGS, Terms
from octavia_tx.model.log_format import DEFAULT
from octavia_tx.model.tree import Tree
from octavia_tx.wire.logs import LogTerms, Store, Syslog, Target

_SAME: Final = 0.125  # of its validity, for which a temporary URL stays the same
_log = Logger()


@frozen(kw_only=True)
class Signing:
    """
    A store that is written to by temporary URLs of ours.

    One holds at least for C{validity}, and is the same for a while, so that not every push brings another; when it
    changes differs from one prefix to the next.

    @ivar store: with a URL in a container, whose path is C{container}.
    @ivar key: by which they are signed.
    @ivar validity: seconds.
    """

    store: Store
    container: str
    key: str = field(repr=False)
    validity: float

    def expires(self, prefix: str, now: float) -> int:
        """When the URL for a prefix expires that is made now, in seconds since 1970."""
        period = max(1, int(self.validity * _SAME))
        phase = crc32(prefix.encode()) % period
        return -(-(int(now + self.validity) + 1 - phase) // period) * period + phase

    def for_prefix(self, prefix: str, now: float) -> Store:
        """The store, where a URL with this prefix may be PUT, and nothing else."""
        url = f"{self.store.url}{prefix}"
        path = urlsplit(url).path
        expires = self.expires(prefix, now)
        said = f"PUT\n{expires}\nprefix:{unquote(path)}"  # as the store sees it
        signature = hmac.new(self.key.encode(), said.encode(), sha256).hexdigest()
        within = path.removeprefix(f"{self.container}/")
        query = urlencode({"temp_url_sig": signature, "temp_url_expires": expires, "temp_url_prefix": unquote(within)})
        return evolve(self.store, url=url, query=query)


Destination = Syslog | Store | Signing


@frozen(kw_only=True)
class Logging:
    """
    What the operator says of access logs.

    @ivar enabled: whether load balancers are logged whose flavor doesn't say.
    @ivar format: where the flavor names none; C{targets}: as well; empty: all.
    @ivar destinations: all targets, by name.
    @ivar spool, rotate_bytes, rotate_after, farewell: see L{LogTerms}.
    @ivar now: the time, in seconds since 1970.
    """

    enabled: bool = False
    format: str = DEFAULT
    targets: tuple[str, ...] = ()
    destinations: Mapping[str, Destination] = field(factory=dict)
    spool: int = 64 << 20
    rotate_bytes: int = 4 << 20
    rotate_after: float = 300.0
    farewell: float = 30.0
    now: Callable[[], float]

    def is_on(self, terms: Terms) -> bool:
        """Whether a load balancer of this flavor is logged anywhere."""
        return bool(self._names(terms))

    def format_of(self, tree: Tree) -> str | None:
        """The format of a load balancer's lines; C{None}: it isn't logged."""
        return str(tree.terms.flavor.get(LOG_FORMAT, self.format)) if self.is_on(tree.terms) else None

    def terms(self, tree: Tree) -> LogTerms | None:
        """What its agents are told; C{None}: it isn't logged."""
        names = self._names(tree.terms)
        if not names:
            return None
        # A project's id is whatever whoever vouches for callers says; the load balancer's is unique anyway.
        load_balancer = tree.load_balancer
        prefix = f"{re.sub('[^A-Za-z0-9_-]', '_', load_balancer.project_id)}/{load_balancer.id}/"
        chosen = [self.destinations[name] for name in names]
        now = self.now()
        halves = [each.expires(prefix, now) - each.validity / 2 for each in chosen if isinstance(each, Signing)]
        return LogTerms(
            targets=tuple(_target(each, prefix, now) for each in chosen),
            spool=self.spool,
            rotate_bytes=self.rotate_bytes,
            rotate_after=self.rotate_after,
            farewell=self.farewell,
            renew_at=min(halves, default=None),
        )

    def _names(self, terms: Terms) -> tuple[str, ...]:
        if not terms.flavor.get(LOGS, self.enabled):
            return ()
        wanted = tuple(terms.flavor.get(LOG_TARGETS, self.targets)) or tuple(self.destinations)
        if unknown := set(wanted) - set(self.destinations):
            _log.warn("Logs don't go to {names}: there's no such target", names=", ".join(sorted(unknown)))
        return tuple(name for name in wanted if name in self.destinations)


def _target(destination: Destination, prefix: str, now: float) -> Target:
    if isinstance(destination, Syslog):
        return destination
    if isinstance(destination, Signing):
        return destination.for_prefix(prefix, now)
    return evolve(destination, url=f"{destination.url}{prefix}")
