"""What stands among lines in place of those that were lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NOTE: Final = re.compile(rb"# (\d{1,18}) lines were dropped here\n").fullmatch


def note(lost: int) -> bytes:
    """For so many lines."""
    return b"# %d lines were dropped here\n" % lost


def stands(lines: Sequence[bytes]) -> int:
    """How many lines these stand for: a note for those that it tells of."""
    notes = [int(match[1]) for line in lines if line.startswith(b"# ") and (match := _NOTE(line))]
    return len(lines) - len(notes) + sum(notes)
