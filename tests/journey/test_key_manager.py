"""Certificates as tenants store them: with C{openstack secret}, and with openstacksdk."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from openstack import exceptions

from octavia_tx.demo.story import clouds_yaml
from octavia_tx.testing.certificates import Material
from tests.journey.client import NOOP, ClientCase, OpenStackClient
from tests.journey.sdk import SdkCase


class CommandTests(ClientCase):
    """The client as it is, in a cloud of its own."""

    settings = NOOP

    async def test_secrets_are_stored_put_together_shown_and_removed(self) -> None:
        await self.begin()
        directory, made = self.system.directory, Material.new()
        keys = OpenStackClient(directory / "home", clouds_yaml(self.system), "octavia-tx-keys")
        certificate, key, file = directory / "cert.pem", directory / "key.pem", directory / "bundle.p12"
        for path, content in ((certificate, made.certificate), (key, made.key), (file, made.pkcs12)):
            path.write_bytes(content)
        stored = {
            "certificate": await self.store(keys, f"--secret-type certificate --file {certificate}"),
            "private_key": await self.store(keys, f"--secret-type private --file {key}"),
        }
        held = " ".join(f"--secret {name}={reference}" for name, reference in stored.items())
        container = (await keys.ask(f"secret container create --type certificate --name both {held}"))["Container href"]
        self.assertIn("/key-manager/v1/containers/", container)
        # What has a date in it, the client can't write as JSON.
        shown = await keys.do(f"secret container get {container} -f value")
        self.assertIn("both", shown)
        self.assertIn(stored["private_key"], shown)
        self.assertEqual(
            (await keys.ask(f"secret get {stored['certificate']} --payload"))["Payload"].strip(),
            made.certificate.decode().strip(),
        )
        payload = b64encode(made.pkcs12).decode()
        kind = "--payload-content-type application/octet-stream --payload-content-encoding base64"
        bundle = await self.store(keys, f"{kind} --payload {payload}")
        copy = directory / "copy.p12"
        await keys.do(f"secret get {bundle} -t application/octet-stream --file {copy}")
        self.assertEqual(copy.read_bytes(), made.pkcs12)
        self.assertEqual(len(await keys.ask("secret list")), 3)
        await keys.do(f"secret container delete {container}")
        for reference in (*stored.values(), bundle):
            await keys.do(f"secret delete {reference}")
        self.assertEqual((await keys.ask("secret list"), await keys.ask("secret container list")), ([], []))

    async def store(self, keys: OpenStackClient, options: str) -> str:
        reference: str = (await keys.ask(f"secret store --name x {options}"))["Secret href"]
        return reference


class SdkTests(SdkCase):
    """openstacksdk."""

    settings = NOOP

    async def begin(self, *back_ends: str) -> None:
        await super().begin(*back_ends)
        self.keeper: Any = await self.call(lambda: self.cloud.key_manager)

    async def test_secrets_are_stored_put_together_found_and_removed(self) -> None:
        await self.begin()
        made = Material.new()
        secrets = {
            "certificate": await self.store(made.certificate, "text/plain"),
            "private_key": await self.store(made.pkcs12, "application/octet-stream"),
        }
        for name, content in (("certificate", made.certificate.decode()), ("private_key", made.pkcs12)):
            found = await self.call(self.keeper.get_secret, secrets[name].secret_id)
            self.assertEqual(found.payload, content)
        held = [{"name": name, "secret_ref": secret.secret_ref} for name, secret in secrets.items()]
        container = await self.call(self.keeper.create_container, name="both", type="certificate", secret_refs=held)
        found = await self.call(self.keeper.get_container, container.container_id)
        self.assertEqual((found.name, found.secret_refs), ("both", held))
        self.assertEqual(len(await self.call(self.keeper.secrets)), 2)
        await self.call(self.keeper.delete_container, container.container_id)
        for secret in secrets.values():
            await self.call(self.keeper.delete_secret, secret.secret_id)
        self.assertEqual(await self.call(self.keeper.secrets), [])
        with self.assertRaises(exceptions.NotFoundException):
            await self.call(self.keeper.get_container, container.container_id)

    async def store(self, content: bytes, media: str) -> Any:
        given: dict[str, Any] = (
            {"payload": content.decode()}
            if media == "text/plain"
            else {
                "payload": b64encode(content).decode(),
                "payload_content_encoding": "base64",
            }
        )
        return await self.call(self.keeper.create_secret, name="x", payload_content_type=media, **given)
