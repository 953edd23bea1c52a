"""
What an amphora reports: its listeners and their counters, its members, the load balancers that it serves.

A body is the report as compact JSON, compressed::

    {"l": [[listener, status, [[epoch, active, in, out, errors, total], ...]], ...],
     "m": [[pool, [[member, status], ...]], ...],
     "b": [load balancer, ...]}

A heartbeat's report has all of it, an alert's what changed, without counters. One that is too large for one body is
split into several, each complete in itself: what one doesn't mention, it says nothing about.
"""

from __future__ import annotations

import json
import re
import zlib
from itertools import groupby
from typing import Any, Final

from attrs import evolve, frozen

from octavia_tx.wire.envelope import Malformed, Oversized

UNPACKED_LIMIT: Final = 64 * 1024
COUNTER_LIMIT: Final = 2**63
LISTENER_STATUSES: Final = frozenset({"OPEN", "FULL"})
MEMBER_STATUSES: Final = frozenset({"UP", "DOWN", "DRAIN", "MAINT", "no check"})

is_identifier: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch
_is_epoch: Final = re.compile(r"[0-9A-Za-z._:-]{1,64}").fullmatch


@frozen
class Counters:
    """
    A listener's traffic in one run of haproxy.

    All but C{active_connections} only grow within their epoch.

    @ivar epoch: names the run: 1 to 64 letters, digits, or any of C{._:-}.
    """

    epoch: str
    active_connections: int
    bytes_in: int
    bytes_out: int
    request_errors: int
    total_connections: int


@frozen
class ListenerReport:
    """
    A listener that haproxy serves.

    @ivar status: C{OPEN}, or C{FULL} when its connection limit is reached.
    @ivar counters: one for each run of haproxy that still serves connections of it.
    """

    listener_id: str
    status: str
    counters: tuple[Counters, ...]


@frozen
class MemberReport:
    """
    A member as haproxy sees it.

    @ivar status: haproxy's word: C{UP}, C{DOWN}, C{DRAIN}, C{MAINT}, C{no check}.
    """

    pool_id: str
    member_id: str
    status: str


@frozen
class Report:
    """
    What an amphora knows, or a part of it.

    @ivar load_balancers: ids of those that it runs.
    """

    listeners: tuple[ListenerReport, ...] = ()
    members: tuple[MemberReport, ...] = ()
    load_balancers: tuple[str, ...] = ()


def split(report: Report, limit: int) -> tuple[bytes, ...]:
    """
    The report as bodies of at most C{limit} bytes.

    @raise ValueError: a single item doesn't fit.
    """
    unpacked = _encode(report)
    body = zlib.compress(unpacked)
    if len(body) <= limit and len(unpacked) <= UNPACKED_LIMIT:
        return (body,)
    first, second = _halves(report)
    return split(first, limit) + split(second, limit)


def decode(body: bytes) -> Report:
    """
    The report in a body.

    @raise Malformed: it isn't one, or isn't within its bounds.
    """
    document = unpack(body, UNPACKED_LIMIT)
    try:
        return Report(
            tuple(_listener(item) for item in document["l"]),
            tuple(_member(pool, item) for pool, items in document["m"] for item in items),
            tuple(identifier(item) for item in document["b"]),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise Malformed("the report hasn't the expected shape") from e


def unpack(compressed: bytes, limit: int) -> Any:
    """
    The JSON document in compressed bytes, of which never more than C{limit} are unpacked.

    @raise Malformed: it is something else.
    @raise Oversized: it is larger.
    """
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(compressed, limit)
    except zlib.error as e:
        raise Malformed("not compressed, or damaged") from e
    if decompressor.unconsumed_tail:
        raise Oversized(f"unpacks to more than {limit} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise Malformed("the compressed body is incomplete, or something follows it")
    try:
        return json.loads(unpacked)
    except (ValueError, RecursionError) as e:
        raise Malformed("not JSON") from e


def identifier(value: object) -> str:
    """
    The value, if it is a UUID in its usual spelling.

    @raise Malformed: it isn't.
    """
    if type(value) is str and is_identifier(value):
        return value
    raise Malformed("an id isn't a UUID")


def counter(value: object) -> int:
    """
    The value, if it can be a counter: an integer from 0 to 2^63 - 1.

    @raise Malformed: it isn't.
    """
    if type(value) is int and 0 <= value < COUNTER_LIMIT:
        return value
    raise Malformed("a counter isn't a non-negative 63-bit integer")


def _listener(item: Any) -> ListenerReport:
    listener_id, status, counters = item
    if type(status) is not str or status not in LISTENER_STATUSES:
        raise Malformed("unknown status of a listener")
    return ListenerReport(identifier(listener_id), status, tuple(_counters(c) for c in counters))


def _counters(item: Any) -> Counters:
    epoch, *numbers = item
    if type(epoch) is not str or not _is_epoch(epoch):
        raise Malformed("an epoch isn't a short word")
    return Counters(epoch, *[counter(n) for n in numbers])


def _member(pool_id: Any, item: Any) -> MemberReport:
    member_id, status = item
    if type(status) is not str or status not in MEMBER_STATUSES:
        raise Malformed("unknown status of a member")
    return MemberReport(identifier(pool_id), identifier(member_id), status)


def _encode(report: Report) -> bytes:
    pools = groupby(report.members, key=lambda m: m.pool_id)
    document = {
        "l": [[r.listener_id, r.status, [_numbers(c) for c in r.counters]] for r in report.listeners],
        "m": [[pool_id, [[m.member_id, m.status] for m in members]] for pool_id, members in pools],
        "b": report.load_balancers,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _numbers(c: Counters) -> list[str | int]:
    return [c.epoch, c.active_connections, c.bytes_in, c.bytes_out, c.request_errors, c.total_connections]


def _halves(report: Report) -> tuple[Report, Report]:
    items: list[ListenerReport | MemberReport | str] = [*report.listeners, *report.members, *report.load_balancers]
    if len(items) > 1:
        middle = len(items) // 2
        return _gathered(items[:middle]), _gathered(items[middle:])
    if report.listeners and len(report.listeners[0].counters) > 1:
        listener, middle = report.listeners[0], len(report.listeners[0].counters) // 2
        halves = listener.counters[:middle], listener.counters[middle:]
        first, second = (Report(listeners=(evolve(listener, counters=half),)) for half in halves)
        return first, second
    raise ValueError("A single item of the report doesn't fit into a body.")


def _gathered(items: list[ListenerReport | MemberReport | str]) -> Report:
    return Report(
        tuple(i for i in items if isinstance(i, ListenerReport)),
        tuple(i for i in items if isinstance(i, MemberReport)),
        tuple(i for i in items if isinstance(i, str)),
    )
