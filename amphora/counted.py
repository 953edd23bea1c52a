"""What a load balancer's haproxy counted last, kept for the next agent: by then some of it may count no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import astuple
from twisted.logger import Logger

from amphora import durable
from octavia_tx.wire.heartbeat import Counters

FILE: Final = "counted.json"


class Counted:
    """Remembered in a directory. It survives the agent, but not always the machine: syncing it would take too long."""

    log = Logger()

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._written: dict[tuple[str, str], Counters] = {}
        self._failed = False

    def read(self) -> tuple[tuple[str, Counters], ...]:
        """Counters of listeners, by their ids; none where they aren't known."""
        try:
            return tuple(
                (listener_id, Counters(*counters)) for listener_id, *counters in json.loads(self._path.read_bytes())
            )
        except (OSError, ValueError, TypeError):
            return ()

    def write(self, counters: Mapping[tuple[str, str], Counters]) -> None:
        """
        These are the newest, by listener and epoch. Where they can't be written, it's as if they were the ones before.
        """
        if counters != self._written:
            document = [[listener_id, *astuple(each)] for (listener_id, _), each in counters.items()]
            try:
                durable.replace(self._path, json.dumps(document).encode())
            except OSError as e:
                if not self._failed:
                    self.log.warn("{path} can't be written: {e}", path=str(self._path), e=e)
                self._failed = True
                return
            self._failed = False
            self._written = dict(counters)
