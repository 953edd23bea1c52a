"""The private PostgreSQL of a system that was given none."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class EmbeddedPostgres:
    """
    A PostgreSQL server of our own under a directory, reached through a Unix socket only.

    @param directory: made when missing, mode 0700; holds all of its state.
    """

    def __init__(self, reactor: Any, directory: Path) -> None:
        self._reactor = reactor
        self._directory = directory

    async def start(self) -> str:
        """Start the server, or adopt the one that runs there already. Returns its connection string."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the server; connections are ended."""
        raise NotImplementedError
