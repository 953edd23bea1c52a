"""What a running PostgreSQL server says of itself in its data directory, and beside its socket."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from attrs import frozen
from psycopg2.extensions import make_dsn

SOCKET = ".s.PGSQL.5432"
"""The name of its socket."""


@frozen
class Postmaster:
    """
    A running server.

    @ivar socket: the directory of its Unix socket.
    @ivar ready: whether it takes connections; else it starts or stops.
    @ivar stopping: whether it stops.
    """

    pid: int
    socket: Path
    ready: bool
    stopping: bool = False

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return str(make_dsn(host=str(self.socket), user="octavia", dbname="postgres"))


def running(data: Path) -> Postmaster | None:
    """The server that runs on a data directory, if any does. One that died and wasn't reaped yet doesn't run."""
    lines = _lines(data / "postmaster.pid")
    pid = _pid(lines)
    if pid is None or len(lines) < 5 or not _is_server(pid, data):
        return None
    state = lines[-1].strip()
    return Postmaster(pid=pid, socket=Path(lines[4]), ready=state == "ready", stopping=state == "stopping")


def forget_dead(data: Path, directory: Path) -> None:
    """
    Remove the files of a server that is gone, if its process id is a zombie's or someone else's by now: PostgreSQL
    would take that for a running server. While any of its processes still works in the data directory they stay, for
    then they are right. Only the owner may call this, while no server of its own runs.

    @param directory: where the socket goes. Another data directory's server that has its socket there is left alone.
    """
    pid = _pid(_lines(data / "postmaster.pid"))
    if any(_is_server(int(process.name), data) for process in Path("/proc").glob("[0-9]*")):
        return
    if pid is not None and Path(f"/proc/{pid}").exists():
        (data / "postmaster.pid").unlink(missing_ok=True)
    lock = directory / f"{SOCKET}.lock"
    if not _serves_another(_lines(lock), directory) and not _listens(directory / SOCKET):
        lock.unlink(missing_ok=True)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _pid(lines: list[str]) -> int | None:
    """The process id in a lock file that need not be whole."""
    try:
        return abs(int(lines[0]))  # negative: a server in single-user mode
    except (IndexError, ValueError):
        return None


def _is_server(pid: int, data: Path) -> bool:
    """Whether that process is a server on that directory: PostgreSQL's processes work in it; a zombie works nowhere."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except (FileNotFoundError, ProcessLookupError):  # gone
        return False
    except PermissionError:  # another user's: nobody's, where root may not look (a container without CAP_SYS_PTRACE)
        return _was_started_on(pid, data)


def _was_started_on(pid: int, data: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return (b"-D", os.fsencode(data)) in zip(arguments, arguments[1:], strict=False)


def _serves_another(lines: list[str], directory: Path) -> bool:
    """Whether a socket's lock file is the one of a living server on the data directory that it names."""
    pid = _pid(lines)
    if pid is None or len(lines) < 5 or not _is_server(pid, Path(lines[1])):
        return False
    # The file may be a copy, together with the directory that it was in.
    return os.path.isdir(lines[4]) and os.path.samefile(lines[4], directory)


def _listens(path: Path) -> bool:
    """Whether any process, be it one that we can't see, takes connections at a socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as trying:
        trying.setblocking(False)
        try:
            trying.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:  # its queue is full
            return True
    return True
