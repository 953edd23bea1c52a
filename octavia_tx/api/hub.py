"""
Events as they happen, for any number of readers.

One look at the database serves all readers that are up to date; who isn't, because it comes with an old id or reads too
slowly, reads on its own until it is. Nothing is kept for a reader but its place: a place is where it stands in an order
in which nothing ever appears before what was read (C{db/events.py}), so it may also have been given by another process,
or before a restart of anything.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from attrs import asdict, fields
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from octavia_tx import tracing
from octavia_tx.api.shapes import Schema, an_object, attribute
from octavia_tx.api.stream import Outlet
from octavia_tx.db import events
from octavia_tx.db.database import Database
from octavia_tx.db.events import ALL, Batch, Filter, Start
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.model.event import Event, Place

CHANNEL = "octavia_tx_event"

_log = Logger()
_encode = json.JSONEncoder(separators=(",", ":")).encode


PLACE: Schema = {"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,18}$", "examples": ["745-12"]}
"""An event's id, as it is shown."""
EVENT = an_object(
    id=PLACE,
    at={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$"},
    **{each.name: attribute(Event, each.name) for each in fields(Event) if each.name not in ("place", "at")},
)
"""An event, as it is shown."""


def frame(event: Event) -> bytes:
    """An event as it is sent."""
    return b"id: %b\nevent: status\ndata: %b\n\n" % (str(event.place).encode(), _encode(shown(event)).encode())


def shown(event: Event) -> dict[str, Any]:
    """An event as a JSON object."""
    told = asdict(event, recurse=False)
    place, at = told.pop("place"), told.pop("at")
    return {"id": str(place), "at": moment(at), **told}


def moment(at: datetime | None) -> str | None:
    """A moment in UTC to the millisecond, without a zone; events come more than one a second."""
    return None if at is None else at.isoformat(timespec="milliseconds").partition("+")[0]


class Hub:
    """
    Looks for events while there are readers.

    @cvar POLL: seconds between looks that no notification asked for.
    @cvar SOON: seconds until the next look when events wait for an older transaction; each time twice as long.
    @cvar ALIVE: seconds between signs of life.
    @cvar BATCH: events read at once.
    """

    POLL = 1.0
    SOON = 0.02
    ALIVE = 15.0
    BATCH = 200

    def __init__(self, clock: IReactorTime, database: Database) -> None:
        self._clock = clock
        self._database = database
        self._readers: dict[Reader, None] = {}
        self._listening = False
        self._closed = False
        self._wanted = False
        self._looking: Deferred[None] | None = None
        self._soon: IDelayedCall | None = None
        self._delay = self.SOON
        self._available = True
        self._poll = self._loop(self.look)
        self._alive = self._loop(self._sign)
        self.edge: Place | None = None

    def _loop(self, call: Any) -> LoopingCall:
        loop = LoopingCall(call)
        loop.clock = self._clock
        return loop

    # Readers.

    async def start(self, seen: Place | None) -> Start:
        """Where a reader begins; see L{events.start}. Raises C{DatabaseUnavailable}."""
        async with self._database.transaction(read_only=True) as tx:
            return await events.start(tx, seen)

    async def read(self, place: Place, wanted: Filter) -> Batch:
        """The next events behind a place. Raises C{DatabaseUnavailable}."""
        async with self._database.transaction(read_only=True) as tx:
            return await events.after(tx, place, wanted, self.BATCH)

    def add(self, reader: Reader) -> None:
        """Tell this reader, too."""
        if self._closed:
            reader.close()
            return
        self._readers[reader] = None
        with tracing.of(None):  # what is begun here outlives the request of the first reader
            self._begin()

    def _begin(self) -> None:
        if not self._listening:
            self._listening = True
            listening = Deferred.fromCoroutine(self._database.listen(CHANNEL, self._heard))
            listening.addErrback(lambda failure: _log.failure("Can't listen for events", failure))
        if not self._poll.running:
            self._poll.start(self.POLL, now=False)
            self._alive.start(self.ALIVE, now=False)
        self.look()

    def remove(self, reader: Reader) -> None:
        """Tell it no more."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._rest()

    def close(self) -> None:
        """End all streams, and begin no more."""
        self._closed = True
        for reader in tuple(self._readers):
            reader.close()
        self._rest()

    def _rest(self) -> None:
        for loop in (self._poll, self._alive):
            if loop.running:
                loop.stop()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self.edge = None

    def _sign(self) -> None:
        for reader in tuple(self._readers):
            reader.sign()

    # Looking.

    def _heard(self, _: str) -> None:
        self._delay = self.SOON
        self.look()

    def look(self) -> None:
        """Look for events, now or as soon as the look under way has ended."""
        self._wanted = True
        if self._looking is None and self._readers:
            self._looking = Deferred.fromCoroutine(self._look())
            self._looking.addErrback(lambda failure: _log.failure("Events can't be read: unexpected failure", failure))
            self._looking.addCallback(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = None

    async def _look(self) -> None:
        try:
            while self._wanted and self._readers:
                self._wanted = False
                await self._advance()
        except DatabaseUnavailable as error:
            if self._available:
                _log.warn("No events are told until the database is back: {error}", error=str(error))
            self._available = False

    async def _advance(self) -> None:
        """Tell what is new; the first time, where the readers shall be."""
        edge = self.edge if self.edge is not None else (await self.start(None)).place
        batch = await self.read(edge, ALL)
        self._available = True
        if not self._readers:
            return
        self.edge = batch.upto
        self._wanted = self._wanted or not batch.whole
        for reader in tuple(self._readers):
            reader.tell(batch)
        if batch.unsettled and batch.whole:
            self._look_soon()
        else:
            self._delay = self.SOON

    def _look_soon(self) -> None:
        if self._soon is None and self._readers:
            self._soon = self._clock.callLater(self._delay, self._look_again)
            self._delay = min(2 * self._delay, self.POLL)

    def _look_again(self) -> None:
        self._soon = None
        self.look()


class Reader:
    """
    One client's way through the events: a L{Feed<octavia_tx.api.stream.Feed>}.

    @param start: where it begins.
    @param wanted: which events it is told.
    """

    def __init__(self, hub: Hub, start: Start, wanted: Filter) -> None:
        self._hub = hub
        self._start = start
        self._wanted = wanted
        self._place = start.place
        self._outlet: Outlet | None = None
        self._reading: Deferred[None] | None = None

    def begin(self, outlet: Outlet) -> None:
        """Say where it begins, so that also who is told nothing can come back; then follow."""
        self._outlet = outlet
        if self._start.gap:
            told = {"after": str(self._start.place), "sentence": "Events that were not read may have been forgotten."}
            outlet.write(b"event: gap\ndata: %b\n\n" % _encode(told).encode())
        outlet.write(b"id: %b\n\n" % str(self._place).encode())
        self._hub.add(self)

    def go_on(self) -> None:
        """See L{Feed}."""
        self._catch_up()

    def end(self) -> None:
        """See L{Feed}."""
        self._outlet = None
        self._hub.remove(self)
        if self._reading is not None:
            self._reading.cancel()

    def close(self) -> None:
        """End the stream."""
        if self._outlet is not None:
            self._outlet.close()

    def sign(self) -> None:
        """Give a sign of life, and the place, so that who is told little needn't go far back."""
        if self._outlet is not None and self._outlet.writable:
            self._outlet.write(b": alive\nid: %b\n\n" % str(self._place).encode())

    def tell(self, batch: Batch) -> None:
        """These are the newest events."""
        if self._reading is None and batch.after <= self._place:
            self._write(batch)
        self._catch_up()

    def _write(self, batch: Batch) -> None:
        """Write what is wanted and not written yet, as long as the client reads; the place says how far that was."""
        for event in batch.events:
            if self._outlet is None or not self._outlet.writable:
                return
            if event.place > self._place:
                if self._wanted.admits(event) and event.place.transaction not in self._start.early:
                    self._outlet.write(frame(event))
                self._place = event.place
        self._place = max(self._place, batch.upto)

    @property
    def _behind(self) -> bool:
        """Whether there's something to read, and someone to read it."""
        edge, outlet = self._hub.edge, self._outlet
        return edge is not None and outlet is not None and outlet.writable and self._place < edge

    def _catch_up(self) -> None:
        if self._reading is None and self._behind:
            reading = self._reading = Deferred.fromCoroutine(self._read())
            reading.addErrback(lambda failure: failure.trap(CancelledError))
            reading.addErrback(lambda failure: _log.failure("A reader of events stops", failure))
            reading.addCallback(self._read_all)

    def _read_all(self, _: object) -> None:
        self._reading = None

    async def _read(self) -> None:
        try:
            while self._behind:
                self._write(await self._hub.read(self._place, self._wanted))
        except DatabaseUnavailable:
            return  # the next look finds it behind still
