"""
OpenStack's heartbeats: its agents are heard, and ours can speak as they do.

A datagram is compressed JSON and its HMAC-SHA256, as 64 hexadecimal digits or (older images) as 32 raw bytes. The id
is inside, so the key is found by other means. Counters are differences since the datagram before; sequences start
again with each of the agent's starts, and nothing says when a datagram was made.
"""

from __future__ import annotations

import hmac
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from octavia_tx.wire.envelope import BadSignature, Malformed, Oversized, Truncated, UnknownVersion
from octavia_tx.wire.heartbeat import (
    LISTENER_STATUSES,
    MEMBER_STATUSES,
    Counters,
    ListenerReport,
    MemberReport,
    Report,
    counter,
    identifier,
    unpack,
)

VERSION: Final = 3
VERSIONS: Final = frozenset({1, 2, 3})
UNPACKED_LIMIT: Final = 512 * 1024
# The largest payload of a UDP datagram.
DATAGRAM_LIMIT: Final = 65507
# Differences belong to no run of haproxy.
EPOCH: Final = "openstack"

_HEXADECIMAL: Final = 64
_RAW: Final = 32
_NO_LISTENERS: Final[Mapping[str, str]] = MappingProxyType({})


@frozen
class Message:
    """
    One heartbeat of OpenStack's kind.

    @ivar report: its counters are differences, all of the epoch L{EPOCH}.
    """

    amphora_id: str
    sequence: int
    report: Report


def seal(
    key: bytes, amphora_id: str, sequence: int, report: Report, listeners: Mapping[str, str] = _NO_LISTENERS
) -> bytes:
    """
    A datagram as OpenStack's receivers expect it, version 3.

    @param report: with counters that are differences; those of several epochs are added up.
    @param listeners: by pool, also one without members, a listener that uses it; any of the report's where a pool
        isn't in it.
    @raise ValueError: it is too large for any datagram.
    """
    document = {
        "id": amphora_id,
        "seq": sequence,
        "ver": VERSION,
        "listeners": {r.listener_id: {"status": r.status, "stats": _stats(r.counters)} for r in report.listeners},
        "pools": _pools(report, listeners),
    }
    compressed = zlib.compress(json.dumps(document, separators=(",", ":")).encode())
    if len(compressed) + _HEXADECIMAL > DATAGRAM_LIMIT:
        raise ValueError("The report is too large for one datagram, and OpenStack's envelope has no other.")
    return compressed + hmac.digest(key, compressed, "sha256").hex().encode()


def unseal(key: bytes, datagram: bytes) -> Message:
    """
    The message in a datagram, vouched for by the key.

    @raise BadSignature: not sealed with this key, or changed on its way.
    @raise Malformed: it is no message, or its values aren't within their bounds.
    @raise UnknownVersion: a message of a version that isn't spoken here.
    """
    document = unpack(_verified(key, datagram), UNPACKED_LIMIT)
    if not isinstance(document, dict):
        raise Malformed("the message isn't an object")
    version = document.get("ver", 1)
    if type(version) is not int or version not in VERSIONS:
        raise UnknownVersion("unknown version of a message")
    try:
        listeners = document["listeners"]
        report = Report(
            tuple(_listener(listener_id, item) for listener_id, item in listeners.items()),
            tuple(_members(_pool_items(version, document))),
        )
        return Message(identifier(document["id"]), counter(document["seq"]), report)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise Malformed("the message hasn't the expected shape") from e


