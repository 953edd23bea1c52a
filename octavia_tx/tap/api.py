"""C{twistd octavia-api}: the tenants' and operators' API alone, in one process or several."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from twisted.application.service import IService
from twisted.logger import Logger

from octavia_tx.resources import Resources, entered
from octavia_tx.tap.inheritance import Inheritance
from octavia_tx.tap.options import DaemonOptions, fatal
from octavia_tx.tap.parts import Parts
from octavia_tx.tap.turns import Turns
from octavia_tx.tap.workers import Workers, logging_arguments, open_socket, spawner

MOST_WORKERS = 256

_log = Logger()


def _workers(given: str) -> int:
    count = int(given)
    if not 1 <= count <= MOST_WORKERS:
        raise ValueError(f"from 1 to {MOST_WORKERS}")
    return count


class Options(DaemonOptions):
    """The API's command line."""

    synopsis = "[options]"
    longdesc = (
        "Serves the API over the database that a controller keeps. Stateless: any number may run, anywhere. "
        "Without database.dsn it joins the private PostgreSQL of the controller with the same state directory."
    )
    optParameters: list[list[Any]] = [
        ["workers", "w", 1, "How many processes share the port: as many as there are processors.", _workers],
    ]


def makeService(options: Options) -> IService:
    """The API, from its command line."""
    from twisted.internet import reactor

    inheritance = Inheritance.find(os.environ)
    if inheritance is not None:
        opening = partial(_serve_as_worker, reactor, options, inheritance)
        return Resources(opening, partial(fatal, reactor, tell=inheritance.failed))
    if options["workers"] == 1:
        return Resources(partial(_serve, reactor, options), partial(fatal, reactor))
    twistd = [*logging_arguments(options.parent or {}), "octavia-api", *options.arguments()]
    return Resources(partial(_keep_workers, reactor, options, twistd), partial(fatal, reactor))


async def _serve(reactor: Any, options: Options, stack: AsyncExitStack) -> None:
    parts = Parts(reactor, options.settings, stack)
    parts.heed_hangup()
    await parts.check_templates()
    providers = parts.providers()
    database = await parts.database(owner=False)
    await parts.api(database, providers, await parts.certificates(database))


async def _serve_as_worker(reactor: Any, options: Options, inheritance: Inheritance, stack: AsyncExitStack) -> None:
    inheritance.end_with_parent(reactor)
    parts = Parts(reactor, options.settings, stack)
    parts.heed_hangup()
    await parts.check_templates()
    providers = parts.providers()
    listen = partial(inheritance.listen, reactor, options.settings.api.listen)
    database = await parts.database(owner=False)
    await parts.api(database, providers, await parts.certificates(database), listen)
    inheritance.ready()


async def _keep_workers(reactor: Any, options: Options, twistd: list[str], stack: AsyncExitStack) -> None:
    count, where = options["workers"], options.settings.api.listen
    listening = open_socket(where)
    stack.callback(listening.close)
    shared = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    shared.truncate(Turns.size(count))
    turns = Turns(shared.fileno(), count)
    for slot in range(count):
        turns.leave(slot)
    spawn = spawner(reactor, twistd, count, listening, shared.fileno())
    workers = Workers(reactor, count, spawn, turns.leave)
    signal.signal(signal.SIGHUP, lambda _number, _frame: reactor.callFromThread(workers.hang_up))
    await entered(stack, workers)
    stack.callback(listening.close)  # before the workers end, so that nobody waits for an answer then
    address = where.reachable(listening.getsockname()[1])
    _log.info("api.listen on {address}, served by {count} workers", address=address, count=count)
