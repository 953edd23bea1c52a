"""
twistd, whose processor time is sampled: C{python -m benchmarks.sampler FILE OPTIONS-OF-TWISTD}.

Each SIGUSR2 begins or ends it; at the end, C{FILE} holds one line for each stack: its functions from the outermost on,
with semicolons, and how often it was seen. The kernel's timer counts the time that the process runs and no other, so
that it doesn't matter who else uses the machine.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

EVERY = 0.002
"""Seconds of processor time between samples; the kernel's tick may make it more."""


class Sampler:
    """@param where: the file."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._seen: Counter[tuple[CodeType, ...]] | None = None

    def install(self) -> None:
        """Heed the signals. Twisted leaves these alone."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR2, self._turn)

    def _turn(self, _number: int, _frame: FrameType | None) -> None:
        if self._seen is None:
            self._seen = Counter()
            signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        seen, self._seen = self._seen, None
        lines = [f"{';'.join(map(_named, stack))} {count}\n" for stack, count in seen.items()]
        scratch = self._where.with_suffix(".new")
        scratch.write_text("".join(lines))
        scratch.rename(self._where)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        if self._seen is not None:
            stack = []
            while frame is not None:
                stack.append(frame.f_code)
                frame = frame.f_back
            self._seen[tuple(reversed(stack))] += 1


def _named(code: CodeType) -> str:
    path = code.co_filename.rpartition("site-packages/")[2]
    for prefix in (f"{os.getcwd()}/", f"{sys.base_prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/"):
        path = path.removeprefix(prefix)
    return f"{code.co_qualname} ({path})".replace(";", ",")


def main() -> None:
    """Become twistd."""
    from twisted.scripts.twistd import run

    Sampler(Path(sys.argv[1])).install()
    sys.argv[:2] = ["twistd"]
    run()


if __name__ == "__main__":
    main()
