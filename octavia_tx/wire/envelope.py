"""
Our datagrams: a binary header, a body, and a tag that vouches for both.

::

    magic 4 | version 1 | kind 1 | body's length 2 | sequence 8 | time 8 | amphora id 16 | boot id 16 | body | tag 32

Big-endian; the time is in microseconds since the epoch; the tag is the HMAC-SHA256 of everything before it, made with
the amphora's own key. A datagram never exceeds L{DATAGRAM_LIMIT}, so that none is sent in fragments.

Amphorae send reports: heartbeats and alerts. A receiver may answer one: the answer has the report's own header but for
its kind, and no body. So it is good for this one report alone, and needs neither a sequence nor a clock of the
receiver's; whoever hears it knows whether it still waits for it.
"""

from __future__ import annotations

import hmac
import struct
from enum import IntEnum
from typing import Final
from uuid import UUID

from attrs import evolve, frozen

MAGIC: Final = b"OcTX"
VERSION: Final = 1
DATAGRAM_LIMIT: Final = 1400
_HEADER: Final = struct.Struct("!4sBBHQQ16s16s")
_TAG_LENGTH: Final = 32
BODY_LIMIT: Final = DATAGRAM_LIMIT - _HEADER.size - _TAG_LENGTH
_SEQUENCE_LIMIT: Final = 2**63
# Microseconds until the year 2255.
_TIME_LIMIT: Final = 2**53


class Refused(Exception):
    """A datagram that isn't believed."""


class Malformed(Refused):
    """It can't be read: garbage, or a value beyond its bounds."""


class Truncated(Malformed):
    """It is shorter than it says."""


class Oversized(Malformed):
    """It, or what it unpacks to, is larger than anything we send."""


class BadSignature(Refused):
    """Its tag wasn't made with the expected key, or it was changed since."""


class UnknownVersion(Refused):
    """It is of a version that isn't spoken here."""


class Kind(IntEnum):
    """
    What a datagram is.

    @cvar HEARTBEAT: a report of all that the amphora knows, again and again.
    @cvar ALERT: a report of statuses that changed, repeated until it is acknowledged or overtaken by newer news.
    @cvar ACKNOWLEDGEMENT: the answer to an alert: what it says is in the database.
    @cvar NOTICE: an answer to a heartbeat: work is waiting, and the controllers' API for amphorae tells which.
    """

    HEARTBEAT = 1
    ALERT = 2
    ACKNOWLEDGEMENT = 3
    NOTICE = 4


REPORTS: Final = frozenset({Kind.HEARTBEAT, Kind.ALERT})
ANSWERS: Final = frozenset({Kind.ACKNOWLEDGEMENT, Kind.NOTICE})
_KINDS: Final = frozenset(Kind)


@frozen
class Header:
    """
    Who says something, and when.

    @ivar boot_id: a UUID that the sender makes at each of its starts.
    @ivar sequence: grows by one with each report of a boot.
    @ivar time: seconds since the epoch, by the sender's clock, exact to a microsecond.
    """

    amphora_id: str
    boot_id: str
    sequence: int
    time: float
    kind: Kind = Kind.HEARTBEAT


def seal(key: bytes, header: Header, body: bytes) -> bytes:
    """
    A datagram, ready to be sent.

    @raise ValueError: the body is longer than L{BODY_LIMIT}, or the header holds what a header can't.
    """
    if len(body) > BODY_LIMIT:
        raise ValueError(f"A body of {len(body)} bytes doesn't fit into a datagram; at most {BODY_LIMIT} do.")
    time = round(header.time * 1_000_000)
    if not (0 <= header.sequence < _SEQUENCE_LIMIT and 0 <= time < _TIME_LIMIT):
        raise ValueError("Sequence or time out of range.")
    amphora, boot = UUID(header.amphora_id).bytes, UUID(header.boot_id).bytes
    signed = _HEADER.pack(MAGIC, VERSION, header.kind, len(body), header.sequence, time, amphora, boot) + body
    return signed + hmac.digest(key, signed, "sha256")


def answer(key: bytes, kind: Kind, report: Header) -> bytes:
    """A receiver's answer of one of the L{ANSWERS} to the report with this header."""
    return seal(key, evolve(report, kind=kind), b"")


def _identifier(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_ours(datagram: bytes) -> bool:
    """Whether a datagram claims to be in this envelope; whatever follows is unverified."""
    return datagram.startswith(MAGIC)


def peek(datagram: bytes) -> Header:
    """
    What a datagram claims to be, B{unverified}: good for finding the key, and for nothing else.

    @raise Malformed: it is no datagram of ours.
    @raise UnknownVersion: it is, but newer or older than this code.
    """
    if len(datagram) > DATAGRAM_LIMIT:
        raise Oversized(f"{len(datagram)} bytes")
    if not is_ours(datagram):
        raise Malformed("no magic")
    if len(datagram) > len(MAGIC) and datagram[len(MAGIC)] != VERSION:
        raise UnknownVersion(f"version {datagram[len(MAGIC)]}")
    if len(datagram) < _HEADER.size + _TAG_LENGTH:
        raise Truncated(f"{len(datagram)} bytes")
    _magic, _version, kind, length, sequence, time, amphora, boot = _HEADER.unpack_from(datagram)
    expected = _HEADER.size + length + _TAG_LENGTH
    if len(datagram) < expected:
        raise Truncated(f"{len(datagram)} bytes of {expected}")
    if len(datagram) > expected or kind not in _KINDS or sequence >= _SEQUENCE_LIMIT or time >= _TIME_LIMIT:
        raise Malformed("a header's value is out of bounds")
    return Header(_identifier(amphora), _identifier(boot), sequence, time / 1_000_000, Kind(kind))


def unseal(key: bytes, datagram: bytes) -> tuple[Header, bytes]:
    """
    The header and body of a datagram, both vouched for by the key.

    @raise Malformed: it is no datagram of ours.
    @raise UnknownVersion: it is, but newer or older than this code.
    @raise BadSignature: not sealed with this key, or changed on its way.
    """
    header = peek(datagram)
    signed, tag = datagram[:-_TAG_LENGTH], datagram[-_TAG_LENGTH:]
    if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), tag):
        raise BadSignature(header.amphora_id)
    return header, signed[_HEADER.size :]
