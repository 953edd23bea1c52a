"""What of new settings an agent could start with."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from amphora import next_start
from amphora.network_settings import NetworkSettings
from amphora.next_start import NextStart
from amphora.settings import Address, BadSettings, Heartbeat, Settings
from octavia_tx.wire.tls import Credential
from tests.integration.haproxy_process import HAPROXY

SH = str(shutil.which("sh"))
NOT_OURS = "203.0.113.77"


class Changes(TestCase):
    def setUp(self) -> None:
        self.now = Settings(
            directory=Path("/nowhere"),
            amphora_id="11111111-1111-4111-8111-111111111111",
            listen=self.listen(""),
            haproxy=SH,
            heartbeat=Heartbeat(receivers=(), key=b"", interval=1.0, envelope="octavia-tx"),
            controllers=(),
            certificates=None,
            credential=Credential(pem=b"", authority=b""),
            credential_file=Path("/nowhere/agent.pem"),
            network=NetworkSettings("amphora-haproxy"),
        )

    def listen(self, host: str, port: int = 0) -> Address:
        found = socket.create_server((host, port))
        self.addCleanup(found.close)
        return Address(host, found.getsockname()[1])

    def check(self, **changes: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(NextStart(reactor, self.now).check(evolve(self.now, **changes)))

    async def refused(self, field: str, **changes: Any) -> None:
        try:
            await self.check(**changes)
        except BadSettings as e:
            self.assertEqual([each.partition(":")[0] for each in e.problems], [field])
        else:
            self.fail(f"accepted: {changes}")

    async def test_what_is_as_now_is_not_looked_at(self) -> None:
        self.now = evolve(self.now, listen=Address(NOT_OURS, 1))
        await self.check()

    async def test_it_must_be_able_to_listen(self) -> None:
        await self.check(listen=Address("127.0.0.2", self.now.listen.port))
        await self.check(listen=Address("::", 0))
        await self.check(listen=Address("127.0.0.1", 0))
        await self.refused("listen", listen=Address(NOT_OURS, 0))
        await self.refused("listen", listen=Address(NOT_OURS, self.now.listen.port))
        await self.refused("listen", listen=self.listen("127.0.0.1"))

    async def test_haproxy_must_be_haproxy(self) -> None:
        await self.check(haproxy=HAPROXY)
        for other in ("ls", "cat", "sleep", "true"):
            await self.refused("haproxy", haproxy=str(shutil.which(other)))
        await self.refused("haproxy", haproxy="/nowhere/haproxy")

    async def test_one_that_says_nothing_for_long_is_none(self) -> None:
        self.patch(next_start, "PATIENCE", 0.1)
        silent = Path(self.mktemp()).absolute()
        silent.write_text("#!/bin/sh\nexec sleep 60\n")
        silent.chmod(0o700)
        await self.refused("haproxy", haproxy=str(silent))

    async def test_what_it_left_must_be_found_again(self) -> None:
        await self.refused("network.namespace", network=NetworkSettings("other"))
        await self.refused("network.namespace", network=NetworkSettings())
        await self.refused("base_path", directory=Path("/elsewhere"))
