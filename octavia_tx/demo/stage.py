"""The tour's stage: a directory of its own, a controller without a configuration file, back ends; and its clearing."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from octavia_tx.demo import processes
from octavia_tx.demo.tenant import Impatient, Tenant, pause


class Stage:
    """
    @ivar directory: holds all that the tour writes.
    @ivar members: each back end's port, by name.
    """

    def __init__(self, reactor: Any, directory: Path, ports: dict[str, int]) -> None:
        self.reactor = reactor
        self.directory = directory
        self.ports = ports
        self.members: dict[str, int] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._claim: socket.socket | None = None
        self.tenant = Tenant(reactor, f"http://127.0.0.1:{ports['api']}")

    @classmethod
    def build(cls, reactor: Any) -> Stage:
        """A new stage in a temporary directory, with ports that nobody uses: the usual ones for the first."""
        claim = processes.only_one()
        usual = claim is not None
        ports = {
            "api": processes.free_port(9876 if usual else 0),
            "amphora_api": processes.free_port(9444 if usual else 0),
            "health": processes.free_port(5555 if usual else 0, socket.SOCK_DGRAM),
            "vip": processes.free_port(8080, address="127.128.0.1"),
        }
        stage = cls(reactor, Path(tempfile.mkdtemp(prefix="octavia-tx-demo-")), ports)
        stage._claim = claim
        return stage

    @classmethod
    def kept(cls, reactor: Any, directory: Path) -> Stage:
        """The stage that an earlier tour left standing."""
        return cls(reactor, directory, json.loads((directory / "stage.json").read_text()))

    def keep(self) -> None:
        """Write down what is needed to clear the stage later."""
        (self.directory / "stage.json").write_text(json.dumps(self.ports))

    def environment(self) -> dict[str, str]:
        """The controller's settings: only its places differ from the defaults, so that several tours can run."""
        return {
            "OCTAVIA_TX_STATE__DIRECTORY": str(self.directory / "state"),
            "OCTAVIA_TX_API__LISTEN": f"tcp:{self.ports['api']}:interface=127.0.0.1",
            "OCTAVIA_TX_AMPHORA_API__LISTEN": f"tcp:{self.ports['amphora_api']}:interface=127.0.0.1",
            "OCTAVIA_TX_HEALTH__LISTEN": f"udp:{self.ports['health']}:interface=127.0.0.1",
            "OCTAVIA_TX_HEALTH__INTERVAL": "1",
        }

    def start_controller(self) -> None:
        """C{twistd octavia-controller}, without a configuration file."""
        command = processes.controller_command(self.directory)
        self._children["controller"] = processes.start(command, self.environment(), self.directory / "controller.log")

    async def wait_for_api(self, seconds: float = 30.0) -> None:
        """Until the API answers; raises L{Impatient} with the controller's last words when it ended or is late."""
        deadline = self.reactor.seconds() + seconds
        while not await self.tenant.answers():
            if self._children["controller"].poll() is not None or self.reactor.seconds() > deadline:
                raise Impatient("the controller doesn't answer. Its last words:\n" + self.last_words())
            await pause(self.reactor, 0.05)

    def last_words(self) -> str:
        """The end of the controller's log."""
        log = self.directory / "controller.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""

    async def start_back_end(self, name: str) -> None:
        """Start a back end; again on its former port, if it had one."""
        log = self.directory / f"{name}.log"
        log.unlink(missing_ok=True)
        command = processes.back_end_command(name, self.members.get(name, 0))
        self._children[name] = processes.start(command, {}, log)
        while not log.read_text().endswith("\n"):
            if self._children[name].poll() is not None:
                raise Impatient(f"back end {name} doesn't start: {log.read_text()}")
            await pause(self.reactor, 0.02)
        self.members[name] = int(log.read_text())

    def kill_back_end(self, name: str) -> None:
        """End a back end as a crash would."""
        self._children[name].kill()
        self._children[name].wait()

    async def stop(self) -> None:
        """Ask the controller and the back ends to end, and wait until they have."""
        ours = ("octavia-controller", "octavia_tx.demo.back_end")
        pids = [pid for pid, command in self.left().items() if any(word in command for word in ours)]
        processes.end(pids, signal.SIGTERM)
        await self._wait_until_empty(10.0)

    async def _wait_until_empty(self, seconds: float) -> None:
        deadline = self.reactor.seconds() + seconds
        while self.left() and self.reactor.seconds() < deadline:
            for child in self._children.values():
                child.poll()
            await pause(self.reactor, 0.05)

    def left(self) -> dict[int, str]:
        """Processes of this stage that still run."""
        return processes.belonging(self.directory)

    async def clear(self) -> None:
        """Whatever happened: end what still runs, and remove the directory."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            processes.end(list(self.left()), number)
            await self._wait_until_empty(3.0)
        shutil.rmtree(self.directory, ignore_errors=True)
