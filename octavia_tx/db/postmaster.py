"""What a running PostgreSQL server says of itself in its data directory."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen
from psycopg2.extensions import make_dsn


@frozen
class Postmaster:
    """
    A running server.

    @ivar socket: the directory of its Unix socket.
    @ivar ready: whether it takes connections; else it starts or stops.
    """

    pid: int
    socket: Path
    ready: bool

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return str(make_dsn(host=str(self.socket), user="octavia", dbname="postgres"))


def running(data: Path) -> Postmaster | None:
    """The server that runs on a data directory, if any does."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5 or not _is_server(int(lines[0]), data):
        return None
    return Postmaster(pid=int(lines[0]), socket=Path(lines[4]), ready=lines[-1].strip() == "ready")


def forget_dead(data: Path) -> None:
    """
    Remove the file of a server that is gone, if its process id is someone else's by now: PostgreSQL would take that for
    a running server. While any of its processes still works in the directory the file stays, for then it is right.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if Path(f"/proc/{pid}").exists() and not any(_is_server(int(p.name), data) for p in Path("/proc").glob("[0-9]*")):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _is_server(pid: int, data: Path) -> bool:
    """Whether that process is a server on that directory: PostgreSQL's processes work in it."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except (FileNotFoundError, PermissionError):  # gone, or another user's by now
        return False
