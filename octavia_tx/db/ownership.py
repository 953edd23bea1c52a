"""Which of the processes on one directory owns what runs there, and whether another one waits to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Ownership:
    """
    One process's claim on a directory. Its locks go with the process, whatever ends it.

    @param directory: exists before anything here is called.
    """

    def __init__(self, directory: Path) -> None:
        self._owner = directory / "owner.lock"
        self._heirs = directory / "heirs.lock"
        self._owning: int | None = None
        self._waiting: int | None = None

    @property
    def held(self) -> bool:
        """Whether we are the owner."""
        return self._owning is not None

    def claim(self) -> bool:
        """
        Own it if nobody else does. Whether we do.

        @raise OSError: the lock can't be tried.
        """
        if self._owning is None:
            self._owning = _locked(self._owner, fcntl.LOCK_EX, os.O_CREAT)
        return self._owning is not None

    def wait(self) -> None:
        """
        Let the owner know that we would own it next.

        @raise OSError: the lock can't be tried.
        """
        if self._waiting is None:
            # The owner that looks right now is in the way. It looks only once, and we come again.
            self._waiting = _locked(self._heirs, fcntl.LOCK_SH, os.O_CREAT)

    def awaited(self) -> bool:
        """Whether another process waits to own it. While that can't be told: no."""
        try:
            look = _locked(self._heirs, fcntl.LOCK_EX)
        except OSError:
            return False
        if look is None:
            return True
        _unlock(look)
        return False

    def wait_no_more(self) -> bool:
        """Wait no longer. Whether we did."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            _unlock(waiting)
        return waiting is not None

    def release(self) -> None:
        """Leave it to the next one. Twice is no error."""
        owning, self._owning = self._owning, None
        if owning is not None:
            _unlock(owning)


def _locked(path: Path, kind: int, flags: int = 0) -> int | None:
    """The descriptor of a file that is now locked; C{None} while another's lock is in the way."""
    descriptor = os.open(path, os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _unlock(descriptor: int) -> None:
    # Closing alone would not do while a child between fork and exec has the same open file.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
