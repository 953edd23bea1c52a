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
from urllib.parse import urlencode

from attrs import frozen

from octavia_tx.demo import processes

CONNECTIONS = 8
SECONDS = 4.0
LOAD = [sys.executable, "-m", "benchmarks.load"]


HEADERS = {"X-Project-Id": "benchmark", "X-Roles": "admin"}
"""Who asks, where nobody checks."""


@frozen(kw_only=True)
class Rate:
    """
    What a load was answered.

    @ivar accepted: requests, in so many C{seconds}.
    @ivar p50, p99: milliseconds until an answer; where a service refuses for now, until it accepts.
    @ivar codes: how many answers of each status.
    @ivar cpu: seconds of processor time that the load generator itself took.
    """

    accepted: int
    seconds: float
    p50: float
    p99: float
    codes: dict[str, int]
    cpu: float

    @property
    def a_second(self) -> float:
        """Accepted requests."""
        return self.accepted / self.seconds

    @property
    def times(self) -> tuple[float, float]:
        """For the table."""
        return self.p50, self.p99


class Service:
    """
    @ivar endpoint: of its API.
    @ivar headers: of each request.
    """

    def __init__(self, endpoint: str, headers: dict[str, str] | None = None) -> None:
        self.endpoint = endpoint
        self.headers = HEADERS if headers is None else headers

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request, answered with JSON; raises for errors."""
        request = urllib.request.Request(
            f"{self.endpoint}/v2/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", **self.headers},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
        return json.loads(content) if content else None

    def load(
        self,
        *requests: tuple[str, str, object],
        connections: int = CONNECTIONS,
        seconds: float = SECONDS,
        count: int | None = None,
        again: bool = False,
    ) -> Rate:
        """
        Load from a process of its own.

        @param requests: method, path and body; the first connection repeats the first of them, and so on.
        @param count: requests at most.
        @param again: whether 409 means only that it has to be asked again.
        @raise RuntimeError: an answer isn't 2xx.
        """
        order = {
            "endpoint": f"{self.endpoint}/v2/lbaas",
            "headers": self.headers,
            "requests": [
                {"method": method, "path": f"/{path}", "body": "" if body is None else json.dumps(body)}
                for method, path, body in requests
            ],
            "connections": connections,
            "seconds": seconds,
            "count": count,
            "again": again,
        }
        done = subprocess.run(LOAD, input=json.dumps(order).encode(), stdout=subprocess.PIPE, check=True)
        told: dict[str, Any] = json.loads(done.stdout)
        bad = {code: n for code, n in told["codes"].items() if not (code.startswith("2") or again and code == "409")}
        if bad:
            raise RuntimeError(f"{requests[0][:2]}: answers {bad}")
        return Rate(**told)

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

    def listed(self, **asked: str) -> list[dict[str, Any]]:
        """Load balancers, by arguments of a list."""
        found: list[dict[str, Any]] = self.call("GET", f"lbaas/loadbalancers?{urlencode(asked)}")["loadbalancers"]
        return found

    def settle(self, patience: float = 600.0) -> None:
        """Until nothing is being created or changed."""
        deadline = time.monotonic() + patience
        while any(self.listed(provisioning_status=s, limit="1") for s in ("PENDING_CREATE", "PENDING_UPDATE")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.endpoint}: load balancers are still pending")
            time.sleep(0.2)

    def delete_all(self, **asked: str) -> None:
        """Until none is left, or none of those asked for."""
        while listed := self.listed(**asked):
            for found in listed:
                if found["provisioning_status"] in ("ACTIVE", "ERROR"):
                    self.call("DELETE", f"lbaas/loadbalancers/{found['id']}?cascade=true")
            time.sleep(0.2)


class Ours(Service):
    """
    @ivar directory: holds its state.
    @ivar daemons: its processes by name.
    @ivar sampled: whether they tell where their time goes, see L{benchmarks.sampler}.
    """

    def __init__(self, directory: Path, port: int, settings: dict[str, str]) -> None:
        super().__init__(f"http://127.0.0.1:{port}")
        self.directory = directory
        self.sampled = False
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            "OCTAVIA_TX_STATE__DIRECTORY": str(directory / "state"),
            "OCTAVIA_TX_API__LISTEN": f"tcp:{port}:interface=127.0.0.1",
            "OCTAVIA_TX_AMPHORA_API__LISTEN": f"tcp:{processes.free_port(0)}:interface=127.0.0.1",
            "OCTAVIA_TX_HEALTH__LISTEN": f"udp:{processes.free_port(0)}:interface=127.0.0.1",
            **settings,
        }

    def start(
        self, daemon: str, *options: str, settings: dict[str, str] | None = None, log: str = ""
    ) -> subprocess.Popen[bytes]:
        """
        One more daemon of the system.

        @param settings: beyond those of the system.
        @param log: what its log, and it itself here, is called; else as the daemon.
        """
        name = log or daemon
        twistd = processes.controller_command(self.directory)[1:-2]
        if self.sampled:
            twistd = ["-m", "benchmarks.sampler", str(self.directory / f"{name}.samples"), *twistd[1:]]
        command = [sys.executable, *twistd, "--pidfile=", daemon, *options]
        environment = {**self.environment, **(settings or {})}
        self.daemons[name] = processes.start(command, environment, self.directory / f"{name}.log")
        return self.daemons[name]

    def start_deployed(self) -> None:
        """The controller, and the API beside it, answering."""
        self.start("octavia-controller", "--without-api")
        self.start("octavia-api")
        wait_answering(self, self.directory / "octavia-api.log")

    def start_again(self) -> None:
        """The same, after they have ended."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait()
        self.start_deployed()

    def api(
        self, *options: str, settings: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Service:
        """A further API over the same database, answering."""
        port = processes.free_port(0)
        listen = {"OCTAVIA_TX_API__LISTEN": f"tcp:{port}:interface=127.0.0.1"}
        self.start("octavia-api", *options, settings={**listen, **(settings or {})}, log=f"octavia-api-{port}")
        service = Service(f"http://127.0.0.1:{port}", headers)
        wait_answering(service, self.directory / f"octavia-api-{port}.log")
        return service


def wait_answering(service: Service, log: Path) -> None:
    """Until its API answers."""
    for _ in range(600):
        try:
            service.listed(limit="1")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(log.read_text()[-2000:])


NOOP = {
    "OCTAVIA_TX_COMPUTE__DRIVER": "noop",
    "OCTAVIA_TX_NETWORK__DRIVER": "noop",
    "OCTAVIA_TX_AMPHORA__DRIVER": "noop",
}


@contextmanager
def ours(settings: dict[str, str], *options: str) -> Iterator[Ours]:
    """Our whole system in one process, in a temporary directory; ended and removed afterwards."""
    with _somewhere(settings) as service:
        service.start("octavia-controller", *options)
        wait_answering(service, service.directory / "octavia-controller.log")
        yield service


@contextmanager
def deployment(settings: dict[str, str], *, sampled: bool = False) -> Iterator[Ours]:
    """Our system as one deploys it: the controller, and one process beside it for the API."""
    with _somewhere(settings) as service:
        service.sampled = sampled
        service.start_deployed()
        yield service


@contextmanager
def _somewhere(settings: dict[str, str]) -> Iterator[Ours]:
    service = Ours(Path(tempfile.mkdtemp(prefix="octavia-tx-benchmark-")), processes.free_port(0), settings)
    try:
        yield service
    finally:
        for number, seconds in ((SIGTERM, 5.0), (SIGKILL, 1.0)):
            processes.end(list(processes.belonging(service.directory)), number)
            deadline = time.monotonic() + seconds
            while processes.belonging(service.directory) and time.monotonic() < deadline:
                time.sleep(0.1)
        shutil.rmtree(service.directory)
