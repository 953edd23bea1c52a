"""
Lines on disk, from when haproxy wrote them until every target has them: bounded, whatever happens.

Lines are appended to a file, which is closed when it is large or old enough, and then compressed. A file's name tells
what there's to know of it, so that the next agent goes on: its number, when its first line came, and, once it is
compressed, how many it has and stands for. When its last line came is its time of modification.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define, frozen
from twisted.logger import Logger

from amphora import durable
from amphora.logs.notes import note, stands
from amphora.logs.places import Places

_NAME: Final = re.compile(r"(\d{8,})-(\d+)(?:\.log|-(\d+)-(\d+)\.log\.gz)").fullmatch
_CHUNK: Final = 1 << 17  # bytes that are compressed in one go, which takes some milliseconds
_LEVEL: Final = 5


@frozen(kw_only=True)
class Limits:
    """See L{LogTerms<octavia_tx.wire.logs.LogTerms>}."""

    spool: int
    rotate_bytes: int
    rotate_after: float


@define
class Segment:
    """
    A file.

    @ivar began, ended: when its first and its last line came, in milliseconds since 1970.
    @ivar size: bytes on disk.
    @ivar stands: how many lines it stands for, with those that notes in it tell of.
    """

    number: int
    began: int
    ended: int
    lines: int
    size: int
    path: Path
    sealed: bool = True
    packed: bool = False
    stands: int = 0

    def time_of(self, line: int) -> int:
        """About when a line came, by its place among the others."""
        return self.began + (self.ended - self.began) * min(line + 1, self.lines) // max(self.lines, 1)


class Spool:
    """
    One load balancer's.

    @param now: the time, in seconds since 1970.
    @ivar places: how far each target is.
    @ivar lost: lines that could never be written, since the agent's start.
    """

    log = Logger()

    def __init__(self, directory: Path, limits: Limits, now: Callable[[], float]) -> None:
        durable.make_directory(directory)
        self.limits = limits
        self.lost = 0
        self._directory = directory
        self._now = now
        self._unnoted = 0
        self._descriptor = -1
        self._segments = self._found()
        self.places = Places(directory, self)
        self._next = max([self.places.furthest, *(s.number + 1 for s in self._segments)])
        for last in self._segments[-1:]:
            # It goes on, unless a target has left it behind already, and would miss what follows.
            last.sealed = last.packed or self.places.furthest > last.number + 1

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All files, the oldest first."""
        return tuple(self._segments)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, lines: list[bytes]) -> None:
        """Write lines, each with its end. What can't be written is counted."""
        data, count, stands = b"".join(lines), len(lines), len(lines) + self._unnoted
        if self._unnoted:
            data, count = note(self._unnoted) + data, count + 1
        if self._write(data, count, stands):
            self._unnoted = 0
        else:
            self.lose(len(lines))

    def lose(self, count: int) -> None:
        """So many lines are lost here."""
        self.lost += count
        self._unnoted += count

    def tend(self) -> None:
        """Note what was lost, close the present file if it is old enough, and remove what all targets have."""
        if self._unnoted:
            self.append([])
        now = self._now() * 1000
        current = self._current()
        if current is not None and now - current.began >= self.limits.rotate_after * 1000:
            self.seal()
        self._remove_sent()
        self.places.save()

    def seal(self) -> None:
        """Close the present file; the next line begins another."""
        if self._unnoted:
            self.append([])
        current = self._current()
        if current is not None:
            current.sealed = True
        self._close()

    def close(self) -> None:
        """Leave everything to the next agent."""
        self.places.save()
        self.places.close()
        self._close()

    def packing(self) -> Iterator[None]:
        """
        Compress closed files, a piece with each step.

        @raise OSError: one can't be, now.
        """
        while (segment := next((s for s in self._segments if s.sealed and not s.packed), None)) is not None:
            yield from self._pack(segment)

    def at(self, number: int) -> Segment | None:
        """The oldest file from that number on."""
        return next((segment for segment in self._segments if segment.number >= number), None)

    def _pack(self, segment: Segment) -> Iterator[None]:
        name = f"{segment.number:08d}-{segment.began}-{segment.lines}-{segment.stands}.log.gz"
        path = self._directory / name
        draft = path.with_name(path.name + durable.TEMPORARY)
        try:
            with segment.path.open("rb") as plain, draft.open("wb") as file:
                with gzip.GzipFile("", "wb", _LEVEL, file, segment.began // 1000) as packed:
                    while piece := plain.read(_CHUNK):
                        packed.write(piece)
                        yield
                file.flush()
                os.fsync(file.fileno())
            os.utime(draft, (segment.ended / 1000, segment.ended / 1000))
            if segment not in self._segments:
                return  # dropped meanwhile
            durable.adopt(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        segment.path.unlink(missing_ok=True)
        segment.path, segment.size, segment.packed = path, path.stat().st_size, True

    def _write(self, data: bytes, count: int, stands: int) -> bool:
        current = self._current()
        if current is not None and current.size + len(data) > self.limits.rotate_bytes:
            current.sealed = True
            self._close()
        while self.size + len(data) > self.limits.spool:
            if not self._drop_oldest():
                return False
        return self._try(data, count, stands) or (self._drop_oldest() and self._try(data, count, stands))

    def _try(self, data: bytes, count: int, stands: int) -> bool:
        now = int(self._now() * 1000)
        try:
            current = self._current() or self._begin(now)
            if self._descriptor < 0:
                self._descriptor = os.open(current.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            if os.write(self._descriptor, data) < len(data):
                os.ftruncate(self._descriptor, current.size)
                return False
        except OSError as e:
            self.log.debug("a line can't be written: {reason}", reason=str(e))
            return False
        current.size += len(data)
        current.lines += count
        current.stands += stands
        current.ended = now
        return True

    def _begin(self, now: int) -> Segment:
        path = self._directory / f"{self._next:08d}-{now}.log"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        made = Segment(self._next, now, now, 0, 0, path, sealed=False)
        self._next += 1
        self._segments.append(made)
        return made

    def _current(self) -> Segment | None:
        last = self._segments[-1] if self._segments else None
        return last if last is not None and not last.sealed else None

    def _drop_oldest(self) -> bool:
        """Make room. There's nothing to drop: C{False}."""
        oldest = self._segments[0] if self._segments else None
        if oldest is None or not oldest.sealed:
            return False
        self.places.skip(oldest)
        self.places.save()  # before it is gone: what an agent that dies now had dropped must be told by the next one
        self._remove(oldest)
        return True

    def _remove_sent(self) -> None:
        needed = self.places.least
        while self._segments and self._segments[0].sealed and self._segments[0].number < needed:
            self._remove(self._segments[0])

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        with suppress(OSError):  # on a disk that can only be read, for instance
            segment.path.unlink()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _found(self) -> list[Segment]:
        """What an earlier agent left."""
        durable.remove_drafts(self._directory)
        found: dict[int, Segment] = {}
        for path in sorted(self._directory.iterdir()):
            if (match := _NAME(path.name)) is None:
                continue
            number, began, lines = int(match[1]), int(match[2]), match[3]
            segment = Segment(number, began, began, 0, 0, path, packed=lines is not None)
            segment.lines, segment.stands = (int(lines), int(match[4])) if lines is not None else _mend(path)
            said = path.stat()
            segment.size, segment.ended = said.st_size, int(said.st_mtime * 1000)
            if number in found:  # compressed, and its maker died before it was removed
                plain = segment if found[number].packed else found[number]
                plain.path.unlink()
                segment = segment if segment.packed else found[number]
            found[number] = segment
        return [found[number] for number in sorted(found)]


def _mend(path: Path) -> tuple[int, int]:
    """Take the end of a file away that isn't a whole line; gives how many lines there are, and stand there."""
    count, stand, whole = 0, 0, 0
    with path.open("rb") as file:
        while lines := file.readlines(_CHUNK):
            if not lines[-1].endswith(b"\n"):
                lines.pop()
            count += len(lines)
            stand += stands(lines)
            whole += sum(map(len, lines))
    said = path.stat()
    if whole < said.st_size:
        with suppress(OSError):
            os.truncate(path, whole)
            os.utime(path, (said.st_mtime, said.st_mtime))
    return count, stand
