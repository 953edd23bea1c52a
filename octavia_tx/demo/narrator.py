"""What the viewer reads: one line for each step, with what is waited for and how long it took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from twisted.internet.interfaces import IReactorTime


class Narrator:
    """Writes progress; on a terminal a running step shows before it is done."""

    def __init__(self, clock: IReactorTime, out: TextIO = sys.stdout) -> None:
        self._clock = clock
        self._out = out
        self._begun = clock.seconds()

    def elapsed(self) -> float:
        """Seconds since the tour began."""
        return self._clock.seconds() - self._begun

    def heading(self, text: str) -> None:
        """A chapter's title."""
        self._out.write(f"\n{text}\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """A remark below the present step."""
        for line in text.splitlines():
            self._out.write(f"     {line}\n")
        self._out.flush()

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Something that takes a while: shown at once on a terminal, and again with its time when done."""
        if self._out.isatty():
            self._out.write(f"  …  {text}\r")
            self._out.flush()
        begun = self._clock.seconds()
        mark = "✗"
        try:
            yield
            mark = "✓"
        finally:
            self._out.write(f"  {mark}  {text:<66} {self._clock.seconds() - begun:6.2f} s\n")
            self._out.flush()
