"""
What an agent takes: C{python -m benchmarks.endurance [--minutes 6]}.

At rest and at work, with one load balancer of 1,000 members, and with 50 load balancers. Work is a storm of signs from
haproxy: the agent looks ten times as often as at rest then, so that 6 minutes are an hour's looks; and a member goes
and comes all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from benchmarks.processes import cpu_seconds, resident
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.wire import envelope
from octavia_tx.wire.envelope import Kind
from octavia_tx.wire.tls import Role

AMPHORA: Final = "11111111-1111-4111-8111-111111111111"
KEY: Final = bytes(32)
REST: Final = 20.0  # seconds


class Receiver(threading.Thread):
    """Acknowledges alerts, and counts them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.alerts = 0

    def run(self) -> None:
        """For as long as the process lives."""
        while True:
            datagram, sender = self._socket.recvfrom(2000)
            header, _body = envelope.unseal(KEY, datagram)
            if header.kind is Kind.ALERT:
                self.alerts += 1
                self._socket.sendto(envelope.answer(KEY, Kind.ACKNOWLEDGEMENT, header), sender)


def _text(number: int, members: int) -> str:
    """A configuration as rendered, but for what isn't used."""
    listener, pool = _id(1, number), _id(2, number)
    servers = "".join(f"    server {_id(3, number * 1000 + n)} 127.0.0.1:9\n" for n in range(members))
    return (
        "global\n    log unix@alarm.sock format raw daemon notice\n"
        "    stats socket unix@worker.sock mode 600 level admin\n"
        "defaults\n    log global\n    mode http\n"
        "    timeout connect 5s\n    timeout client 50s\n    timeout server 50s\n"
        f"frontend {listener}\n    maxconn 100\n    bind 127.77.0.{number + 1}:18080\n"
        f"    default_backend {pool}:{listener}\nbackend {pool}:{listener}\n{servers}"
    )


def _id(kind: int, number: int) -> str:
    return str(UUID(int=(kind << 96) + (4 << 76) + (8 << 60) + number))


class Amphora:
    """An agent with as many load balancers as given, in a directory."""

    def __init__(self, directory: Path, receiver: Receiver, balancers: int, members: int) -> None:
        self._directory = directory
        self._places = [directory / "load_balancers" / _id(4, n) for n in range(balancers)]
        for number, place in enumerate(self._places):
            place.mkdir(parents=True)
            (place / "haproxy.cfg").write_text(_text(number, members))
        authority = Authority.load_or_create(directory / "ca")
        credential = authority.issue(Role.AMPHORA, AMPHORA)
        (directory / "agent.pem").write_bytes(credential.pem)
        (directory / "authority.pem").write_bytes(credential.authority)
        (directory / "agent.toml").write_text(
            f'amphora_id = "{AMPHORA}"\nlisten = "tcp:0:interface=127.0.0.1"\nhaproxy = {json.dumps(find_haproxy())}\n'
            f'[heartbeat]\nreceivers = ["127.0.0.1:{receiver.port}"]\nkey = "{KEY.hex()}"\n'
            f'[certificates]\ndirectory = "{directory}/none"\n'
        )
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [sys.executable, twistd, "-n", "--pidfile=", "octavia-amphora-agent", "--config"]
        with (directory / "agent.log").open("wb") as log:
            self.agent = subprocess.Popen([*command, str(directory / "agent.toml")], stdout=log, stderr=log)

    def tell(self, number: int, command: str) -> None:
        """Have haproxy do something."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._places[number] / "worker.sock"))
            asking.sendall(f"{command}\n".encode())
            asking.recv(4096)

    def sign(self) -> None:
        """As if each haproxy had seen something."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
            telling.setblocking(False)
            for place in self._places:
                with suppress(BlockingIOError):
                    telling.sendto(b"!", str(place / "alarm.sock"))

    def end(self) -> None:
        """The agent, and its haproxies."""
        self.agent.terminate()
        self.agent.wait()
        for place in self._places:
            with suppress(OSError, ValueError):
                os.kill(int((place / "haproxy.pid").read_text()), 15)


def _measure(balancers: int, members: int, minutes: float) -> None:
    receiver = Receiver()
    receiver.start()
    with tempfile.TemporaryDirectory(prefix="octavia-tx-") as directory:
        amphora = Amphora(Path(directory), receiver, balancers, members)
        pid = amphora.agent.pid
        try:
            time.sleep(10 + balancers / 5)
            _say(f"{balancers} load balancers of {members} members", pid, REST, lambda: time.sleep(1))
            pool, turn = f"{_id(2, 0)}:{_id(1, 0)}/{_id(3, 0)}", 0

            def work() -> None:
                nonlocal turn
                turn += 1
                amphora.sign()
                amphora.tell(0, f"{'disable' if turn % 2 else 'enable'} server {pool}")
                time.sleep(0.05)

            for _ in range(3):
                _say("  at work", pid, minutes * 20, work)
            sys.stdout.write(f"  alerts: {receiver.alerts}\n")
        finally:
            amphora.end()


def _say(what: str, pid: int, seconds: float, work: object) -> None:
    assert callable(work)
    begun, used = time.monotonic(), cpu_seconds([pid])
    while (taken := time.monotonic() - begun) < seconds:
        work()
    share = (cpu_seconds([pid]) - used) / taken
    sys.stdout.write(f"{what}: {resident(pid):.1f} MiB, {share:.1%} of a core\n")
    sys.stdout.flush()


def main() -> None:
    """Both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0)
    minutes = parser.parse_args().minutes
    _measure(1, 1000, minutes)
    _measure(50, 20, minutes)


if __name__ == "__main__":
    main()
