"""What haproxy itself says of a configuration, without running it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from amphora.process import Watch, spawn


def ask(reactor: Any, command: Sequence[str], environment: Mapping[str, str]) -> Deferred[tuple[int | None, str]]:
    """
    Have a program run, and give what it ended with and all that it said.

    It is started before this returns, so that whoever asks can do something else meanwhile. Twisted would do the same,
    but by a copy of this process, which takes longer than haproxy does.

    @raise OSError: it can't be started.
    """
    ended: Deferred[tuple[int | None, str]] = Deferred()
    words = os.memfd_create("verdict")

    def tell() -> None:
        with os.fdopen(words, "rb") as said:
            ended.callback((watch.code, said.read().decode(errors="replace")))

    try:
        watch = Watch(reactor, spawn(command, Path(f"/proc/self/fd/{words}"), environment), tell)
    except OSError:
        os.close(words)
        raise
    return ended
