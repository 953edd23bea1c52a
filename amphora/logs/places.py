"""How far in the spool each target is, and what it missed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from amphora.logs.notes import stands

if TYPE_CHECKING:
    from amphora.logs.spool import Segment, Spool

FILE: Final = "places.json"


@frozen
class Batch:
    """
    Some lines that follow each other.

    @ivar lines: each with its end.
    @ivar times: when each came, about, in milliseconds since 1970.
    """

    number: int
    start: int
    end: int
    offset: int
    lines: tuple[bytes, ...] = field(repr=False)
    times: tuple[int, ...] = field(repr=False)


@define
class Place:
    """
    Where one target is: its file's number, and how many lines and bytes of it the target has.

    @ivar stood: how many lines those stand for.
    @ivar dropped: lines that it missed and hasn't been told of.
    @ivar total: of all that it ever missed.
    """

    _spool: Spool
    number: int = 0
    lines: int = 0
    offset: int = 0
    stood: int = 0
    dropped: int = 0
    total: int = 0
    _file: IO[bytes] | None = None

    def read(self, limit: int) -> Batch | None:
        """
        The next lines, of about so many bytes; C{None}: it has all.

        @raise OSError: they can't be read.
        """
        segment = self._segment()
        if segment is None or segment.lines <= self.lines:
            return None
        try:
            return self._read(segment, limit)
        except (FileNotFoundError, gzip.BadGzipFile, EOFError, zlib.error):
            self.skip(segment)  # nobody can read it any more
            return self.read(limit)

    def _read(self, segment: Segment, limit: int) -> Batch:
        if (file := self._file) is None:
            opened: Any = gzip.open if segment.packed else open
            file = self._file = opened(segment.path, "rb")
        file.seek(self.offset)
        lines = file.readlines(limit)[: segment.lines - self.lines]
        if not lines:
            raise EOFError
        times = tuple(segment.time_of(self.lines + index) for index in range(len(lines)))
        end = self.lines + len(lines)
        return Batch(segment.number, self.lines, end, self.offset + sum(map(len, lines)), tuple(lines), times)

    def passed(self, batch: Batch) -> None:
        """It has these lines. They were dropped meanwhile, as far as anyone knew: they weren't."""
        if (batch.number, batch.start) == (self.number, self.lines):
            self.lines, self.offset = batch.end, batch.offset
            self.stood += stands(batch.lines)
            self._spool.places.changed = True
        else:
            self._missed(-stands(batch.lines))

    def whole(self) -> Segment | None:
        """The next file that is closed and compressed; C{None}: it has all of these."""
        segment = self._spool.at(self.number)
        return segment if segment is not None and segment.packed else None

    def passed_whole(self, segment: Segment) -> None:
        """It has all of this file."""
        if segment.number >= self.number:
            self._go_to(segment.number + 1)
        else:
            self._missed(-segment.stands)

    def told(self, count: int) -> None:
        """It was told that it missed so many."""
        self.dropped -= count
        self._spool.places.changed = True

    def skip(self, segment: Segment) -> None:
        """This file is dropped."""
        if segment.number >= self.number:
            has = self.stood if segment.number == self.number else 0
            self._go_to(segment.number + 1)
            self._missed(segment.stands - has)

    def left(self) -> int:
        """Bytes of the files that it hasn't, or not all of."""
        return sum(s.size for s in self._spool.segments if s.number >= self.number and self._wants(s))

    def close(self) -> None:
        """Hold no file open."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _wants(self, segment: Segment) -> bool:
        return segment.number > self.number or segment.lines > self.lines

    def _segment(self) -> Segment | None:
        """The file to read in: the next one where there'll be nothing more in this."""
        segment = self._spool.at(self.number)
        if segment is not None and segment.number == self.number and segment.sealed and segment.lines <= self.lines:
            self._go_to(self.number + 1)
            segment = self._spool.at(self.number)
        if segment is not None and segment.number > self.number:
            self._go_to(segment.number)
        return segment

    def _go_to(self, number: int) -> None:
        self.close()
        self.number, self.lines, self.offset, self.stood = number, 0, 0, 0
        self._spool.places.changed = True

    def _missed(self, count: int) -> None:
        self.dropped += count
        self.total += count
        self._spool.places.changed = True


class Places:
    """
    Those of all targets, as they are on disk, too.

    @ivar changed: whether what is on disk is out of date.
    """

    def __init__(self, directory: Path, spool: Spool) -> None:
        self.changed = False
        self._path = directory / FILE
        self._spool = spool
        self._places: dict[str, Place] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError):
            for name, numbers in json.loads(self._path.read_bytes()).items():
                number, lines, offset, stood, dropped, total = map(int, numbers)
                self._places[str(name)] = Place(spool, number, lines, offset, stood, dropped, total)

    @property
    def furthest(self) -> int:
        """A number that no file had that a target knows."""
        return max((place.number + 1 for place in self._places.values()), default=1)

    @property
    def least(self) -> int:
        """The oldest file that a target needs."""
        return min((place.number for place in self._places.values()), default=0)

    def keep(self, names: Iterable[str]) -> dict[str, Place]:
        """Know these targets and no others. One that is new has nothing yet."""
        self.close()
        self._places = {name: self._places.get(name) or Place(self._spool) for name in names}
        self.changed = True
        return dict(self._places)

    def skip(self, segment: Segment) -> None:
        """See L{Place.skip}."""
        for place in self._places.values():
            place.skip(segment)

    def save(self) -> None:
        """Write it down. The power fails: some lines come again. It can't be written: it will be tried again."""
        if not self.changed:
            return
        numbers: dict[str, Any] = {
            name: [p.number, p.lines, p.offset, p.stood, p.dropped, p.total] for name, p in self._places.items()
        }
        draft = self._path.with_name(self._path.name + ".tmp")
        with suppress(OSError):
            draft.write_text(json.dumps(numbers))
            draft.replace(self._path)
            self.changed = False

    def close(self) -> None:
        """Hold no file open."""
        for place in self._places.values():
            place.close()
