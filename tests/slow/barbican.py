"""
A real barbican for tests, which believes the tests' keystone; out of a virtual environment of its own, which C{make
.venv/.barbican} makes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import SkipTest

import requests
from attrs import field, frozen
from twisted.internet.threads import deferToThread

from octavia_tx.model.references import Consumer
from tests.integration.key_manager import consumer, container_body, secret_body
from tests.integration.keystone import VENV, Keystone
from tests.integration.openstack_server import started
from tests.integration.postgres import fastest_directory

PYTHON = VENV / "barbican" / "bin" / "python"
INSTALLED = VENV / ".barbican"
SERVER = Path(__file__).with_name("barbican_server.py")
READER = "service"
"""Our user there, whom tenants let read."""


class Barbican:
    """
    One in a temporary directory.

    @ivar base: where it answers.
    @raise SkipTest: it isn't installed.
    """

    def __init__(self, keystone: Keystone) -> None:
        if not INSTALLED.exists():
            raise SkipTest("There's no barbican for tests: run make .venv/.barbican")
        self._directory = Path(tempfile.mkdtemp(prefix="otx-barbican-", dir=fastest_directory()))
        try:
            self._process, port = started(PYTHON, SERVER, self._directory, keystone.url, signal="KILL")
        except RuntimeError:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise
        self.base = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.communicate()

    def remove(self) -> None:
        """Stop it, and leave nothing of it."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


@frozen
class Tenant:
    """
    A user who keeps something there; see L{octavia_tx.testing.certificates.Keeper}.

    @ivar readers: the ids of the users whom they let read what they store, and nobody else.
    """

    base: str
    token: str = field(repr=False)
    readers: tuple[str, ...] = ()

    async def secret(self, payload: bytes) -> str:
        return await self._made("secrets", secret_body(payload), "secret_ref")

    async def container(self, secrets: Mapping[str, str]) -> str:
        return await self._made("containers", container_body(secrets), "container_ref")

    async def delete(self, reference: str) -> None:
        await self._call("DELETE", reference)

    async def consumers(self, reference: str) -> frozenset[Consumer]:
        shown = (await self._call("GET", f"{reference}/consumers"))["consumers"]
        return frozenset(map(consumer, shown))

    async def let_read(self, reference: str, *readers: str) -> None:
        """Let these users read it, who are none of the project's."""
        await self._call("PUT", f"{reference}/acl", {"read": {"users": readers}})

    async def _made(self, path: str, given: dict[str, Any], key: str) -> str:
        reference: str = (await self._call("POST", f"{self.base}/v1/{path}", given))[key]
        if self.readers:
            await self.let_read(reference, *self.readers)
        return reference

    async def _call(self, method: str, url: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": "key-manager 1.1"}
        answer = await deferToThread(requests.request, method, url, json=body, headers=headers, timeout=20)
        if not answer.ok:
            raise RuntimeError(f"{method} {url}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None
