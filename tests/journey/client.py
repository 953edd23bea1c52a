"""OpenStack's own command-line client, as a user runs it against a running system."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from octavia_tx.demo.story import clouds_yaml
from octavia_tx.demo.tenant import Visitor
from tests.integration.system import SystemCase

NOOP = {f"OCTAVIA_TX_{section}__DRIVER": "noop" for section in ("COMPUTE", "NETWORK", "AMPHORA")}
"""Settings of a system without anything behind its API: whatever is named exists, and all is done at once."""

_PATIENCE = 120  # seconds for one command, its --wait included


class Unexpected(AssertionError):
    """A command failed that should have done its work, or the other way round."""


class OpenStackClient:
    """
    Runs C{openstack} with nothing of the user's own: another home, and what C{clouds.yaml} says of one cloud there.

    Commands are given as one would type them, without the word C{openstack}.
    """

    def __init__(self, home: Path, clouds: str, cloud: str) -> None:
        home.mkdir(exist_ok=True)
        file = home / "clouds.yaml"
        file.write_text(clouds)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        own = {"HOME": str(home), "OS_CLIENT_CONFIG_FILE": str(file), "OS_CLOUD": cloud}
        self._environment = {**inherited, **own, "PYTHONWARNINGS": "ignore"}

    async def do(self, command: str) -> str:
        """Run a command that has to succeed; gives what it prints."""
        done = await self._run(command)
        if done.returncode:
            raise Unexpected(f"openstack {command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    async def ask(self, command: str) -> Any:
        """Run a command that shows or lists something; gives it."""
        return json.loads(await self.do(f"{command} -f json"))

    async def refused(self, command: str) -> str:
        """Run a command that has to fail; gives what it says."""
        done = await self._run(command)
        if not done.returncode:
            raise Unexpected(f"openstack {command} succeeded:\n{done.stdout}")
        return done.stderr

    async def until_replaced(self, amphora: str) -> None:
        """Look until another amphora serves, and this one has finished what it had; a look takes about a second."""
        for _ in range(60):
            listed = await self.ask("loadbalancer amphora list --status ALLOCATED")
            if listed and amphora not in {each["id"] for each in listed}:
                return
        raise Unexpected(f"Amphora {amphora} still serves: {listed}")

    async def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("openstack"))

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [program, *shlex.split(command)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )

        return await deferToThread(run)


class ClientCase(SystemCase):
    """Has C{self.openstack}, for the system that L{begin} starts."""

    openstack: OpenStackClient

    async def begin(self, *back_ends: str) -> None:
        """Start the controller and back ends, each of which answers with its name."""
        self.system.start_controller()
        # As the demo tells its viewers.
        self.openstack = OpenStackClient(self.system.directory / "home", clouds_yaml(self.system), "octavia-tx")
        await self.system.wait_for_api()
        for name in back_ends:
            await self.system.start_back_end(name)

    async def visitors(self, address: str, port: int, requests: int = 10, path: str = "") -> Counter[str]:
        """Who answers users of a VIP; every request must be answered."""
        visitor = Visitor(self.system.reactor, address, port)
        visitor.url += path
        for _ in range(requests):
            await visitor.visit()
        self.assertEqual(visitor.failed, Counter())
        return visitor.served

    async def settled(self, name: str) -> dict[str, Any]:
        """The load balancer of that name, once it is C{ACTIVE}; C{--wait} looks each 3 s only."""
        _code, listed = await self.tenant.call("GET", f"/loadbalancers?name={name}")
        (found,) = listed["loadbalancers"]
        return await self.until_active(found["id"])
