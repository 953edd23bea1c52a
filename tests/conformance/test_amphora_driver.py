"""The amphora drivers keep their contract: the fake in memory here, the real one in C{integration}."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from uuid import uuid4

from octavia_tx.cloud.authority import Authority
from octavia_tx.model.amphora import Amphora
from octavia_tx.testing.amphora import MemoryAmphorae
from octavia_tx.testing.amphora_driver import make_amphora_driver_tests
from octavia_tx.wire.tls import Credential, Role

CREATED_AT = datetime(2030, 1, 1, tzinfo=UTC)


class MemoryFixture:
    """Amphorae in memory."""

    def __init__(self) -> None:
        self.driver = MemoryAmphorae()
        self.stranger = self.driver.stranger()
        self.amphora = Amphora(id=str(uuid4()), lb_network_ip="192.0.2.1", created_at=CREATED_AT)
        self.silent = Amphora(id=str(uuid4()), lb_network_ip="192.0.2.2", created_at=CREATED_AT)
        self.vip_address = "198.51.100.1"
        self.ports = (80, 81, 82, 83)
        self.settings = "key = 1"
        self._directory = Path(mkdtemp(prefix="otx-authority-"))
        self._authority = Authority.load_or_create(self._directory)

    def credential(self, amphora_id: str) -> Credential:
        return self._authority.issue(Role.AMPHORA, amphora_id)

    async def start(self) -> None:
        self.driver.boot("192.0.2.1", self.amphora.id)

    async def stop(self) -> None:
        rmtree(self._directory)

    async def listens(self, port: int) -> bool:
        return self.driver.listens(self.vip_address, port)


class MemoryAmphoraeTests(make_amphora_driver_tests(MemoryFixture)):  # type: ignore[misc]
    """The fake, verified."""
