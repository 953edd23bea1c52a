"""
Each heartbeat counts once, and only while it is news.

Ours say when they were made, by which boot, and as which one; OpenStack's have a sequence alone. What is remembered is
in memory: after a receiver's restart, and at each further receiver, a datagram less than L{TOLERANCE} old can be
replayed once. It can do no harm there that the amphora itself didn't a minute ago: counters are merged by the largest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import Final

from attrs import Factory, define

from octavia_tx.wire.envelope import Header, Refused

# Seconds that a datagram may be old, or an amphora's clock ahead of ours.
TOLERANCE: Final = 60.0
# How far behind the newest a datagram may come in, of one boot.
_WINDOW: Final = 64
_BOOTS: Final = 8
# OpenStack's: a sequence of at most this, after that many seconds of silence, is an agent's new start.
_FIRST_SEQUENCE: Final = 16
_RESTART_SILENCE: Final = 5.0


class Replayed(Refused):
    """It came before, or is from before the amphora's present boot."""


class Stale(Refused):
    """It was made too long ago, or by a clock that is far ahead of ours."""


@define
class _Boot:
    """
    What was accepted from an amphora since its present boot.

    @ivar seen: one bit for each sequence, the lowest for C{highest}.
    @ivar began: the time of the first that came; each boot's is later than that of the one before.
    @ivar newest: the latest time, seconds since the epoch.
    @ivar earlier: boots before this one.
    """

    boot_id: str
    highest: int
    began: float
    newest: float
    seen: int = 1
    earlier: deque[str] = Factory(lambda: deque(maxlen=_BOOTS))


class ReplayGuard:
    """For our own envelope: a sliding window of sequences for each amphora's present boot."""

    def __init__(self) -> None:
        self._boots: dict[str, _Boot] = {}

    def admit(self, header: Header, now: float) -> tuple[float, int]:
        """
        Take note of a datagram whose signature holds. Gives its place among the amphora's: the greater, the later it
        was made, also if its clock was set back meanwhile.

        @param now: seconds since the epoch.
        @raise Stale: its time is out of tolerance.
        @raise Replayed: it isn't new.
        """
        if abs(now - header.time) > TOLERANCE:
            raise Stale(f"made {now - header.time:.0f} s ago")
        boot = self._boots.get(header.amphora_id)
        if boot is None:
            boot = _Boot(header.boot_id, header.sequence, header.time, header.time)
            self._boots[header.amphora_id] = boot
        elif boot.boot_id != header.boot_id:
            self._begin(boot, header)
        else:
            self._go_on(boot, header)
        return boot.began, header.sequence

    def forget(self, kept: Container[str]) -> None:
        """Drop what is remembered of all amphorae but these."""
        self._boots = {i: boot for i, boot in self._boots.items() if i in kept}

    def _begin(self, boot: _Boot, header: Header) -> None:
        if header.boot_id in boot.earlier or header.time <= boot.newest:
            raise Replayed("from before the present boot")
        boot.earlier.append(boot.boot_id)
        boot.boot_id, boot.highest, boot.seen = header.boot_id, header.sequence, 1
        boot.began = boot.newest = header.time

    @staticmethod
    def _go_on(boot: _Boot, header: Header) -> None:
        ahead = header.sequence - boot.highest
        if ahead > 0:
            # Shifting by more than the window would only make a large number, and nothing of it is kept.
            boot.seen = (boot.seen << min(ahead, _WINDOW)) & ((1 << _WINDOW) - 1) | 1
            boot.highest = header.sequence
        elif -ahead >= _WINDOW or boot.seen >> -ahead & 1:
            raise Replayed(f"sequence {header.sequence}, after {boot.highest}")
        else:
            boot.seen |= 1 << -ahead
        boot.newest = max(boot.newest, header.time)


class SequenceGuard:
    """
    For OpenStack's envelope: sequences grow.

    One that is small again is an agent's new start, if the amphora was silent for a while before. A replay of its
    first datagrams looks the same; nothing in the envelope tells them apart.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}

    def admit(self, amphora_id: str, sequence: int, now: float) -> None:
        """
        Take note of a datagram whose signature holds.

        @param now: seconds since the epoch.
        @raise Replayed: it isn't new.
        """
        last, at = self._last.get(amphora_id, (-1, 0.0))
        restarted = sequence <= _FIRST_SEQUENCE and now - at >= _RESTART_SILENCE
        if sequence <= last and not restarted:
            raise Replayed(f"sequence {sequence}, after {last}")
        self._last[amphora_id] = (sequence, now)

    def forget(self, kept: Container[str]) -> None:
        """Drop what is remembered of all amphorae but these."""
        self._last = {i: last for i, last in self._last.items() if i in kept}
