"""What haproxy goes by: its configuration and its certificates as they were when it took them up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amphora import durable

CONFIGURATION: Final = "loaded.cfg"
CERTIFICATES: Final = "loaded.json"


class Loaded:
    """Remembered in a directory, for the next agent too."""

    def __init__(self, directory: Path) -> None:
        self._configuration = directory / CONFIGURATION
        self._certificates = directory / CERTIFICATES

    def configuration(self) -> bytes | None:
        """The text; C{None} where there's none."""
        try:
            return self._configuration.read_bytes()
        except FileNotFoundError:
            return None

    def text(self) -> str | None:
        """The same, to be read."""
        loaded = self.configuration()
        return None if loaded is None else loaded.decode(errors="replace")

    def certificates(self) -> dict[str, str]:
        """The checksum of each file, by its name; of none where they aren't known."""
        try:
            found: dict[str, str] = json.loads(self._certificates.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def write(self, configuration: bytes, certificates: Mapping[str, str]) -> None:
        """This is taken up now."""
        durable.write(self._configuration, configuration)
        if certificates != self.certificates():
            durable.write(self._certificates, json.dumps(certificates).encode())
