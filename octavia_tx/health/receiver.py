"""Datagrams from amphorae: verified first, then read, then taken over; all others counted and dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from octavia_tx.health.registry import Registry
from octavia_tx.health.replay import Replayed, ReplayGuard, SequenceGuard, Stale
from octavia_tx.wire import envelope, openstack
from octavia_tx.wire.envelope import (
    REPORTS,
    BadSignature,
    Header,
    Kind,
    Malformed,
    Oversized,
    Refused,
    Truncated,
    UnknownVersion,
)
from octavia_tx.wire.heartbeat import Report, decode
from octavia_tx.wire.keys import amphora_key

_KEYS_KEPT: Final = 65536
# Seconds between two log lines about datagrams dropped for the same reason.
_LOG_INTERVAL: Final = 10.0
# How compressed bytes begin. Anything else is in neither envelope.
_ZLIB: Final = 0x78


class Outcome(StrEnum):
    """What became of a datagram."""

    ACCEPTED = "accepted"
    BAD_SIGNATURE = "bad signature"
    REPLAYED = "replayed"
    STALE = "stale"
    UNKNOWN_VERSION = "unknown version"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    UNKNOWN_AMPHORA = "unknown amphora"


class UnknownAmphora(Refused):
    """Its amphora isn't in the database."""


_OUTCOMES: Final[dict[type[Refused], Outcome]] = {
    BadSignature: Outcome.BAD_SIGNATURE,
    Replayed: Outcome.REPLAYED,
    Stale: Outcome.STALE,
    UnknownVersion: Outcome.UNKNOWN_VERSION,
    Truncated: Outcome.TRUNCATED,
    Oversized: Outcome.OVERSIZED,
    Malformed: Outcome.MALFORMED,
    UnknownAmphora: Outcome.UNKNOWN_AMPHORA,
}


@frozen
class Origin:
    """
    Where a report in our own envelope came from, and what an answer to it needs.

    @ivar address: as the datagram had it.
    """

    header: Header
    address: tuple[str, int]


@frozen
class Accepted:
    """
    A report that is believed.

    @ivar at: when it came, seconds since the epoch, by our clock.
    @ivar order: reports of one amphora in the order in which they were made.
    @ivar differences: its counters are differences since the amphora's report before.
    @ivar origin: C{None}: in OpenStack's envelope, which has no answers.
    """

    amphora_id: str
    at: float
    order: tuple[float, int]
    report: Report
    differences: bool = False
    origin: Origin | None = None


class Receiver(DatagramProtocol):
    """
    Where amphorae's heartbeats come in, in either envelope.

    @ivar counters: how many datagrams of each L{Outcome} there were.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        master_key: bytes,
        shared_key: bytes | None,
        accept: Callable[[Accepted], None],
        missed: Callable[[str], None],
    ) -> None:
        """
        @param shared_key: OpenStack's one key for all, where there are amphorae that use it.
        @param missed: called with the id of an amphora that has a right key and isn't in the registry.
        """
        self._clock = clock
        self._registry = registry
        self._shared_key = shared_key
        self._accept = accept
        self._missed = missed
        self._key = lru_cache(_KEYS_KEPT)(lambda amphora_id: amphora_key(master_key, amphora_id))
        self._replays = ReplayGuard()
        self._sequences = SequenceGuard()
        self._logged: dict[Outcome, tuple[float, int]] = {}
        self.counters: Counter[Outcome] = Counter()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take over what the datagram says, or count why not. Never raises, whatever it is."""
        host = addr[0]
        try:
            accepted = self._ours(datagram, addr) if envelope.is_ours(datagram) else self._openstack(datagram, host)
        except Refused as e:
            self._drop(_OUTCOMES[type(e)], host, str(e))
        else:
            self.counters[Outcome.ACCEPTED] += 1
            self._accept(accepted)

    def answer(self, kind: Kind, origin: Origin) -> None:
        """Answer a report, from where it came in. It may be lost, as any datagram; not even sent after the end."""
        if self.transport is None:
            return
        header = origin.header
        try:
            self.transport.write(envelope.answer(self._key(header.amphora_id), kind, header), origin.address)
        except OSError as e:
            self.log.debug("No answer reaches amphora {amphora}: {reason}", amphora=header.amphora_id, reason=str(e))

    def forget(self) -> None:
        """Drop what is remembered of amphorae that the registry no longer knows."""
        self._replays.forget(self._registry)
        self._sequences.forget(self._registry)

    def _ours(self, datagram: bytes, address: tuple[str, int]) -> Accepted:
        key = self._key(envelope.peek(datagram).amphora_id)
        header, body = envelope.unseal(key, datagram)
        if header.kind not in REPORTS:
            raise Malformed("an answer, not a report")
        self._check_known(header.amphora_id)
        now = self._clock.seconds()
        order = self._replays.admit(header, now)
        return Accepted(header.amphora_id, now, order, decode(body), origin=Origin(header, address))

    def _openstack(self, datagram: bytes, host: str) -> Accepted:
        if not datagram or datagram[0] != _ZLIB:
            raise Malformed("in no known envelope")
        message = self._message(datagram, host)
        self._check_known(message.amphora_id)
        now = self._clock.seconds()
        self._sequences.admit(message.amphora_id, message.sequence, now)
        return Accepted(message.amphora_id, now, (now, message.sequence), message.report, differences=True)

    def _message(self, datagram: bytes, host: str) -> openstack.Message:
        """The id is inside, and nothing inside is believed yet: whose key it may be, the address says."""
        candidates = self._registry.at(host)
        for amphora_id in candidates:
            try:
                message = openstack.unseal(self._key(amphora_id), datagram)
            except BadSignature:
                continue
            if message.amphora_id != amphora_id:
                raise BadSignature(f"{amphora_id} says it is {message.amphora_id}")
            return message
        if self._shared_key is not None:
            return openstack.unseal(self._shared_key, datagram)
        if not candidates:
            raise UnknownAmphora(f"none at {host}")
        raise BadSignature("of no amphora at this address")

    def _check_known(self, amphora_id: str) -> None:
        if amphora_id not in self._registry:
            self._missed(amphora_id)
            raise UnknownAmphora(amphora_id)

    def _drop(self, outcome: Outcome, host: str, reason: str) -> None:
        self.counters[outcome] += 1
        now = self._clock.seconds()
        at, count = self._logged.get(outcome, (-_LOG_INTERVAL, 0))
        if now - at < _LOG_INTERVAL:
            return
        total = self.counters[outcome]
        self._logged[outcome] = (now, total)
        say = self.log.error if outcome is Outcome.UNKNOWN_AMPHORA else self.log.warn
        say(
            "Heartbeats dropped, {outcome}: {count} since the last such line; the newest from {host}: {reason}",
            outcome=outcome.value,
            count=total - count,
            host=host,
            reason=reason,
        )
