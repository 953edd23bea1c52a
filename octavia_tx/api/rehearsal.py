"""
Trying a change without making it: C{dry_run}.

All of a request is done, inside its transaction as ever: what is refused is refused here too, in the same words. Before
the transaction would be committed it is rolled back, and what was seen in it is told: nothing is written, nobody is
notified, and no later request finds anything different.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from difflib import unified_diff
from typing import Any

from attrs import define

from octavia_tx.api.preview import PLACEHOLDER, Preview, preview, steps
from octavia_tx.api.shapes import INTEGER, TEXT, UUID, a_list, an_object, nullable
from octavia_tx.db import amphorae, load_balancers
from octavia_tx.db.database import Database
from octavia_tx.db.rows import is_identifier
from octavia_tx.db.transaction import Transaction
from octavia_tx.interfaces import IPreview
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.tree import Tree

_ANY = {"type": "object"}
DRY_RUN = an_object(
    dry_run=an_object(
        status=INTEGER,
        would_answer=nullable(_ANY),
        configuration=nullable(
            an_object(amphora_id=UUID, before=nullable(TEXT), after=nullable(TEXT), diff=TEXT, problem=nullable(TEXT))
        ),
        steps=a_list(TEXT),
    )
)
"""What is told of a change that was tried."""


class _TakenBack(Exception):
    """It was seen what a change leads to."""


@define
class Rehearsal:
    """
    What a change was seen to do.

    @ivar tried: whether it came to changing anything of a load balancer.
    @ivar before, after: the load balancer's tree; C{None} where there's none.
    @ivar amphorae: as the change leaves them.
    """

    tried: bool = False
    before: Tree | None = None
    after: Tree | None = None
    amphorae: tuple[Amphora, ...] = ()

    @asynccontextmanager
    async def transaction(self, database: Database, load_balancer_id: str | None) -> AsyncIterator[Transaction]:
        """
        A transaction that is rolled back at its end.

        @param load_balancer_id: what to look at before and after; C{None}: nothing.
        @raise OctaviaError: what the transaction would have met.
        """
        with suppress(_TakenBack):
            async with database.transaction() as tx:
                if load_balancer_id is None or not is_identifier(load_balancer_id):
                    yield tx
                    await tx.execute("rehearsal.check")
                    raise _TakenBack
                await amphorae.lock(tx, load_balancer_id=load_balancer_id)  # first, as everywhere
                await load_balancers.lock(tx, [load_balancer_id])
                self.tried = True
                self.before = self.after = await load_balancers.tree(tx, load_balancer_id)
                yield tx
                await tx.execute("rehearsal.check")
                self.after = await load_balancers.tree(tx, load_balancer_id)
                self.amphorae = await amphorae.of(tx, load_balancer_id)
                raise _TakenBack

    def told(self, by: IPreview, status: int, body: dict[str, Any] | None) -> dict[str, Any]:
        """
        What it would have come to.

        @param status, body: of the answer that the change itself would have had.
        """
        amphora_id = self.amphorae[0].id if self.amphorae else PLACEHOLDER
        before, after = (preview(by, tree, amphora_id) for tree in (self.before, self.after))
        compared = {"amphora_id": amphora_id, **_compared(before, after)} if self.tried else None
        told = {
            "status": status,
            "would_answer": body,
            "configuration": compared,
            "steps": steps(by, self.after, self.amphorae),
        }
        return {"dry_run": told}


def _compared(before: Preview, after: Preview) -> dict[str, Any]:
    lines: Iterable[str] = ()
    if before.text is not None and after.text is not None:  # else there's nothing to compare, as the problem tells
        lines = unified_diff(
            before.text.splitlines(keepends=True), after.text.splitlines(keepends=True), "before", "after"
        )
    problem = after.problem or before.problem
    return {"before": before.text, "after": after.text, "diff": "".join(lines), "problem": problem}
