"""The tour's processes: started apart from the tour's own session, found again by what their command line names."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

MARK = "OCTAVIA_DEMO_DIRECTORY"
"""In the environment of each process that the tour starts: the tour's directory."""


def start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives the tour of the log's directory; what it prints goes to C{log}."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            env={**_plain_environment(), **environment, MARK: str(log.parent)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def _plain_environment() -> dict[str, str]:
    """The viewer's environment without settings of ours: the tour shows what happens with none."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OCTAVIA_TX_")}


def controller_command(directory: Path) -> list[str]:
    """C{twistd octavia-controller}, in the foreground, by this interpreter."""
    twistd = Path(sys.executable).with_name("twistd")
    return [sys.executable, str(twistd), "-n", f"--pidfile={directory / 'controller.pid'}", "octavia-controller"]


def back_end_command(name: str, port: int) -> list[str]:
    """One back end."""
    return [sys.executable, "-m", "octavia_tx.demo.back_end", name, str(port)]


def belonging(directory: Path) -> dict[int, str]:
    """
    Living processes of the tour in that directory, by pid: those that carry its mark, and those below them, whose
    command lines name its state. Programs on a terminal are the viewer's own.
    """
    found = {}
    mark, state = f"{MARK}={directory}".encode(), f"{directory}/state/".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            terminal = (entry / "stat").read_text().rpartition(")")[2].split()[4]
            ours = state in command or mark in (entry / "environ").read_bytes().split(b"\0")
            if command and terminal == "0" and ours:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def end(pids: list[int], number: signal.Signals) -> None:
    """Signal processes; those that are gone already don't matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def only_one() -> socket.socket | None:
    """
    A socket that one process of this host can have at a time, and without a file; C{None} when another has it.

    Who has it may want the usual ports; two who ask for them at once would both find them free.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind("\0octavia-tx-demo")
    except OSError:
        claim.close()
        return None
    return claim


def free_port(wanted: int, kind: socket.SocketKind = socket.SOCK_STREAM, address: str = "127.0.0.1") -> int:
    """The wanted port of loopback if nobody has it, else any free one."""
    for port in (wanted, 0):
        with closing(socket.socket(socket.AF_INET, kind)) as probe, suppress(OSError):
            probe.bind((address, port))
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")


def listens(address: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    with closing(socket.socket(socket.AF_INET)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0
