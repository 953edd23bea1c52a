"""The embedded store of secrets, as clients of barbican's see it."""

from __future__ import annotations

from base64 import b64encode
from uuid import uuid4

from cryptography.fernet import Fernet
from twisted.logger import LogEvent, globalLogPublisher

from octavia_tx.cloud.keyring import Keyring
from octavia_tx.db import vault
from octavia_tx.db.vault import Vault
from octavia_tx.testing.certificates import PROJECT, Material
from tests.integration.api import UNKNOWN, Reply
from tests.integration.key_manager import KEYS, KeyManagerCase

TEXT = {"payload": "open sesame", "payload_content_type": "text/plain"}


class _Keys(KeyManagerCase):
    def refusal(self, reply: Reply) -> tuple[int, str]:
        """The status of a refusal of barbican's shape, and its sentence."""
        self.assertEqual(reply.body.keys(), {"code", "title", "description"}, reply)
        self.assertEqual(reply.body["code"], reply.status)
        return reply.status, reply.body["description"]

    async def stored(self, **given: object) -> str:
        """Store a secret; gives its path below the root."""
        reply = await self.keys("POST", "secrets", given)
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.headers["location"], reply.body["secret_ref"])
        self.assertTrue(reply.body["secret_ref"].startswith(f"{self.base}{KEYS}/secrets/"))
        return self.keeper.path(reply.body["secret_ref"])


