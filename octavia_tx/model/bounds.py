"""What an operator leaves tenants to choose, beyond what the API itself allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from octavia_tx.errors import InvalidInput
from octavia_tx.model.statuses import MonitorType

TLS_VERSIONS: Final = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""From the oldest to the newest."""


@frozen(kw_only=True)
class Bounds:
    """
    @ivar minimum_tls_version: the oldest that listeners and pools may speak; empty: any.
    @ivar prohibited_ciphers: that may not be named.
    @ivar ping: whether health monitors may be of type C{PING}.
    """

    minimum_tls_version: str = ""
    prohibited_ciphers: frozenset[str] = frozenset()
    ping: bool = True

    def check(self, values: Mapping[str, Any], where: str) -> None:
        """
        Hold the values of an object, and of all described within it, against this.

        @raise InvalidInput: one isn't for tenants to choose.
        """
        for name, value in values.items():
            here = f"{where}.{name}"
            if name == "tls_versions":
                self._check_versions(value or (), here)
            elif name == "tls_ciphers":
                self._check_ciphers(value or "", here)
            elif name == "type" and value == MonitorType.PING and not self.ping:
                raise InvalidInput(here, "PING", "another type: the operator of this cloud doesn't allow this one")
            for at, inner in enumerate(value if isinstance(value, list | tuple) else ()):
                if isinstance(inner, Mapping):
                    self.check(inner, f"{here}[{at}]")
            if isinstance(value, Mapping):
                self.check(value, here)

    def _check_versions(self, given: tuple[str, ...], where: str) -> None:
        if self.minimum_tls_version:
            allowed = TLS_VERSIONS[TLS_VERSIONS.index(self.minimum_tls_version) :]
            for version in given:
                if version not in allowed:
                    raise InvalidInput(where, version, f"one of {', '.join(allowed)}")

    def _check_ciphers(self, given: str, where: str) -> None:
        for cipher in given.split(":"):
            if cipher in self.prohibited_ciphers:
                raise InvalidInput(where, cipher, "ciphers that the operator of this cloud doesn't prohibit")
