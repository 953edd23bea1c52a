"""haproxy's C{show stat}, and what an amphora reports of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Final

from attrs import field, frozen

from octavia_tx.wire.heartbeat import Counters, MemberReport, is_identifier

FRONTEND: Final = "FRONTEND"
BACKEND: Final = "BACKEND"
OPEN: Final = "OPEN"
FULL: Final = "FULL"
_EXACT: Final = frozenset({"UP", "DOWN", "DRAIN", "MAINT", "no check"})
_NOT_YET: Final = "INI"
_STOPPED: Final = "STOP"
_HEAD: Final = "# "
_LINES: Final = re.compile("[^\r\n]+").finditer
_NEEDED: Final = "pxname svname scur slim stot bin bout ereq status weight check_status act bck chkdown"
_COLUMNS: Final = frozenset(_NEEDED.split())

Row = Mapping[str, str]


@frozen
class Snapshot:
    """
    What one load balancer's haproxy counted at a moment, in all its workers; or what is known of a listener of UDP.

    @ivar load_balancer_id: empty for a listener of UDP.
    @ivar statuses: of listeners, by id, as the worker says that accepts connections.
    @ivar counters: by listener's id, one for each worker.
    @ivar members: what is known of each, once for each pool.
    @ivar unchecked: pool and member of those whose first check by this worker hasn't been made.
    @ivar pool_listeners: by pool's id, a listener that uses it.
    @ivar over: epochs of workers whose counters are final.
    """

    load_balancer_id: str
    statuses: Mapping[str, str] = field(factory=dict)
    counters: Mapping[str, tuple[Counters, ...]] = field(factory=dict)
    members: tuple[MemberReport, ...] = ()
    unchecked: tuple[tuple[str, str], ...] = ()
    pool_listeners: Mapping[str, str] = field(factory=dict)
    over: frozenset[str] = frozenset()

    def epochs(self) -> frozenset[str]:
        """Of all workers."""
        return frozenset(c.epoch for all_of in self.counters.values() for c in all_of)


def parse(text: str) -> tuple[Row, ...]:
    """The rows of C{show stat}, by column's name, without the many that nobody needs. Anything else has none."""
    start = len(text) - len(text.lstrip())
    if not text.startswith(_HEAD, start):
        return ()
    # One after the other: of many members the whole is large.
    lines = csv.reader(line[0] for line in _LINES(text, start + len(_HEAD)))
    columns = [(number, name) for number, name in enumerate(next(lines, ())) if name in _COLUMNS]
    return tuple({name: intern(row[number]) for number, name in columns if number < len(row)} for row in lines)


def snapshot(load_balancer_id: str, runs: Iterable[tuple[str, bool, tuple[Row, ...]]]) -> Snapshot:
    """
    One load balancer's snapshot.

    @param runs: of each worker: its epoch, whether it accepts connections, and its rows.
    """
    statuses: dict[str, str] = {}
    counters: dict[str, tuple[Counters, ...]] = {}
    members: dict[tuple[str, str], MemberReport] = {}
    unchecked: dict[tuple[str, str], None] = {}
    pool_listeners: dict[str, str] = {}
    for name, accepts, rows in runs:
        for row in rows:
            proxy, _, listener_id = row["pxname"].partition(":")
            if not is_identifier(proxy):
                continue
            if row["svname"] == FRONTEND:
                counters[proxy] = (*counters.get(proxy, ()), _counters(name, row))
                if accepts and row["status"] in (OPEN, FULL, _STOPPED):
                    # One that is drained is told of for its counters' sake; its word counts for nothing by then.
                    statuses[proxy] = FULL if _is_full(row) else OPEN
            elif accepts:
                pool_listeners.setdefault(proxy, listener_id)
                if not is_identifier(row["svname"]):
                    continue  # the pool itself, which may have no members
                key = proxy, row["svname"]
                status = member_status(row)
                if status is None:
                    unchecked[key] = None
                elif key not in members or status == "DOWN":
                    # A pool under several listeners is checked for each: what one finds down isn't up.
                    members[key] = MemberReport(*key, status)
    unknown = tuple(key for key in unchecked if key not in members)
    return Snapshot(load_balancer_id, statuses, counters, tuple(members.values()), unknown, pool_listeners)


def member_status(row: Row) -> str | None:
    """
    A member's status in one word; C{None} before its first check, when haproxy only assumes something.

    haproxy adds how far a change has come: C{UP 1/3} still gets requests, C{DOWN 1/2} doesn't yet.
    """
    status = row["status"]
    first = status.partition(" ")[0]
    if first in ("UP", "DOWN") and row.get("check_status", "").removeprefix("* ") == _NOT_YET:
        return None
    word = status if status in _EXACT else first
    if word in ("UP", "no check") and row.get("weight") == "0":
        return "DRAIN"
    return word if word in _EXACT else None


def signs(rows: Iterable[Row]) -> object:
    """Of frontends, whether they are full; of backends, how many servers they have, and how often one went down."""
    fronts = {(row["pxname"], _is_full(row)) for row in rows if row["svname"] == FRONTEND}
    backs = {(row["pxname"], row["act"], row["bck"], row["chkdown"]) for row in rows if row["svname"] == BACKEND}
    return fronts, backs


def accepts(rows: Iterable[Row]) -> bool:
    """Whether a worker still accepts connections."""
    return any(row["status"] != _STOPPED for row in rows if row["svname"] == FRONTEND)


def connections(rows: Iterable[Row]) -> int:
    """How many a worker has."""
    return sum(int(row["scur"] or 0) for row in rows if row["svname"] == FRONTEND)


def is_over(rows: Iterable[Row]) -> bool:
    """Whether a worker accepts no connection any more, and has none: what it counts is final."""
    return all(row["status"] == _STOPPED and row["scur"] == "0" for row in rows if row["svname"] == FRONTEND)


def _is_full(row: Row) -> bool:
    limit = int(row["slim"] or 0)
    return 0 < limit <= int(row["scur"] or 0)


def _counters(name: str, row: Row) -> Counters:
    active, received, sent, errors, total = (int(row.get(c) or 0) for c in ("scur", "bin", "bout", "ereq", "stot"))
    return Counters(name, active, received, sent, errors, total)
