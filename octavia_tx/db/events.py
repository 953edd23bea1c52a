"""Events: what changed its status, as it happened; triggers write them."""

from __future__ import annotations

from octavia_tx.db.transaction import Transaction


async def forget(tx: Transaction, seconds: float, most: int) -> int:
    """
    Delete the oldest of those that are older than this, at most so many; how many there were.

    Several may do so at once: none waits for another.
    """
    return await tx.execute("event.forget", seconds=seconds, most=most)
