"""
C{twistd octavia-controller} that dies by its own C{kill -9} at one line of its log, as no product code can be asked to.

C{python dying_controller.py STEP MOMENT LATER -- TWISTD-ARGUMENTS}: C{begins}, C{amid} (shortly after it began) or
C{done}. A step that a kill in its middle found recorded already isn't done again: then C{done} is when one of the later
steps (names with commas) begins, or when the load balancer is settled.
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
    step, moment, later = sys.argv[1:4]
    sys.argv = ["twistd", *sys.argv[5:]]

    def watch(event: LogEvent) -> None:
        line = str(event.get("log_format"))
        begins = line.startswith("Step begins")
        overtaken = (begins and event["step"] in later.split(",")) or "is settled" in line
        if moment == "done" and overtaken:
            die()
        if event.get("step") != step:
            return
        if moment == "amid" and begins:
            from twisted.internet import reactor

            reactor.callLater(AMID, die)  # type: ignore[attr-defined]
        elif begins == (moment == "begins"):
            die()

    globalLogPublisher.addObserver(watch)
    run()


if __name__ == "__main__":
    main()
