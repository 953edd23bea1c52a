"""What a load balancer's references to certificates stand for, gathered for its amphorae."""

from __future__ import annotations

from hashlib import sha256

from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import Bundle, Secrets, authorities, revocations
from octavia_tx.model.references import Use, of_tree
from octavia_tx.model.tree import Tree


async def secrets_of(tree: Tree, manager: ICertificateManager | None) -> Secrets:
    """
    All that a tree refers to; nobody is asked where it refers to nothing.

    @param manager: C{None}: nobody keeps any, and references stand for nothing.
    @raise RequestError: one can't be used any more; the error names the field.
    @raise CloudError: who keeps them doesn't tell now.
    """
    bundles: dict[str, Bundle] = {}
    trusted: dict[str, str] = {}
    revoked: dict[str, str] = {}
    project_id = tree.load_balancer.project_id
    if manager is not None:
        for each in of_tree(tree):
            text, where = each.text, each.where
            if each.use is Use.BUNDLE and text not in bundles:
                bundles[text] = await manager.bundle(text, project_id, where)
            elif each.use is Use.AUTHORITIES and text not in trusted:
                trusted[text] = authorities(await manager.secret(text, project_id, where), where)
            elif each.use is Use.REVOCATIONS and text not in revoked:
                revoked[text] = revocations(await manager.secret(text, project_id, where), where)
    return Secrets(bundles=bundles, authorities=trusted, revocations=revoked)


def digests(secrets: Secrets) -> dict[str, str]:
    """What the content of each reference comes to: by the reference, the same for the same content alone."""
    told: dict[str, list[str]] = {reference: [bundle.digest] for reference, bundle in secrets.bundles.items()}
    for texts in (secrets.authorities, secrets.revocations):
        for reference, text in texts.items():
            told.setdefault(reference, []).append(sha256(text.encode()).hexdigest())
    return {reference: "-".join(parts) for reference, parts in told.items()}
