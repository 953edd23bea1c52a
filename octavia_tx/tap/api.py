"""C{twistd octavia-api}: the tenants' and operators' API alone."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from twisted.application.service import IService

from octavia_tx.resources import Resources
from octavia_tx.tap.options import DaemonOptions, fatal
from octavia_tx.tap.parts import Parts


class Options(DaemonOptions):
    """The API's command line."""

    synopsis = "[options]"
    longdesc = (
        "Serves the API over the database that a controller keeps. Stateless: any number may run, anywhere. "
        "Without database.dsn it joins the private PostgreSQL of the controller with the same state directory."
    )


def makeService(options: Options) -> IService:
    """The API, from its command line."""
    from twisted.internet import reactor

    async def opening(stack: AsyncExitStack) -> None:
        parts = Parts(reactor, options.settings, stack)
        parts.heed_hangup()
        providers = parts.providers()
        await parts.api(await parts.database(owner=False), providers)

    return Resources(opening, partial(fatal, reactor))
