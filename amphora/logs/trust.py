"""Whom targets' certificates are believed from."""

from __future__ import annotations

from typing import Any

from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates

_END = "-----END CERTIFICATE-----"


def trusted(authorities: str) -> Any:
    """
    These authorities alone, given as PEM; empty: those that the system trusts.

    @raise Error: of OpenSSL: one of them is no certificate.
    """
    if not authorities:
        return platformTrust()
    found = [f"{text}{_END}\n" for text in authorities.split(_END)[:-1]]
    return trustRootFromCertificates([Certificate.loadPEM(text.encode()) for text in found])
