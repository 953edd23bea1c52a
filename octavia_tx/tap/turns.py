"""
Which of several processes that listen on one socket takes the next connection.

All of them are woken by it, and who wakes first may always be the same. So each tells the others how many connections
it has, in a few bytes of shared memory, and one that has clearly more than another leaves it the next for a moment.
"""

from __future__ import annotations

import mmap
import struct
from typing import Any

from twisted.internet.interfaces import IReactorTime

# Connections that one process may have more than another and not mind. With none, many short connections would be slow.
SLACK = 2
# Seconds to leave a connection to the others; they may be busy.
PATIENCE = 0.003
_ABSENT = 2**32 - 1


class Turns:
    """
    What the processes tell each other.

    @param descriptor: of a file that they share, of L{size} bytes at least.
    @param count: of processes.
    """

    def __init__(self, descriptor: int, count: int) -> None:
        self._form = struct.Struct(f"<{count}I")
        self._memory = mmap.mmap(descriptor, self._form.size)

    @staticmethod
    def size(count: int) -> int:
        """Bytes of the file for so many."""
        return 4 * count

    def tell(self, slot: int, connections: int) -> None:
        """A process has so many connections."""
        struct.pack_into("<I", self._memory, 4 * slot, connections)

    def leave(self, slot: int) -> None:
        """A process is no more, or isn't there yet."""
        self.tell(slot, _ABSENT)

    def is_first(self, slot: int) -> bool:
        """Whether nobody is there who should rather take the next connection."""
        counts = self._form.unpack_from(self._memory)
        return bool(counts[slot] <= min(counts) + SLACK)


def take_turns(port: Any, clock: IReactorTime, turns: Turns, slot: int) -> None:
    """Make a listening port of the reactor accept one connection at a time, when it is this process's turn."""
    accept = port.doRead

    def accept_one() -> None:
        port.numberAccepts = 1  # Twisted would take a hundred
        accept()

    def readable() -> None:
        if turns.is_first(slot):
            accept_one()
        else:
            port.stopReading()
            clock.callLater(PATIENCE, nobody_took_it)

    def nobody_took_it() -> None:
        if port.connected and not port.disconnecting:
            accept_one()
            port.startReading()

    port.doRead = readable