class SecretTests(_Keys):
    async def test_a_secret_is_shown_without_its_content(self) -> None:
        path = await self.stored(name="word", secret_type="passphrase", algorithm="aes", bit_length=256, **TEXT)
        reply = await self.keys("GET", path)
        shown = reply.body
        self.assertEqual(shown["secret_ref"], f"{self.base}{KEYS}/{path}")
        for key, value in {
            "name": "word", "secret_type": "passphrase", "algorithm": "aes", "bit_length": 256, "mode": None,
            "status": "ACTIVE", "content_types": {"default": "text/plain"}, "expiration": None,
        }.items():  # fmt: skip
            self.assertEqual(shown[key], value, key)
        self.assertNotIn("sesame", str(reply))

    async def test_its_content_is_given_as_it_was_stored(self) -> None:
        binary = bytes(range(256))
        for given, content, media in (
            (TEXT, b"open sesame", "text/plain"),
            ({**TEXT, "payload_content_type": "text/plain; charset=utf-8"}, b"open sesame", "text/plain"),
            (
                {
                    "payload": b64encode(binary).decode(),
                    "payload_content_type": "application/octet-stream",
                    "payload_content_encoding": "base64",
                },
                binary,
                "application/octet-stream",
            ),
        ):
            reply = await self.keys("GET", f"{await self.stored(**given)}/payload")
            self.assertEqual((reply.status, reply.body, reply.headers["content-type"]), (200, content, media))

    async def test_a_content_may_come_later_and_be_replaced(self) -> None:
        path = await self.stored(name="later")
        self.assertNotIn("content_types", (await self.keys("GET", path)).body)
        self.assertEqual((await self.keys("GET", f"{path}/payload")).status, 404)
        for media, coding, sent, content in (
            ("text/plain", None, b"one", b"one"),
            ("application/octet-stream", "base64", b64encode(b"\xff\x00"), b"\xff\x00"),
            ("application/octet-stream", None, b"\xff\x01", b"\xff\x01"),
        ):
            headers = {"Content-Type": media, **({"Content-Encoding": coding} if coding else {})}
            reply = await self.keys("PUT", path, headers=headers, raw=sent)
            self.assertEqual(reply.status, 204, reply)
            reply = await self.keys("GET", f"{path}/payload")
            self.assertEqual((reply.body, reply.headers["content-type"]), (content, media))

    async def test_nothing_readable_is_in_the_database(self) -> None:
        made = Material.new()
        reference = await self.keeper.secret(made.key)
        (sealed,) = self.server.ask("SELECT row_to_json(s)::text FROM secret s", self.database_name)[0]
        self.assertIn(reference.rpartition("/")[2], sealed)
        for secret in (made.key, b64encode(made.key)):
            self.assertNotIn(secret.decode()[40:60], sealed)

    async def test_what_cannot_be_stored_is_refused_and_never_repeated(self) -> None:
        word = "sesame-1234"
        for given in (
            {"payload": word},
            {"payload": word, "payload_content_type": "application/octet-stream"},
            {"payload": word, "payload_content_type": "text/html"},
            {"payload": f"{word}!", "payload_content_type": "text/plain", "payload_content_encoding": "base64"},
            {"payload": [word], "payload_content_type": "text/plain"},
            {"payload": "", "payload_content_type": "text/plain"},
            {"payload": word * 50_000, "payload_content_type": "text/plain"},
            {"payload": word, "payload_content_type": "text/plain", "secret_type": "x"},
            {"payload": word, "payload_content_type": "text/plain", "colour": "red"},
            [word],
            word,
        ):
            status, sentence = self.refusal(await self.keys("POST", "secrets", given))
            self.assertEqual(status, 400, sentence)
            self.assertNotIn(word, sentence)
        path = await self.stored(**TEXT)
        for headers, raw in (
            ({"Content-Type": "text/html"}, b"x"),
            ({"Content-Type": "text/plain"}, b"\xff"),
            ({"Content-Type": "text/plain"}, b""),
            ({"Content-Encoding": "gzip"}, b"x"),
            ({"Content-Encoding": "base64"}, b"!"),
        ):
            self.assertEqual(self.refusal(await self.keys("PUT", path, headers=headers, raw=raw))[0], 400)
        self.assertEqual((await self.keys("GET", f"{path}/payload")).body, b"open sesame")

    async def test_no_content_is_in_the_log(self) -> None:
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        path = await self.stored(**TEXT)
        await self.keys("PUT", path, raw=b"close sesame")
        await self.keys("GET", f"{path}/payload")
        await self.keys("POST", "secrets", {**TEXT, "payload_content_type": "nonsense"})
        self.assertTrue(events)
        self.assertNotIn("sesame", repr(events))

    async def test_lists_are_filtered_and_have_pages(self) -> None:
        for name in ("a", "b", "c"):
            await self.stored(name=name, **TEXT)
        for query, names in (
            ("", ["a", "b", "c"]),
            ("?name=b", ["b"]),
            ("?limit=2", ["a", "b"]),
            ("?limit=2&offset=2", ["c"]),
            ("?secret_type=private", []),
        ):
            reply = await self.keys("GET", f"secrets{query}")
            self.assertEqual([each["name"] for each in reply.body["secrets"]], names, query)
        self.assertEqual((await self.keys("GET", "secrets?limit=1")).body["total"], 3)
        for query in ("limit=0", "offset=-1", "colour=red"):
            self.assertEqual(self.refusal(await self.keys("GET", f"secrets?{query}"))[0], 400)

    async def test_each_project_has_its_own(self) -> None:
        path = await self.stored(**TEXT)
        for method, at in (("GET", path), ("GET", f"{path}/payload"), ("DELETE", path), ("GET", f"{path}/consumers")):
            self.assertEqual(self.refusal(await self.keys(method, at, project="other"))[0], 404, (method, at))
        self.assertEqual((await self.keys("PUT", path, project="other", raw=b"mine")).status, 404)
        self.assertEqual((await self.keys("GET", "secrets", project="other")).body, {"secrets": [], "total": 0})
        held = [{"name": "certificate", "secret_ref": f"/v1/{path}"}]
        given = {"type": "certificate", "secret_refs": held}
        self.assertEqual(self.refusal(await self.keys("POST", "containers", given, project="other"))[0], 400)


