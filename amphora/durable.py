"""Files that are either the old or the new ones, whole, whenever the power fails."""

from __future__ import annotations

import os
import shutil
from glob import escape
from pathlib import Path
from tempfile import mkstemp
from typing import Final

TEMPORARY: Final = ".tmp"


def write(path: Path, content: bytes) -> None:
    """
    Put the content in the file's place, atomically and durably. Only the owner may read it.

    @raise OSError: it can't be written; the file is as it was.
    """
    draft = write_draft(path, content)
    try:
        adopt(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def replace(path: Path, content: bytes) -> None:
    """
    As L{write}, but only atomically: when the power fails, there may be an old or an empty file.

    @raise OSError: it can't be written; the file is as it was.
    """
    draft = path.with_name(path.name + TEMPORARY)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def write_draft(path: Path, content: bytes, *, lasting: bool = True) -> Path:
    """
    Write the content beside the file that it may become, and make it durable there.

    @param lasting: C{False}: whoever calls makes it durable later, by L{make_lasting}.
    @return: the draft's path. Whoever calls L{adopt}s or removes it.
    """
    descriptor, name = mkstemp(prefix=f"{path.name}.", suffix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
    except OSError:
        os.unlink(name)
        raise
    return Path(name)


def make_lasting(draft: Path) -> None:
    """Make a draft's content durable."""
    _sync(draft, os.O_RDONLY)


def adopt(draft: Path, path: Path) -> None:
    """Let the draft take the file's place."""
    draft.replace(path)
    _sync(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory, of which only the owner sees the inside. There already: no error."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync(path.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory with all that it holds. Not there: no error."""
    shutil.rmtree(path, ignore_errors=True)
    _sync(path.parent)


def remove_drafts(directory: Path, name: str = "") -> None:
    """
    Remove what a writer left that was killed while it wrote.

    @param name: of the file that it wrote, where others may have drafts of theirs in the directory; empty: of any.
    """
    for draft in directory.glob(f"{escape(name)}.*{TEMPORARY}" if name else f"*{TEMPORARY}"):
        draft.unlink(missing_ok=True)


def _sync(path: Path, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
