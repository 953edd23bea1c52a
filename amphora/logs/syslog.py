"""To a receiver of syslog, line after line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amphora.logs.connections import Way
from amphora.logs.lines import Origin
from amphora.logs.notes import note
from amphora.logs.places import Place
from amphora.logs.shipper import Undelivered

BATCH: Final = 1 << 16  # bytes that are sent before it is asked whether they have arrived


class SyslogSender:
    """
    See L{Sender<amphora.logs.shipper.Sender>}.

    @param now: the time, in seconds since 1970.
    """

    def __init__(self, place: Place, origin: Origin, way: Way, now: Callable[[], float]) -> None:
        self._place = place
        self._origin = origin
        self._way = way
        self._now = now

    async def send(self) -> bool:
        """Send the next lines. Before them, word of those that are missing."""
        place, lost = self._place, self._place.dropped
        try:
            batch = place.read(BATCH)
        except OSError as e:
            raise Undelivered(f"the spool can't be read: {e.strerror}") from e
        messages = [self._origin.dropped(note(lost), int(self._now() * 1000))] if lost > 0 else []
        if batch is not None:
            messages += map(self._origin.message, batch.lines, batch.times)
        if not messages:
            return False
        await self._way.carry(messages)
        if lost > 0:
            place.told(lost)
        if batch is not None:
            place.passed(batch)
        return True

    def close(self) -> None:
        """See L{Sender.close<amphora.logs.shipper.Sender.close>}."""
        self._way.close()
