"""Statistics of what carries traffic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder
from octavia_tx.api.shapes import an_object
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import Listener, LoadBalancer, Statistics

traffic = Encoder("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections")
SHAPE = an_object(stats=traffic.shape(Statistics))


def statistics_of(
    found: Callable[[Transaction, Call], Awaitable[Listener | LoadBalancer]],
    counted: Callable[[Transaction, str], Awaitable[Statistics]],
) -> Callable[[Call], Awaitable[Answer]]:
    """The verb that shows an object's statistics."""

    async def show(call: Call) -> Answer:
        query.only(call.arguments)
        async with call.parts.database.transaction(read_only=True) as tx:
            value = await found(tx, call)
            statistics = await counted(tx, value.id)
        return Answer(200, {"stats": traffic(statistics)})

    return show
