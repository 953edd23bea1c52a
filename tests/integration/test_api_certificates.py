"""What listeners and pools refer to is looked at before anything is written, and kept as long as it is used."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from octavia_tx.testing.certificates import Material
from tests.integration.api import SUBNET
from tests.integration.key_manager import KeyManagerCase, Tenant


class CertificateCase(KeyManagerCase):
    """A load balancer, and what it may refer to."""

    accept_all = True

    async def _prepare(self) -> None:
        await super()._prepare()
        self.keeper = Tenant(self, "default")
        self.material = Material.new()
        self.balancer = await self.load_balancer()
        self.good = await self.keeper.secret(self.material.pkcs12)
        self.authority = await self.keeper.secret(self.material.certificate)

    def tls(self, **fields: Any) -> dict[str, Any]:
        return {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": self.good, **fields}

    async def refused(self, kind: str, where: str, status: int = 400, **fields: Any) -> str:
        """A new object that isn't made, for the sake of a field."""
        reply = await self.ask("POST", f"{kind}s", {kind: fields})
        self.assertEqual(reply.status, status, reply)
        self.assertIn(where, reply.sentence)
        self.assertNotIn("PRIVATE KEY", reply.sentence)
        return reply.sentence


class Judging(CertificateCase):
    async def test_a_container_and_a_pkcs12_secret_are_accepted(self) -> None:
        parts = {"certificate": self.material.certificate, "private_key": self.material.key}
        container = await self.keeper.bundle(**parts)
        fields = self.tls(sni_container_refs=[container, self.good], client_ca_tls_container_ref=self.authority)
        made = await self.listener(self.balancer["id"], **fields)
        self.assertEqual(made["sni_container_refs"], [container, self.good])
        made = await self.pool(
            self.balancer["id"], tls_enabled=True, tls_container_ref=container, ca_tls_container_ref=self.authority
        )
        self.assertEqual(made["tls_container_ref"], container)

    async def test_what_cannot_be_used_is_refused_by_its_field(self) -> None:
        balancer = {"loadbalancer_id": self.balancer["id"]}
        unknown, key = f"https://x/v1/secrets/{uuid4()}", await self.keeper.secret(self.material.key)
        foreign = await Tenant(self, "other").secret(self.material.pkcs12)
        mixed = await self.keeper.bundle(certificate=self.material.certificate, private_key=Material.new().key)
        for reference in (unknown, key, foreign, mixed, "nonsense"):
            where = "listener.default_tls_container_ref"
            await self.refused("listener", where, **balancer, **self.tls(default_tls_container_ref=reference))
            where = "listener.sni_container_refs[1]"
            await self.refused("listener", where, **balancer, **self.tls(sni_container_refs=[self.good, reference]))
        for field in ("client_ca_tls_container_ref", "client_crl_container_ref"):
            fields = self.tls(**{"client_ca_tls_container_ref": self.authority, field: key})
            await self.refused("listener", f"listener.{field}", **balancer, **fields)
        pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
        for field in ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref"):
            within = {**pool, "ca_tls_container_ref": self.authority, field: key}
            await self.refused("pool", f"pool.{field}", **balancer, **within)
            await self.refused("listener", f"default_pool.{field}", **balancer, **self.tls(default_pool=within))
        self.assertEqual((await self.ask("GET", "listeners")).body["listeners"], [])

    async def test_what_is_accepted_is_told(self) -> None:
        sentence = await self.refused(
            "listener",
            "listener.default_tls_container_ref",
            loadbalancer_id=self.balancer["id"],
            **self.tls(default_tls_container_ref="nonsense"),
        )
        self.assertIn("Accepted: the URL of a container or secret", sentence)

    async def test_a_whole_tree_is_judged_by_its_places(self) -> None:
        listener = self.tls(default_tls_container_ref="nonsense")
        await self.refused(
            "loadbalancer",
            "loadbalancer.listeners[0].default_tls_container_ref",
            vip_subnet_id=SUBNET,
            listeners=[listener],
        )
        listener = self.tls(protocol_port=444)
        made = await self.make("loadbalancer", vip_subnet_id=SUBNET, listeners=[listener])
        self.assertEqual(len(made["listeners"]), 1)

    async def test_a_change_is_judged_too(self) -> None:
        listener = await self.listener(self.balancer["id"], **self.tls())
        pool = await self.pool(self.balancer["id"], tls_enabled=True)
        for path, name, field in (
            (f"listeners/{listener['id']}", "listener", "default_tls_container_ref"),
            (f"pools/{pool['id']}", "pool", "ca_tls_container_ref"),
        ):
            reply = await self.ask("PUT", path, {name: {field: f"/v1/secrets/{uuid4()}"}})
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(f"{name}.{field}", reply.sentence)
            good = self.good if name == "listener" else self.authority
            self.assertEqual((await self.ask("PUT", path, {name: {field: good}})).status, 200)

    async def test_a_change_of_something_else_asks_nobody(self) -> None:
        listener = await self.listener(self.balancer["id"], **self.tls())
        await self.keeper.replace(self.good, b"nonsense")
        reply = await self.ask("PUT", f"listeners/{listener['id']}", {"listener": {"name": "x"}})
        self.assertEqual(reply.status, 200, reply)


class Keeping(CertificateCase):
    async def deletion(self, reference: str) -> tuple[int, str]:
        reply = await self.keys("DELETE", self.keeper.path(reference), project="default")
        return reply.status, "" if reply.body is None else reply.body["description"]

    async def test_what_a_load_balancer_uses_stays_and_its_user_is_told(self) -> None:
        parts = {"certificate": self.material.certificate, "private_key": self.material.key}
        secrets = {name: await self.keeper.secret(payload) for name, payload in parts.items()}
        container = await self.keeper.container(secrets)
        listener = await self.listener(self.balancer["id"], **self.tls(sni_container_refs=[container]))
        pool = await self.pool(self.balancer["id"], tls_enabled=True, ca_tls_container_ref=f"{self.authority}/")
        for reference, user in (
            (self.good, listener),
            (container, listener),
            (secrets["private_key"], listener),
            (self.authority, pool),
        ):
            status, sentence = await self.deletion(reference)
            self.assertEqual(status, 409, reference)
            self.assertIn(user["id"], sentence)
            self.assertIn(self.balancer["id"], sentence)
        await self.ask("DELETE", f"listeners/{listener['id']}")
        for reference in (self.good, container, secrets["private_key"]):
            self.assertEqual((await self.deletion(reference))[0], 204)
        self.assertEqual((await self.deletion(self.authority))[0], 409)
