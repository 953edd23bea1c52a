"""One agent by itself: fifty load balancers at once, and each of its calls with a large one."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import ssl
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

from attrs import evolve

from benchmarks.processes import cpu_seconds, resident
from benchmarks.table import Row
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.demo import processes
from octavia_tx.model.certificates import Bundle, Secrets
from octavia_tx.model.resources import L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.tree import Tree
from octavia_tx.wire.rest import (
    FENCE_HEADER,
    action_path,
    certificate_path,
    certificates_path,
    haproxy_path,
    haproxy_text_path,
    removal_path,
)
from octavia_tx.wire.tls import Role

COLOCATED, POOLS, MEMBERS, RULES = 50, 20, 1000, 50
REST: Final = 10.0
"""Seconds at rest."""
SLOWEST: Final = 4
"""Calls that are told of in the table; all are on standard error."""
_ANY: Final[dict[str, Any]] = {"project_id": "benchmark", "created_at": datetime(2030, 1, 1, tzinfo=UTC)}


class Agent:
    """An agent that was started, and how long each of its calls took."""

    def __init__(self, directory: Path) -> None:
        self.identifier = str(uuid.uuid4())
        self._directory = directory
        self.authority = Authority.load_or_create(directory / "ca")
        self._own = directory / "state"  # by which processes are found that belong here
        self._memory = Path("/dev/shm") / f"octavia-tx-benchmark-{self.identifier}"  # noqa: S108 - nobody guesses it
        self._port = processes.free_port(0)
        self.took: dict[str, list[float]] = {}

    def start(self) -> None:
        """Until it answers."""
        self._own.mkdir(exist_ok=True)
        credential = self.authority.issue(Role.AMPHORA, self.identifier)
        for name, content in (("agent.pem", credential.pem), ("authority.pem", credential.authority)):
            (self._own / name).write_bytes(content)
        (self._own / "agent.toml").write_text(
            f'amphora_id = "{self.identifier}"\n[heartbeat]\nreceivers = ["127.0.0.1:9"]\nkey = "{"00" * 32}"\n'
            f'interval = 3.0\n[controllers]\nurls = []\n[certificates]\ndirectory = "{self._memory}"\n'
        )
        ours = self.authority.issue(Role.CONTROLLER, "benchmark")
        (self._directory / "controller.pem").write_bytes(ours.pem)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.load_verify_locations(cadata=ours.authority.decode())
        self._tls.load_cert_chain(self._directory / "controller.pem")
        twistd = processes.controller_command(self._directory)[:-2]
        options = ["--config", str(self._own / "agent.toml"), "--haproxy", find_haproxy()]
        listen = ["--listen", f"tcp:{self._port}:interface=127.0.0.1"]
        command = [*twistd, "--pidfile=", "octavia-amphora-agent", *options, *listen]
        self.process = processes.start(command, {}, self._directory / "agent.log")
        for _ in range(500):
            try:
                self.call("GET", "/")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError((self._directory / "agent.log").read_text())

    def call(self, method: str, path: str, body: str = "", what: str = "") -> bytes:
        """One call, noted as C{what}; raises for what isn't 2xx."""
        begun = time.perf_counter()
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=10)
        try:
            connection.request(method, path, body.encode() or None, {FENCE_HEADER: "1"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        if what:
            self.took.setdefault(what, []).append(time.perf_counter() - begun)
        return content

    def apply(self, tree: Tree, secrets: Secrets, reload: str = "reload") -> None:
        """As a controller does; its last call is noted as C{reload}."""
        identifier = tree.load_balancer.id
        for name, content in files(tree, secrets).items():
            self.call("PUT", certificate_path(identifier, name), content.decode(), "PUT certificate")
        text = Renderer().render(tree, self.identifier)
        self.call("PUT", haproxy_path(self.identifier, identifier), text, "PUT configuration")
        self.call("PUT", action_path(identifier, "reload"), "", reload)

    def end(self) -> None:
        """Leave nothing."""
        for _ in range(100):
            if not (left := list(processes.belonging(self._directory))):
                break
            processes.end(left, SIGKILL)
            self.process.poll()
            time.sleep(0.05)
        shutil.rmtree(self._memory, ignore_errors=True)


@contextmanager
def started() -> Iterator[Agent]:
    """One, until the end."""
    with tempfile.TemporaryDirectory(prefix="octavia-tx-benchmark-") as scratch:
        agent = Agent(Path(scratch))
        try:
            agent.start()
            yield agent
        finally:
            agent.end()


def _tree(pools: int, members: int, rules: int = 0, *, tls: bool = False) -> Tree:
    """A load balancer at an address of its own."""
    host = f"127.{random.randint(100, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    identifier = str(uuid.uuid4())
    child = {**_ANY, "load_balancer_id": identifier}
    found = [Pool(id=str(uuid.uuid4()), protocol="HTTP", lb_algorithm="ROUND_ROBIN", **child) for _ in range(pools)]
    kinds: list[dict[str, Any]] = [{"protocol": "HTTP", "protocol_port": 8080}]
    if tls:
        shown = {"default_tls_container_ref": "reference"}
        kinds.append({"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, **shown})
    listeners = [Listener(id=str(uuid.uuid4()), default_pool_id=found[0].id, **child, **kind) for kind in kinds]
    policies = [
        L7Policy(
            id=str(uuid.uuid4()), listener_id=listeners[0].id, action="REDIRECT_TO_POOL", position=1 + number,
            redirect_pool_id=pool.id, **child,
        )
        for number, pool in enumerate(found[1:])
    ]  # fmt: skip
    return Tree(
        load_balancer=LoadBalancer(id=identifier, vip_address=host, **_ANY),
        listeners=tuple(listeners),
        pools=tuple(found),
        members=tuple(
            Member(
                id=str(uuid.uuid4()), pool_id=found[n % pools].id, protocol_port=8080,
                address=f"127.2.{n // 250}.{1 + n % 250}", **child,
            )
            for n in range(members)
        ),
        l7policies=tuple(policies),
        l7rules=tuple(
            L7Rule(
                id=str(uuid.uuid4()), l7policy_id=policies[n % len(policies)].id, type="PATH",
                compare_type="STARTS_WITH", value=f"/{n}/", **child,
            )
            for n in range(rules)
        ),
    )  # fmt: skip


def _secrets(agent: Agent) -> Secrets:
    """Any certificate for the one reference."""
    pem = agent.authority.issue(Role.AMPHORA, "shown").pem.decode()
    certificate, mark, key = pem.partition("-----BEGIN PRIVATE KEY-----")
    return Secrets(bundles={"reference": Bundle(certificate=certificate, key=mark + key)})


def _row(what: str, value: float, unit: str, goal: str = "") -> Row:
    return Row(what=what, ours=value, unit=unit, more_is_better=False, goal=goal)


def rows() -> Iterator[Row]:
    """All of it."""
    with started() as agent:
        yield from _colocated(agent)
    with started() as agent:
        yield from _large(agent)


def _colocated(agent: Agent) -> Iterator[Row]:
    secrets = _secrets(agent)
    trees = [_tree(1, 2, tls=number % 4 == 0) for number in range(COLOCATED)]
    begun = time.perf_counter()
    for tree in trees:
        agent.apply(tree, secrets)
    what = f"{COLOCATED} load balancers on one amphora"
    yield _row(f"{what}: all created", time.perf_counter() - begun, "s")
    pid = [agent.process.pid]
    for tree in trees:
        agent.apply(evolve(tree, members=tree.members[:1]), secrets)
    for _ in range(5):
        agent.call("GET", "/1.0/details", what="details")
        agent.call("GET", "/1.0/listeners", what="listeners")
    slowest = max(agent.took, key=lambda call: max(agent.took[call]))
    yield _row(f"{what}: the slowest call, {slowest}", 1000 * max(agent.took[slowest]), "ms", "≤ 1 s")
    used, begun = cpu_seconds(pid), time.perf_counter()
    time.sleep(REST)
    share = (cpu_seconds(pid) - used) / (time.perf_counter() - begun)
    yield _row(f"{what}: the agent's processor time at rest", 100 * share, "%")
    yield _row(f"{what}: the agent's resident memory", resident(agent.process.pid), "MiB", "≤ 60 MiB")
    agent.process.kill()
    agent.process.wait()
    begun = time.perf_counter()
    agent.start()
    while json.loads(agent.call("GET", "/1.0/details"))["haproxy_count"] < COLOCATED:
        time.sleep(0.01)
    yield _row(f"{what}: the agent killed → the next one has found all", time.perf_counter() - begun, "s")


def _large(agent: Agent) -> Iterator[Row]:
    secrets = _secrets(agent)
    tree = _tree(POOLS, MEMBERS, RULES, tls=True)
    identifier = tree.load_balancer.id
    agent.apply(tree, secrets)
    for number in range(10):
        members = (*tree.members[:-1], evolve(tree.members[-1], weight=number))
        agent.apply(evolve(tree, members=members), secrets, "reload for a member's weight")
        for path in ("/1.0/info", "/1.0/details", "/1.0/listeners"):
            agent.call("GET", path, what=f"GET {path}")
        agent.call("GET", haproxy_text_path(identifier), what="GET configuration")
        agent.call("GET", certificates_path(identifier), what="GET certificates")
    for number in range(3):
        listeners = tuple(evolve(each, connection_limit=100 + number) for each in tree.listeners)
        agent.apply(evolve(tree, listeners=listeners), secrets, "reload for a listener's limit")
    for action in ("drain", "start", "stop", "start"):
        agent.call("PUT", action_path(identifier, action), what=action)
    agent.call("DELETE", removal_path(identifier), what="DELETE")
    for call, times in agent.took.items():
        print(f"{call}: {1000 * statistics.median(times):.1f} ms, worst {1000 * max(times):.1f} ms", file=sys.stderr)
    what = f"{MEMBERS:,} members, {POOLS} pools, {RULES} rules"
    for call in sorted(agent.took, key=lambda call: -max(agent.took[call]))[:SLOWEST]:
        yield _row(f"{what}: the agent's {call}, the slowest", 1000 * max(agent.took[call]), "ms", "≤ 1 s")
