"""What haproxy itself says of a configuration: checked, dumped, or started and asked."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, run
from tempfile import TemporaryDirectory
from typing import Final

from attrs import frozen

from octavia_tx.wire.rest import peer_name
from tests.amphora_driver.gallery import AMPHORA
from tests.integration.haproxy_process import HAPROXY, PATIENCE, place, without_states

CAN_DUMP: Final = b"-dC" in run([HAPROXY, "-h"], stdout=PIPE, stderr=STDOUT, timeout=PATIENCE).stdout


@contextmanager
def placed(text: str, files: Mapping[str, bytes]) -> Iterator[list[str]]:
    """The command that reads this configuration, beside these certificates."""
    # Its sockets lie there, whose names may not be long.
    with TemporaryDirectory(prefix="octavia-tx-test-") as name:
        path = Path(name) / "haproxy.cfg"
        path.write_text(text)
        place(path.parent, files)
        yield [HAPROXY, "-C", name, "-L", peer_name(AMPHORA), "-f", str(path)]


def complaints(command: list[str]) -> str:
    """What haproxy has against a configuration."""
    done = run([*command, "-c"], capture_output=True, text=True, timeout=PATIENCE)
    said = without_states(done.stderr)
    return said if done.returncode or "WARNING" in said else ""


def dump(command: list[str]) -> list[str]:
    """The words of each line that has any, as haproxy splits them, with a space after each."""
    done = run([*command, "-c", "-dC"], capture_output=True, timeout=PATIENCE)
    lines = done.stdout.decode().split("\n")
    # The last line says that it is a dump.
    return [line.removeprefix("\t") for line in lines[:-2] if line.strip("\t ")]


@frozen
class Worker:
    """One that was started."""

    socket: Path

    def ask(self, words: str) -> str:
        """Its answer on the runtime socket."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(str(self.socket))
            asking.sendall(f"{words}\n".encode())
            answer = b""
            while more := asking.recv(65536):
                answer += more
        return answer.decode()

    def statistics(self) -> list[dict[str, str]]:
        """A line for each section and server."""
        return list(csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines()))

    def servers(self) -> dict[tuple[str, str], dict[str, str]]:
        """What it knows of each, by back end and name."""
        _, names, *lines = self.ask("show servers state").splitlines()
        keys = names.removeprefix("# ").split(" ")
        found = (dict(zip(keys, line.split(" "), strict=True)) for line in lines if line)
        return {(each["be_name"], each["srv_name"]): each for each in found}

    def patterns(self) -> dict[int, list[str]]:
        """What its conditions compare with, by the number of the line that has them; several in one are several."""
        found: dict[int, list[str]] = {}
        # Several lines are one entry, where they ask for the same.
        for number, line in re.findall(r"^(\d+) \(.*?\) acl '\S+' file '\S*' line (\d+)", self.ask("show acl"), re.M):
            entries = self.ask(f"show acl #{number}").split("\n")
            found.setdefault(int(line), []).extend(entry.partition(" ")[2] for entry in entries if entry)
        return found


@contextmanager
def started(command: list[str]) -> Iterator[Worker]:
    """A worker that serves, until the end."""
    directory = Path(command[command.index("-C") + 1])
    pid = directory / "pid"
    # It comes back once it listens.
    done = run([*command, "-D", "-p", str(pid)], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        text = Path(command[-1]).read_text()
        raise AssertionError(f"haproxy doesn't start: {done.stderr}{text}")
    try:
        yield Worker(directory / "worker.sock")
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def exchanged(port: int, request: str) -> str:
    """The head of what comes back from this machine's port."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as asking:
        asking.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (more := asking.recv(65536)):
            answer += more
    return answer.partition(b"\r\n\r\n")[0].decode()
