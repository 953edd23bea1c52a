"""Looks at listeners of UDP and SCTP once a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora import ipvs
from amphora.heartbeat import Heartbeats
from amphora.ledger import Ledger
from amphora.statistics import Snapshot
from amphora.supervision import Keepaliveds, Supervised

PERIOD: Final = 1.0  # seconds
_PROC: Final = Path("/proc")


class UdpObservation(Service):
    """Keeps the ledger of those whose keepalived runs, and has a heartbeat sent when a status changes."""

    log = Logger()

    def __init__(self, reactor: Any, keepaliveds: Keepaliveds, ledger: Ledger, heartbeats: Heartbeats) -> None:
        self._keepaliveds = keepaliveds
        self._ledger = ledger
        self._heartbeats = heartbeats
        self._known: set[str] = set()
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(PERIOD, now=False).addErrback(lambda f: self.log.failure("observing UDP listeners ended", f))

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        served = {each.name: each for each in self._keepaliveds.all() if each.life.serves()}
        snapshots = {name: _seen(each) for name, each in served.items()}
        known = {name: seen for name, seen in snapshots.items() if seen is not None}
        for name in self._known - known.keys():
            self._ledger.forget(name)
        for name, seen in known.items():
            self._ledger.record(name, seen)
        if known or self._known:
            self._heartbeats.beat_if_changed()
        self._known = set(known)


def _seen(listener: Supervised) -> Snapshot | None:
    try:
        # The table of the namespace that it is in.
        table = (_PROC / str(listener.pid()) / "net" / "ip_vs").read_text()
    except OSError:
        table = ""
    return ipvs.snapshot(listener.name, listener.text().decode(errors="replace"), table)
