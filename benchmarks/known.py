"""Which amphora serves which load balancer, as one line of JSON: C{python -m benchmarks.known STATE-DIRECTORY}."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from octavia_tx.db import amphorae
from octavia_tx.db.database import Database
from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.resources import entered


async def known(reactor: Any, directory: Path) -> None:
    """Ask the embedded database, and print."""
    async with AsyncExitStack() as stack:
        dsn = await EmbeddedPostgres(reactor, directory / "postgresql").join()
        database = await entered(stack, Database(reactor, dsn))
        async with database.transaction() as tx:
            found = await amphorae.find(tx)
    print(json.dumps({str(a.load_balancer_id): a.id for a in found}))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(known(reactor, Path(sys.argv[1]))))