def differences(earlier: Report, later: Report) -> Report:
    """
    The later of two reports, with differences in place of its absolute counters. A run of haproxy that the earlier
    one doesn't know counts from zero.
    """
    known = {(r.listener_id, c.epoch): c for r in earlier.listeners for c in r.counters}

    def difference(listener_id: str, now: Counters) -> Counters:
        then = known.get((listener_id, now.epoch), Counters(now.epoch, 0, 0, 0, 0, 0))
        return Counters(
            now.epoch,
            now.active_connections,
            max(0, now.bytes_in - then.bytes_in),
            max(0, now.bytes_out - then.bytes_out),
            max(0, now.request_errors - then.request_errors),
            max(0, now.total_connections - then.total_connections),
        )

    listeners = tuple(
        ListenerReport(r.listener_id, r.status, tuple(difference(r.listener_id, c) for c in r.counters))
        for r in later.listeners
    )
    return Report(listeners, later.members, later.load_balancers)


def _verified(key: bytes, datagram: bytes) -> bytes:
    if len(datagram) > DATAGRAM_LIMIT:
        raise Oversized(f"{len(datagram)} bytes")
    if len(datagram) <= _RAW:
        raise Truncated(f"{len(datagram)} bytes")
    for length in (_HEXADECIMAL, _RAW):
        compressed, tag = datagram[:-length], datagram[-length:]
        expected = hmac.digest(key, compressed, "sha256")
        if hmac.compare_digest(expected if length == _RAW else expected.hex().encode(), tag):
            return compressed
    raise BadSignature("no tag of this key")


def _listener(listener_id: object, item: Any) -> ListenerReport:
    status, stats = item["status"], item.get("stats")
    if type(status) is not str or status not in LISTENER_STATUSES:
        raise Malformed("unknown status of a listener")
    counters: tuple[Counters, ...] = ()
    if stats is not None:
        numbers = [counter(stats[k]) for k in ("conns", "rx", "tx", "ereq", "totconns")]
        counters = (Counters(EPOCH, *numbers),)
    return ListenerReport(identifier(listener_id), status, counters)


def _pool_items(version: int, document: Any) -> Iterator[tuple[str, Any]]:
    """By pool's id, what is said of it. Version 1 has pools within listeners, version 3 the listener in the key."""
    if version == 1:
        for listener in document["listeners"].values():
            yield from listener.get("pools", {}).items()
    else:
        for key, pool in document["pools"].items():
            yield key.partition(":")[0], pool


def _members(pools: Iterator[tuple[str, Any]]) -> Iterator[MemberReport]:
    for pool_id, pool in pools:
        for member_id, said in pool["members"].items():
            status = _status(said)
            if status is not None:
                yield MemberReport(identifier(pool_id), identifier(member_id), status)


def _status(said: object) -> str | None:
    """haproxy's word, with what some versions append to it taken off; C{None} for one that says nothing to us."""
    if type(said) is not str:
        raise Malformed("a member's status isn't a word")
    if said in MEMBER_STATUSES:
        return said
    first = said.partition(" ")[0]
    # "UP 1/3" is on its way down.
    return "DOWN" if first == "UP" else first if first in MEMBER_STATUSES else None


def _stats(counters: tuple[Counters, ...]) -> dict[str, int]:
    return {
        "tx": sum(c.bytes_out for c in counters),
        "rx": sum(c.bytes_in for c in counters),
        "conns": sum(c.active_connections for c in counters),
        "totconns": sum(c.total_connections for c in counters),
        "ereq": sum(c.request_errors for c in counters),
    }


def _pools(report: Report, listeners: Mapping[str, str]) -> dict[str, Any]:
    """Those without members, too, since the receiver counts a pool that isn't mentioned as offline."""
    by_default = report.listeners[0].listener_id if report.listeners else ""
    members: dict[str, dict[str, str]] = {f"{pool}:{listener}": {} for pool, listener in listeners.items()}
    for member in report.members:
        key = f"{member.pool_id}:{listeners.get(member.pool_id, by_default)}"
        members.setdefault(key, {})[member.member_id] = member.status
    return {key: {"status": _pool_status(known.values()), "members": known} for key, known in members.items()}


def _pool_status(members: Collection[str]) -> str:
    """By the statuses of its members: as haproxy sees it, a pool without any has nothing that is down."""
    return "DOWN" if members and not {"UP", "no check"} & set(members) else "UP"
