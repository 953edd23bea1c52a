"""A tenant's certificates on their way through the whole system, to users who come by TLS."""

from __future__ import annotations

import os
import signal
from base64 import b64encode
from typing import Any

from octavia_tx.testing.certificates import Material
from octavia_tx.wire.rest import certificates_directories
from tests.integration.tls_peers import Client, Heard
from tests.journey.sdk import SdkCase


class TerminationTests(SdkCase):
    """Stored and referred to by openstacksdk."""

    async def heard(self, address: str) -> Heard:
        """What a user hears, once one is served."""
        for _ in range(200):
            try:
                if (heard := await Client(self).ask(address, 8443)) is not None:
                    return heard
            except OSError:
                pass
            await self.pause(0.05)
        raise self.failureException("nobody is served by TLS")

    async def stored(self, host: str) -> Any:
        """A certificate with its key in the key manager."""
        payload = b64encode(Material.new(host).pkcs12).decode()
        described = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
        keeper = await self.call(lambda: self.cloud.key_manager)
        return await self.call(keeper.create_secret, name=host, payload=payload, **described)

    async def test_users_come_by_tls_also_after_a_reboot_and_nothing_is_left_of_the_key(self) -> None:
        await self.begin("red")
        first, second = [await self.stored(host) for host in ("one.example.com", "two.example.com")]
        tree = self.tree("red")
        tree["listeners"][0] |= {
            "protocol": "TERMINATED_HTTPS",
            "protocol_port": 8443,
            "default_tls_container_ref": first.secret_ref,
        }
        made = await self.call(self.service.create_load_balancer, **tree)
        balancer = await self.waited(made.id)
        heard = await self.heard(balancer.vip_address)
        self.assertEqual((heard.status, heard.host), (200, "one.example.com"))
        (amphora,) = await self.call(self.service.amphorae, loadbalancer_id=balancer.id)
        (lying,) = (place for place in certificates_directories(amphora.id) if place.exists())
        # As by a reboot: what was in memory is lost, and nothing runs.
        for path in (lying / balancer.id).iterdir():
            path.unlink()
        for pid in self.system.running(f"amphorae/{amphora.id}"):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual((await self.heard(balancer.vip_address)).host, "one.example.com")
        (listener,) = await self.call(self.service.listeners, load_balancer_id=balancer.id)
        before = self.system.running(f"amphorae/{amphora.id}")
        await self.call(self.service.update_listener, listener.id, default_tls_container_ref=second.secret_ref)
        await self.waited(made.id)
        self.assertEqual((await self.heard(balancer.vip_address)).host, "two.example.com")
        self.assertEqual(self.system.running(f"amphorae/{amphora.id}"), before)  # haproxy took it up as it runs
        await self.call(self.service.delete_load_balancer, balancer.id, cascade=True)
        await self.call(self.service.wait_for_delete, balancer, 0.1, 60)
        for _ in range(200):
            if not lying.exists():
                return
            await self.pause(0.05)
        self.fail(f"{lying} is left")
