"""What a load balancer's references to certificates stand for, gathered for its amphorae."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from twisted.internet.defer import DeferredList, DeferredSemaphore
from twisted.python.failure import Failure

from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import Bundle, Secrets, authorities, revocations
from octavia_tx.model.references import Reference, Use, of_tree
from octavia_tx.model.tree import Tree

_AT_ONCE: Final = 8
"""As many are asked for at the same time, by one load balancer."""


async def secrets_of(tree: Tree, manager: ICertificateManager | None) -> Secrets:
    """
    All that a tree refers to, asked for at the same time; nobody is asked where it refers to nothing.

    @param manager: C{None}: nobody keeps any, and references stand for nothing.
    @raise RequestError: one can't be used any more; the error names the field, the first such one of the tree.
    @raise CloudError: who keeps them doesn't tell now.
    """
    if manager is None:
        return Secrets()
    wanted: dict[tuple[Use, str], Reference] = {}
    for each in of_tree(tree):
        wanted.setdefault((each.use, each.text), each)
    turns = DeferredSemaphore(_AT_ONCE)
    asked = [turns.run(_content, manager, tree.load_balancer.project_id, each) for each in wanted.values()]
    found: dict[Use, dict[str, Any]] = {use: {} for use in Use}
    answers = await DeferredList(asked, consumeErrors=True)
    for (use, text), (_, answer) in zip(wanted, answers, strict=True):
        if isinstance(answer, Failure):
            answer.raiseException()
        found[use][text] = answer
    return Secrets(bundles=found[Use.BUNDLE], authorities=found[Use.AUTHORITIES], revocations=found[Use.REVOCATIONS])


async def _content(manager: ICertificateManager, project_id: str, asked: Reference) -> Bundle | str:
    if asked.use is Use.BUNDLE:
        return await manager.bundle(asked.text, project_id, asked.where)
    read = authorities if asked.use is Use.AUTHORITIES else revocations
    return read(await manager.secret(asked.text, project_id, asked.where), asked.where)


def digests(secrets: Secrets) -> dict[str, str]:
    """What the content of each reference comes to: by the reference, the same for the same content alone."""
    told: dict[str, list[str]] = {reference: [bundle.digest] for reference, bundle in secrets.bundles.items()}
    for texts in (secrets.authorities, secrets.revocations):
        for reference, text in texts.items():
            told.setdefault(reference, []).append(sha256(text.encode()).hexdigest())
    return {reference: "-".join(parts) for reference, parts in told.items()}
