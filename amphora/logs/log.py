"""One load balancer's access log: from its haproxy's pipe, over its spool, to its targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from amphora import durable
from amphora.logs.connections import way
from amphora.logs.http import Http
from amphora.logs.intake import PIPE, Intake, is_pipe
from amphora.logs.lines import Origin
from amphora.logs.losses import Losses
from amphora.logs.places import Place
from amphora.logs.shipper import Sender, Shipper
from amphora.logs.spool import Limits, Spool
from amphora.logs.swift import SwiftSender
from amphora.logs.syslog import SyslogSender
from octavia_tx.wire.logs import LogTerms, Store, Target, encode

SPOOL: Final = "spool"
PERIOD: Final = 1.0  # seconds between two looks at the spool
LOSSES: Final = 10  # such looks between two questions to haproxy
_LOOK: Final = 0.1  # seconds between two looks whether all is shipped


@frozen
class Destination:
    """A target, how far it is, and who works for it."""

    target: Target
    place: Place
    shipper: Shipper


class AccessLog:
    """
    Works from its making to L{stop} or the end of L{leave}.

    @param haproxy: the directory of the load balancer's haproxy; C{directory}: the log's own.
    @param name: of the file there that holds the terms.
    @param denied: called when a target doesn't let us in.
    @ivar terms: by which it goes.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        amphora_id: str,
        haproxy: Path,
        directory: Path,
        name: str,
        terms: LogTerms,
        denied: Callable[[], None],
        random: Callable[[], float],
    ) -> None:
        self.identifier = directory.name
        self._reactor = reactor
        self._amphora_id = amphora_id
        self._haproxy = haproxy
        self._directory = directory
        self._name = name
        self._denied = denied
        self._random = random
        durable.make_directory(directory)
        self._spool = Spool(directory / SPOOL, _limits(terms), reactor.seconds)
        self._intake: Intake | None = None
        self._losses = Losses(reactor, haproxy, directory)
        self._ways: dict[str, Destination] = {}
        self._told: dict[str, int] = {}  # how many lines each target misses, as our own log has it
        self._packing: Deferred[None] | None = None
        self._looks = 0
        self.terms = terms
        self._send_to(terms)
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._loop.start(PERIOD).addErrback(lambda f: self.log.failure("the log of {id} ended", f, id=self.identifier))

    async def go_by(self, terms: LogTerms) -> None:
        """Go by these terms from now on, also after the agent's next start. What is to be shipped stays so."""
        if terms == self.terms:
            return
        durable.write(self._directory / self._name, encode(terms))
        gone = [each for each in self._ways.values() if each.target not in terms.targets]
        for each in gone:
            del self._ways[each.target.name]
            await each.shipper.stop()
        self.terms = terms
        self._spool.limits = _limits(terms)
        self._send_to(terms)

    def listen(self) -> None:
        """Take lines from haproxy's pipe, if there is one."""
        path = self._haproxy / PIPE
        if self._intake is None and is_pipe(path):
            intake = Intake(self._reactor, path, self._take)
            try:
                intake.start()
            except OSError as e:
                self.log.error("haproxy isn't listened to for the log of {id}: {e}", id=self.identifier, e=e)
            else:
                self._intake = intake

    async def leave(self) -> None:
        """Take the last lines, ship what is left as long as the terms allow, and leave nothing behind."""
        self._deafen()
        self._spool.seal()
        for each in self._ways.values():
            each.shipper.hasten()
        end = self._reactor.seconds() + self.terms.farewell
        while self.left() and self._reactor.seconds() < end:
            self._look()
            await deferLater(self._reactor, _LOOK)
        if left := self.left():
            self.log.error("{left} bytes of the log of {id} are given up", left=left, id=self.identifier)
        await self.stop()
        durable.remove_directory(self._directory)

    async def stop(self) -> None:
        """Leave everything to the next agent."""
        self._deafen()
        self._tell()
        if self._loop.running:
            self._loop.stop()
        packing, self._packing = self._packing, None
        if packing is not None:
            packing.cancel()
            await packing
        ways, self._ways = self._ways, {}
        for each in ways.values():
            await each.shipper.stop()
        self._spool.close()

    def left(self) -> int:
        """Bytes on disk that a target doesn't have yet."""
        return max((each.place.left() for each in self._ways.values()), default=0)

    def status(self) -> dict[str, object]:
        """How it does, for who wants to know."""
        targets = {
            name: {"left": each.place.left(), "dropped": each.place.total, "problem": each.shipper.problem}
            for name, each in self._ways.items()
        }
        return {"left": self.left(), "size": self._spool.size, "dropped": self._spool.lost, "targets": targets}

    def _send_to(self, terms: LogTerms) -> None:
        places = self._spool.places.keep(target.name for target in terms.targets)
        for target in terms.targets:
            if target.name not in self._ways:
                place = places[target.name]
                self._told[target.name] = self._spool.lost + place.total
                what = f"the log of {self.identifier} for {target.name}"
                shipper = Shipper(self._reactor, what, self._sender(target, place), self._denied, self._random)
                self._ways[target.name] = Destination(target, place, shipper)
                shipper.start()

    def _sender(self, target: Target, place: Place) -> Sender:
        if isinstance(target, Store):
            return SwiftSender(place, self._amphora_id, target, Http(self._reactor, target.authorities))
        origin = Origin(amphora_id=self._amphora_id, load_balancer_id=self.identifier, facility=target.facility)
        return SyslogSender(place, origin, way(self._reactor, target), self._reactor.seconds)

    def _take(self, lines: list[bytes]) -> None:
        self._spool.append(lines)
        self._wake()

    def _wake(self) -> None:
        for each in self._ways.values():
            each.shipper.wake()

    def _deafen(self) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.stop()

    def _look(self) -> None:
        self._spool.tend()
        if self._packing is None or self._packing.called:
            self._packing = Deferred.fromCoroutine(self._pack())
            self._packing.addErrback(lambda failure: failure.trap(CancelledError) and None)
        self._tell()
        if self._looks % LOSSES == 1 and self._intake is not None:
            asked = Deferred.fromCoroutine(self._losses.since(self._intake.was_crowded))
            asked.addCallback(self._lose)
            asked.addErrback(lambda f: self.log.failure("haproxy's losses aren't known", f))
        self._looks += 1

    def _tell(self) -> None:
        """Warn of lines that targets miss, and that they weren't known to."""
        missed = {name: self._spool.lost + each.place.total for name, each in self._ways.items()}
        for name, count in missed.items():
            if (more := count - self._told[name]) > 0:
                what = f"the log of {self.identifier} for {name}"
                self.log.warn("{what} misses {count} lines more", what=what, count=more)
        self._told = missed

    def _lose(self, count: int) -> None:
        if count:
            self._spool.lose(count)

    async def _pack(self) -> None:
        try:
            for _ in self._spool.packing():
                await deferLater(self._reactor, 0)
        except OSError as e:
            self.log.debug("the log of {id} can't be compressed: {reason}", id=self.identifier, reason=str(e))
        self._wake()


def _limits(terms: LogTerms) -> Limits:
    # Several files, so that not everything goes when room is needed.
    size = min(int(terms.rotate_bytes), int(terms.spool) // 4)
    return Limits(spool=int(terms.spool), rotate_bytes=size, rotate_after=terms.rotate_after)