class KeyTests(_Keys):
    async def test_after_resealing_older_keys_may_go(self) -> None:
        old, new = Fernet.generate_key(), Fernet.generate_key()
        path, _empty = await self.stored(**TEXT), await self.stored()
        secret = path.rpartition("/")[2]
        both = Vault(self.database, Keyring((new, old)))
        async with self.database.transaction() as tx:
            found = await vault.secrets.get(tx, secret)
            assert found is not None
            sealed = Vault(self.database, Keyring((old,))).filled(found, b"open sesame", "text/plain")
            await vault.secrets.update(tx, sealed)
        self.assertEqual(await both.reseal(), 1)
        self.assertEqual(await Vault(self.database, Keyring((new,))).payload(secret, PROJECT), b"open sesame")


class ContainerTests(_Keys):
    async def test_a_container_is_shown_with_its_secrets(self) -> None:
        secret = await self.keeper.secret(b"x")
        container = await self.keeper.container({"certificate": secret, "private_key": secret})
        shown = (await self.keys("GET", self.keeper.path(container))).body
        self.assertEqual((shown["container_ref"], shown["type"], shown["consumers"]), (container, "certificate", []))
        self.assertEqual(
            shown["secret_refs"],
            [{"name": "certificate", "secret_ref": secret}, {"name": "private_key", "secret_ref": secret}],
        )
        listed = (await self.keys("GET", "containers")).body
        self.assertEqual(listed, {"containers": [shown], "total": 1})

    async def test_a_secret_that_goes_leaves_its_containers(self) -> None:
        secret = await self.keeper.secret(b"x")
        container = await self.keeper.container({"certificate": secret})
        await self.keeper.delete(secret)
        self.assertEqual((await self.keys("GET", self.keeper.path(container))).body["secret_refs"], [])
        await self.keeper.delete(container)
        self.assertEqual((await self.keys("GET", self.keeper.path(container))).status, 404)

    async def test_what_is_no_container_is_refused(self) -> None:
        held = {"name": "certificate", "secret_ref": await self.keeper.secret(b"x")}
        for given, named in (
            ({"type": "certificate"}, "container.secret_refs"),
            ({"type": "box", "secret_refs": [held]}, "container.type"),
            ({"type": "certificate", "secret_refs": [{**held, "name": "colour"}]}, "secret_refs[0].name"),
            ({"type": "certificate", "secret_refs": [held, held]}, "container.secret_refs"),
            ({"type": "generic", "secret_refs": [{"name": "x", "secret_ref": "x"}]}, "secret_refs[0].secret_ref"),
            ({"type": "generic", "secret_refs": [{"name": "x", "secret_ref": f"/secrets/{uuid4()}"}]}, "not found"),
        ):
            status, sentence = self.refusal(await self.keys("POST", "containers", given))
            self.assertEqual(status, 400)
            self.assertIn(named, sentence)

    async def test_consumers_are_anybodys(self) -> None:
        container = self.keeper.path(await self.keeper.container({"certificate": await self.keeper.secret(b"x")}))
        given = {"name": "mail", "URL": "https://mail.example/servers/1"}
        for _ in range(2):
            reply = await self.keys("POST", f"{container}/consumers", given)
            self.assertEqual(reply.body["consumers"], [given])
        self.assertEqual((await self.keys("GET", f"{container}/consumers")).body, {"consumers": [given], "total": 1})
        reply = await self.keys("DELETE", f"{container}/consumers", given)
        self.assertEqual(reply.body["consumers"], [])


class DiscoveryTests(_Keys):
    async def test_its_version_is_told_as_barbican_does(self) -> None:
        (version,) = (await self.ask("GET", "/key-manager")).body["versions"]
        self.assertEqual((await self.ask("GET", KEYS)).body, {"version": version})
        self.assertEqual(version["links"][0]["href"], f"{self.base}{KEYS}/")

    async def test_what_is_not_there_is_told_in_barbicans_shape(self) -> None:
        for path in (f"secrets/{UNKNOWN}", "secrets/x", f"containers/{UNKNOWN}", f"secrets/{UNKNOWN}/payload"):
            self.assertEqual(self.refusal(await self.keys("GET", path))[0], 404)
