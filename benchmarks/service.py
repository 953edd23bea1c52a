"""A load balancing service under measurement: ours, started for it, or another that runs already."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from octavia_tx.demo import processes


class Service:
    """@ivar endpoint: of its API."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request, answered with JSON; raises for errors."""
        request = urllib.request.Request(
            f"{self.endpoint}/v2/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "X-Project-Id": "benchmark", "X-Roles": "admin"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
        return json.loads(content) if content else None

    def load(self, path: str, connections: int, seconds: float, body: object = None) -> dict[str, Any]:
        """Load from a process of its own."""
        command = [
            sys.executable,
            "-m",
            "benchmarks.load",
            f"{self.endpoint}/v2/{path}",
            str(connections),
            str(seconds),
        ]
        if body is not None:
            command.append(json.dumps(body))
        told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return told

    def create(self, **tree: object) -> str:
        """A load balancer on some network; gives its id."""
        body = {"loadbalancer": {"name": "benchmark", "vip_subnet_id": str(uuid.uuid4()), **tree}}
        return str(self.call("POST", "lbaas/loadbalancers", body)["loadbalancer"]["id"])

    def wait_active(self, load_balancer: str, every: float = 0.002) -> dict[str, Any]:
        """Until it is ACTIVE."""
        for _ in range(int(60 / every)):
            shown: dict[str, Any] = self.call("GET", f"lbaas/loadbalancers/{load_balancer}")["loadbalancer"]
            if shown["provisioning_status"] == "ACTIVE":
                return shown
            time.sleep(every)
        raise TimeoutError(f"{load_balancer} doesn't become ACTIVE: {shown}")

    def delete_all(self) -> None:
        """Until none is left."""
        while listed := self.call("GET", "lbaas/loadbalancers")["loadbalancers"]:
            for found in listed:
                if found["provisioning_status"] in ("ACTIVE", "ERROR"):
                    self.call("DELETE", f"lbaas/loadbalancers/{found['id']}?cascade=true")
            time.sleep(0.2)


class Ours(Service):
    """@ivar directory: holds its state."""

    def __init__(self, directory: Path, port: int, settings: dict[str, str]) -> None:
        super().__init__(f"http://127.0.0.1:{port}")
        self.directory = directory
        self.environment = {
            "OCTAVIA_TX_STATE__DIRECTORY": str(directory / "state"),
            "OCTAVIA_TX_API__LISTEN": f"tcp:{port}:interface=127.0.0.1",
            "OCTAVIA_TX_AMPHORA_API__LISTEN": f"tcp:{processes.free_port(0)}:interface=127.0.0.1",
            "OCTAVIA_TX_HEALTH__LISTEN": f"udp:{processes.free_port(0)}:interface=127.0.0.1",
            **settings,
        }

    def start(self, daemon: str, *options: str) -> subprocess.Popen[bytes]:
        """One more daemon of the system."""
        command = [*processes.controller_command(self.directory)[:-2], "--pidfile=", daemon, *options]
        return processes.start(command, self.environment, self.directory / f"{daemon}.log")

    def wait_answering(self) -> None:
        """Until the API answers."""
        for _ in range(600):
            try:
                self.call("GET", "lbaas/loadbalancers")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError((self.directory / "octavia-controller.log").read_text()[-2000:])


NOOP = {
    "OCTAVIA_TX_COMPUTE__DRIVER": "noop",
    "OCTAVIA_TX_NETWORK__DRIVER": "noop",
    "OCTAVIA_TX_AMPHORA__DRIVER": "noop",
}


@contextmanager
def ours(settings: dict[str, str], *options: str) -> Iterator[Ours]:
    """Our whole system in one process, in a temporary directory; ended and removed afterwards."""
    service = Ours(Path(tempfile.mkdtemp(prefix="octavia-tx-benchmark-")), processes.free_port(0), settings)
    try:
        service.start("octavia-controller", *options)
        service.wait_answering()
        yield service
    finally:
        for number, seconds in ((SIGTERM, 5.0), (SIGKILL, 1.0)):
            processes.end(list(processes.belonging(service.directory)), number)
            deadline = time.monotonic() + seconds
            while processes.belonging(service.directory) and time.monotonic() < deadline:
                time.sleep(0.1)
        shutil.rmtree(service.directory)


def cpu_seconds(pids: list[int]) -> float:
    """User and system time that these processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100
