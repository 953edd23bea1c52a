"""What the references of trees may stand for."""

from __future__ import annotations

from functools import cache
from typing import Final

from octavia_tx.model.certificates import Bundle, Secrets, from_parts
from octavia_tx.model.handshake import references
from octavia_tx.model.tree import Tree
from tests.model.certificates import Issued, issue

AUTHORITY: Final = issue("authority", authority=True)


def bundle(issued: Issued) -> Bundle:
    """A certificate with its key, as a listener shows it."""
    return from_parts(issued.pem, issued.key_pem())


@cache
def certificate(name: str) -> Issued:
    """A certificate of L{AUTHORITY} for that host."""
    return issue(name, AUTHORITY, names=(name,))


def secrets(tree: Tree) -> Secrets:
    """Something for each reference: for certificates, one for the host C{LAST_PART.example.com}."""
    needed = references(tree)
    return Secrets(
        bundles={each: bundle(certificate(f"{each.rpartition('/')[2]}.example.com")) for each in needed.bundles},
        authorities=dict.fromkeys(needed.authorities, AUTHORITY.pem.decode()),
        revocations=dict.fromkeys(needed.revocations, AUTHORITY.revoke().decode()),
    )
