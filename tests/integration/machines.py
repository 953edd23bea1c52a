"""Machines on this host for tests: a directory that is surely emptied, also of processes, when the test ends."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.filepath import FilePath
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.machines import Place
from octavia_tx.cloud.process import ProcessCompute

STANDIN = Path(__file__).with_name("standin_agent.py")


def standin_command(place: Place) -> tuple[str, ...]:
    """Run the stand-in for the agent."""
    return (sys.executable, str(STANDIN), "--config", f"{place.directory}/agent.toml")


def naming(directory: Path) -> dict[int, str]:
    """The command lines of all processes that name the directory: found apart from the code under test."""
    found = {}
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdecimal() and str(directory).encode() in (line := Path("/proc", name, "cmdline").read_bytes()):
                found[int(name)] = line.replace(b"\0", b" ").decode()
    return found


def agents(directory: Path) -> list[int]:
    """The agents among them."""
    return [pid for pid, line in naming(directory).items() if f"--config {directory}" in line]


def own_directory(case: TestCase) -> Path:
    """The test's own directory of machines, the same at each call; short, for the sockets in it."""
    known: dict[str, Path] = case.__dict__.setdefault("_machines", {})
    if not known:
        known["root"] = root = Path(mkdtemp(prefix="otx-")).resolve()

        def clean() -> None:
            for pid in naming(root):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            FilePath(str(root)).remove()

        case.addCleanup(clean)
    return known["root"]


def controller(case: TestCase, *, haproxy: str = "haproxy", standin: bool = True) -> ProcessCompute:
    """A compute driver as a controller runs it, over the test's own directory; called again: a restarted one."""
    command = standin_command if standin else None
    compute = ProcessCompute(IReactorTime(reactor), own_directory(case), haproxy, command=command)
    compute.startService()
    case.addCleanup(lambda: compute.stopService() if compute.running else None)
    return compute


async def sleep(seconds: float) -> None:
    """Let the reactor run."""
    await deferLater(IReactorTime(reactor), seconds)
