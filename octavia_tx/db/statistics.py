"""Traffic counters of listeners; C{sql/schema.sql} tells how they add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from octavia_tx.db.rows import rows as as_rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import Statistics


@frozen(kw_only=True)
class CounterRow:
    """What one run of haproxy (an epoch) on one amphora counted for one listener."""

    listener_id: str
    amphora_id: str
    epoch: str
    active_connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_errors: int = 0
    total_connections: int = 0


@frozen(kw_only=True)
class Share:
    """What one amphora has carried for one listener."""

    listener_id: str
    load_balancer_id: str
    statistics: Statistics


async def merge(tx: Transaction, rows: Sequence[CounterRow]) -> None:
    """Take absolute counters: the largest seen counts, late or repeated reports change nothing. Unknown listeners are
    ignored; of several rows for the same epoch the last one's gauge counts."""
    if rows:
        await tx.execute("statistics.merge", rows=as_rows(_combined(rows, max)))


async def add(tx: Transaction, rows: Sequence[CounterRow]) -> None:
    """Take differences since the last report, as OpenStack's agents send them. Unknown listeners are ignored."""
    if rows:
        await tx.execute("statistics.add", rows=as_rows(_combined(rows, int.__add__)))


async def of_listener(tx: Transaction, id: str) -> Statistics:
    """What a listener has carried; zeros where there's none of that id."""
    return await _sum(tx, listener_id=id)


async def of_load_balancer(tx: Transaction, id: str) -> Statistics:
    """What all listeners of a load balancer have carried; zeros where there's none of that id."""
    return await _sum(tx, load_balancer_id=id)


async def of_project(tx: Transaction, id: str) -> Statistics:
    """What all listeners of a project have carried."""
    return await _sum(tx, project_id=id)


async def of_amphora(tx: Transaction, id: str) -> tuple[Share, ...]:
    """What an amphora has carried for each listener that there is still; none where nothing was reported."""
    shares = []
    for row in await tx.fetch("statistics.of_amphora", amphora_id=id):
        listener_id, load_balancer_id = row.pop("listener_id"), row.pop("load_balancer_id")
        shares.append(Share(listener_id=listener_id, load_balancer_id=load_balancer_id, statistics=Statistics(**row)))
    return tuple(shares)


async def _sum(
    tx: Transaction,
    listener_id: str | None = None,
    load_balancer_id: str | None = None,
    project_id: str | None = None,
) -> Statistics:
    found = await tx.fetch_one(
        "statistics.find", listener_id=listener_id, load_balancer_id=load_balancer_id, project_id=project_id
    )
    return Statistics(**found) if found is not None else Statistics()


def _combined(rows: Sequence[CounterRow], combine: Callable[[int, int], int]) -> list[CounterRow]:
    """One row for each epoch, for PostgreSQL touches a row only once in a statement."""
    found: dict[tuple[str, str, str], CounterRow] = {}
    for each in rows:
        key = (each.listener_id, each.amphora_id, each.epoch)
        before = found.get(key)
        found[key] = (
            each
            if before is None
            else evolve(
                each,
                bytes_in=combine(before.bytes_in, each.bytes_in),
                bytes_out=combine(before.bytes_out, each.bytes_out),
                request_errors=combine(before.request_errors, each.request_errors),
                total_connections=combine(before.total_connections, each.total_connections),
            )
        )
    return list(found.values())
