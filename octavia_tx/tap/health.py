"""C{twistd octavia-health}: the heartbeat receiver alone."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from twisted.application.service import IService

from octavia_tx.resources import Resources
from octavia_tx.tap.options import DaemonOptions, fatal
from octavia_tx.tap.parts import Parts


class Options(DaemonOptions):
    """The receiver's command line."""

    synopsis = "[options]"
    longdesc = (
        "Receives amphorae's heartbeats and writes statuses and statistics to the database. Any number may run. "
        "Needs the controller's state directory for the heartbeat key."
    )


def makeService(options: Options) -> IService:
    """The receiver, from its command line."""
    from twisted.internet import reactor

    async def opening(stack: AsyncExitStack) -> None:
        parts = Parts(reactor, options.settings, stack)
        parts.heed_hangup()
        await parts.health(parts.authority(), await parts.database(owner=False))

    return Resources(opening, partial(fatal, reactor))
