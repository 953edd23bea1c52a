"""What a load balancer's haproxy runs, asked at its master's socket."""

from __future__ import annotations

import csv
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PATIENCE: Final = 30.0
"""Seconds for what is waited for."""

Server = dict[str, str]


class Running:
    """
    One load balancer's haproxy.

    @param directory: the load balancer's, in its amphora's.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def ask(self, command: str) -> str:
        """What the master answers."""
        # Through a descriptor, because a socket's whole path may not have more than 107 bytes.
        descriptor = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(PATIENCE)
                asking.connect(f"/proc/self/fd/{descriptor}/master.sock")
                asking.sendall(f"{command}\n".encode())
                asking.shutdown(socket.SHUT_WR)
                with asking.makefile("rb") as answer:
                    return answer.read().decode()
        finally:
            os.close(descriptor)

    def reloads(self) -> int:
        """How many there were."""
        (master,) = [line.split() for line in self.ask("show proc").splitlines() if " master " in line]
        return int(master[2])

    def server(self, section: str, name: str) -> Server | None:
        """One server's row of statistics; C{None} where there's none of that name."""
        table = self.ask(f"@1 show stat {section} 4 -1").partition("# ")[2]
        return next((row for row in csv.DictReader(table.splitlines()) if row["svname"] == name), None)

    def until(self, section: str, name: str, holds: Callable[[Server | None], bool]) -> float:
        """Wait until it holds of a server; gives the moment."""
        deadline = time.perf_counter() + PATIENCE
        while not holds(self.server(section, name)):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{name} is still {self.server(section, name)}")
            time.sleep(0.001)
        return time.perf_counter()


def find(state: Path, load_balancer: str) -> Running:
    """That of a load balancer, on the amphorae of a system whose state lies there."""
    (directory,) = (state / "amphorae").glob(f"*-*-*-*-*/load_balancers/{load_balancer}")
    return Running(directory)
