"""What haproxy itself says of a configuration, without running it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from amphora.process import Watch, spawn
from amphora.runner import CONFIGURATION, Program, environment, readable


def refusal(reactor: Any, program: Program, draft: Path) -> Deferred[str]:
    """
    haproxy's own words where it doesn't accept a configuration; empty where it does.

    It is started before this returns, so that whoever asks can do something else meanwhile. Twisted would do the same,
    but by a copy of this process, which takes longer than haproxy does.

    @param draft: the configuration, which it is to speak of as of the one in place.
    @raise OSError: it can't be started.
    """
    found: Deferred[str] = Deferred()
    words = os.memfd_create("verdict")

    def tell() -> None:
        with os.fdopen(words, "rb") as file:
            said = file.read().decode(errors="replace").replace(str(draft), CONFIGURATION)
        found.callback("" if watch.code == 0 else readable(said, draft.parent) or "haproxy refuses it without a word.")

    try:
        pid = spawn(program.check(draft), Path(f"/proc/self/fd/{words}"), environment())
        watch = Watch(reactor, pid, tell)
    except OSError:
        os.close(words)
        raise
    return found
