"""
C{twistd octavia-controller} that dies by its own C{kill -9} at one line of its log, as no product code can be asked to.

C{python dying_controller.py STEP MOMENT -- TWISTD-ARGUMENTS}: C{begins}, C{amid} (shortly after it began) or C{done}.
"""

from __future__ import annotations

import os
import signal
import sys

from twisted.logger import LogEvent, globalLogPublisher
from twisted.scripts.twistd import run

AMID = 0.03


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    step, moment = sys.argv[1:3]
    sys.argv = ["twistd", *sys.argv[4:]]

    def watch(event: LogEvent) -> None:
        if event.get("step") != step:
            return
        begins = str(event.get("log_format")).startswith("Step begins")
        if moment == "amid" and begins:
            from twisted.internet import reactor

            reactor.callLater(AMID, die)  # type: ignore[attr-defined]
        elif begins == (moment == "begins"):
            die()

    globalLogPublisher.addObserver(watch)
    run()


if __name__ == "__main__":
    main()
