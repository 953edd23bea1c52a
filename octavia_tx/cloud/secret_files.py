"""
Secret files that several processes share: each appears complete or not at all and is never overwritten, so that all may
start on a new directory at the same moment, where one creates and the others read what it made.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """
    What a secret file holds, made first where there's none, for its owner alone.

    @raise OSError: it can't be read or made.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, never replaces what another process put there meanwhile
        except FileExistsError:
            pass
        else:
            _sync(path.parent)
    finally:
        os.unlink(temporary)
    return path.read_bytes()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
