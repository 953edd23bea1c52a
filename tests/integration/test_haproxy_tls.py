"""Each field of TLS does what it says, for clients and members that speak it."""

from __future__ import annotations

import json
import ssl
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseNeverReceived

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.tree import Tree
from octavia_tx.model.validation import CERTIFICATE_HEADERS, FORWARDED_HEADERS
from tests.amphora_driver.gallery import l7_policy, l7_rule, listener, member, monitor, pool, terminated, tree
from tests.amphora_driver.secrets import AUTHORITY, bundle, certificate
from tests.integration.haproxy_process import HaproxyProcess, MemberServer, ask, free_port
from tests.integration.tls_peers import GET, GET_H2, Client, Heard, TlsMember, frames
from tests.model.certificates import issue

VIP = "127.0.0.1"
RENDERER = Renderer()
STRANGER = issue("stranger", authority=True)
CLIENT = issue("client", AUTHORITY)
REVOKED = issue("revoked", AUTHORITY)
HOSTS = ("one.example.com", "two.example.com", "three.example.com")
ECDSA_128, ECDSA_256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
SECRETS = Secrets(
    bundles={host: bundle(certificate(host)) for host in HOSTS} | {"client": bundle(CLIENT)},
    authorities={"authority": AUTHORITY.pem.decode(), "stranger": STRANGER.pem.decode()},
    revocations={"revoked": AUTHORITY.revoke(REVOKED.certificate.serial_number).decode()},
)


class TlsCase(TestCase):
    """A load balancer at 127.0.0.1."""

    secrets = SECRETS

    def setUp(self) -> None:
        self.port = free_port(VIP)
        self.amphora_id = str(uuid4())

    async def running(self, shown: Tree) -> HaproxyProcess:
        text, named = RENDERER.render(shown, self.amphora_id), files(shown, self.secrets)
        haproxy = HaproxyProcess(self, text, self.amphora_id, named)
        await haproxy.serves(VIP, self.port)
        return haproxy

    def client(self, own: Any = None, **given: Any) -> Client:
        """One that speaks as is given, by the names of its context."""
        made = Client(self, own)
        for name, value in given.items():
            setattr(made.context, name, value)
        return made

    async def ask(self, client: Client | None = None, host: str = HOSTS[0], request: bytes = GET) -> Heard | None:
        return await (client or self.client()).ask(VIP, self.port, host, request)

    async def heard(self, client: Client | None = None, host: str = HOSTS[0], request: bytes = GET) -> Heard:
        """What a client hears that isn't refused."""
        found = await self.ask(client, host, request)
        assert found is not None
        return found


class ListenerTests(TlsCase):
    """Of listeners."""

    async def serving(self, *parts: Any, **fields: Any) -> None:
        self.member = await MemberServer("member").start(self)
        given = {"default_tls_container_ref": HOSTS[0], "protocol_port": self.port, **fields}
        members = (pool(), member(1, address="127.0.0.1", protocol_port=self.member.port))
        await self.running(tree(terminated(**given), *members, *parts, vip_address=VIP))

    async def test_a_client_is_served_by_tls_and_the_member_in_the_clear(self) -> None:
        await self.serving()
        found = await self.heard()
        self.assertEqual((found.status, found.body, found.host), (200, b"member", HOSTS[0]))

    async def test_each_name_has_its_certificate_and_all_others_have_the_default(self) -> None:
        await self.serving(sni_container_refs=HOSTS[1:])
        for asked, shown in (*zip(HOSTS, HOSTS, strict=True), ("other.example.com", HOSTS[0])):
            self.assertEqual((await self.heard(host=asked)).host, shown)

    async def test_each_kind_of_key_that_is_accepted_is_served(self) -> None:
        for key in (
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP384R1()),
            ec.generate_private_key(ec.SECP521R1()),
            ed25519.Ed25519PrivateKey.generate(),
            ed448.Ed448PrivateKey.generate(),
        ):
            self.port, self.amphora_id = free_port(VIP), str(uuid4())
            shown = issue(HOSTS[0], AUTHORITY, key=key).signed(AUTHORITY, "sha224")
            self.secrets = Secrets(bundles={HOSTS[0]: bundle(shown)})
            await self.serving()
            for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                self.assertEqual((await self.heard(self.client(maximum_version=newest))).body, b"member")

    async def test_a_certificate_may_say_of_itself_what_no_other_may(self) -> None:
        alone = issue(HOSTS[0])
        self.secrets = Secrets(bundles={HOSTS[0]: bundle(alone.signed(alone, "sha1"))})
        await self.serving()
        self.assertEqual((await self.heard()).body, b"member")

    async def test_prometheus_is_served_by_tls_to_whom_it_trusts_alone(self) -> None:
        given = {"default_pool_id": None, "sni_container_refs": HOSTS[1:], "tls_versions": ("TLSv1.3",)}
        trusted = {"client_authentication": "MANDATORY", "client_ca_tls_container_ref": "authority"}
        await self.serving(protocol="PROMETHEUS", **given, **trusted)
        for path, status, word in ((b"/metrics", 200, b"haproxy_process_uptime_seconds"), (b"/", 404, b"")):
            request = GET.replace(b"GET /", b"GET " + path, 1)
            found = await self.heard(self.client(CLIENT), HOSTS[1], request)
            self.assertEqual((found.status, found.host), (status, HOSTS[1]))
            self.assertIn(word, found.body)
        self.assertIsNone(await self.ask())
        self.assertIsNone(await self.ask(self.client(CLIENT, maximum_version=ssl.TLSVersion.TLSv1_2)))
        with self.assertRaises(ResponseNeverReceived):
            await ask(VIP, self.port)

    async def test_without_a_default_the_first_name_is_it(self) -> None:
        await self.serving(default_tls_container_ref=None, sni_container_refs=HOSTS[1:])
        self.assertEqual((await self.heard(host="other.example.com")).host, HOSTS[1])

    async def test_only_versions_asked_for_are_spoken(self) -> None:
        old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for versions, spoken in (
            (None, {old, new}),
            (("TLSv1.2",), {old}),
            (("TLSv1.3",), {new}),
        ):
            self.setUp()
            await self.serving(tls_versions=versions)
            for version in (old, new):
                found = await self.ask(self.client(minimum_version=version, maximum_version=version))
                self.assertEqual(found is not None, version in spoken, (versions, version))

    async def test_an_older_version_is_spoken_where_it_is_asked_for(self) -> None:
        old = self.client(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        old.context.set_ciphers("ALL:@SECLEVEL=0")
        await self.serving(tls_ciphers="ALL:@SECLEVEL=0")
        self.assertIsNone(await self.ask(old))
        self.setUp()
        await self.serving(tls_ciphers="ALL:@SECLEVEL=0", tls_versions=("TLSv1.1", "TLSv1.2"))
        self.assertEqual((await self.heard(old)).version, "TLSv1.1")

    async def test_only_ciphers_asked_for_are_used(self) -> None:
        client = self.client(maximum_version=ssl.TLSVersion.TLSv1_2)
        await self.serving(tls_ciphers=ECDSA_128)
        client.context.set_ciphers(f"{ECDSA_256}:{ECDSA_128}")
        self.assertEqual((await self.heard(client)).cipher, ECDSA_128)
        client.context.set_ciphers(ECDSA_256)
        self.assertIsNone(await self.ask(client))

    async def test_only_suites_asked_for_are_used(self) -> None:
        for name in ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"):
            self.setUp()
            await self.serving(tls_ciphers=name)
            self.assertEqual((await self.heard()).cipher, name)
            # No cipher of an older version is among them.
            self.assertIsNone(await self.ask(self.client(maximum_version=ssl.TLSVersion.TLSv1_2)))

    async def test_http_2_is_spoken_where_both_want_to(self) -> None:
        for offered, chosen in ((None, "h2"), (("h2",), "h2"), (("http/1.1",), "http/1.1"), ((), "http/1.1")):
            self.setUp()
            await self.serving(alpn_protocols=offered)
            client = self.client()
            client.context.set_alpn_protocols(["h2", "http/1.1"])
            found = await self.heard(client, request=GET_H2 if chosen == "h2" else GET)
            self.assertEqual(found.alpn, chosen, offered)
            if chosen == "h2":
                payloads = {kind: payload for kind, _, payload in frames(found.answer)}
                self.assertEqual((payloads[1][:1], payloads[0]), (b"\x88", b"member"))  # 200

    async def test_clients_without_a_certificate_of_the_authority_are_refused_where_one_is_mandatory(self) -> None:
        await self.serving(client_authentication="MANDATORY", client_ca_tls_container_ref="authority")
        self.assertEqual((await self.heard(self.client(CLIENT))).status, 200)
        for refused in (None, STRANGER, issue("stranger's", STRANGER)):
            self.assertIsNone(await self.ask(self.client(refused)))

    async def test_clients_without_a_certificate_are_served_where_one_is_optional(self) -> None:
        await self.serving(client_authentication="OPTIONAL", client_ca_tls_container_ref="authority")
        for served in (None, CLIENT):
            self.assertEqual((await self.heard(self.client(served))).status, 200)
        self.assertIsNone(await self.ask(self.client(STRANGER)))

    async def test_nobody_is_asked_for_a_certificate_where_none_is(self) -> None:
        await self.serving(client_ca_tls_container_ref="authority", insert_headers={"X-SSL-Client-Has-Cert": "true"})
        self.assertEqual((await self.heard(self.client(STRANGER))).status, 200)
        self.assertEqual(self.told("X-SSL-Client-Has-Cert"), "0")

    async def test_a_revoked_certificate_is_refused(self) -> None:
        asked = {"client_authentication": "OPTIONAL", "client_ca_tls_container_ref": "authority"}
        await self.serving(**asked)
        self.assertIsNotNone(await self.ask(self.client(REVOKED)))
        self.setUp()
        await self.serving(**asked, client_crl_container_ref="revoked")
        self.assertIsNone(await self.ask(self.client(REVOKED)))
        self.assertIsNotNone(await self.ask(self.client(CLIENT)))

    async def test_browsers_are_told_to_come_by_tls_alone(self) -> None:
        for fields, told in (
            ({}, None),
            ({"hsts_max_age": 0}, "max-age=0"),
            ({"hsts_max_age": 31536000, "hsts_include_subdomains": True}, "max-age=31536000; includeSubDomains"),
            ({"hsts_max_age": 5, "hsts_preload": True}, "max-age=5; preload"),
            (
                {"hsts_max_age": 5, "hsts_include_subdomains": True, "hsts_preload": True},
                "max-age=5; includeSubDomains; preload",
            ),
        ):
            self.setUp()
            await self.serving(**fields)
            self.assertEqual((await self.heard()).headers.get("strict-transport-security"), told)

    async def test_also_by_answers_of_the_load_balancer_itself(self) -> None:
        await self.serving(hsts_max_age=5, default_pool_id=None)
        found = await self.heard()
        self.assertEqual((found.status, found.headers["strict-transport-security"]), (503, "max-age=5"))

    def told(self, name: str) -> str | None:
        """What the member was told last by a header."""
        values = self.member.headers[-1].getRawHeaders(name)
        self.assertTrue(values is None or len(values) == 1, values)
        return values[0] if values else None

    async def test_members_are_told_of_clients_certificates_and_of_nothing_that_clients_say(self) -> None:
        names = (*FORWARDED_HEADERS, *CERTIFICATE_HEADERS)
        await self.serving(
            client_authentication="OPTIONAL",
            client_ca_tls_container_ref="authority",
            insert_headers=dict.fromkeys(names, "true"),
        )
        lies = "".join(f"{name}: lie\r\n" for name in names if name != "X-Forwarded-For").encode()
        await self.heard(self.client(CLIENT), request=GET.replace(b"Host:", lies + b"Host:"))
        its = CLIENT.certificate
        for name, value in {
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": str(self.port),
            "X-Forwarded-Proto": "https",
            "X-SSL-Client-Verify": "0",
            "X-SSL-Client-Has-Cert": "1",
            "X-SSL-Client-DN": "/CN=client",
            "X-SSL-Client-CN": "client",
            "X-SSL-Issuer": "/CN=authority",
            "X-SSL-Client-SHA1": its.fingerprint(SHA1()).hex().upper(),
            "X-SSL-Client-Not-Before": f"{its.not_valid_before_utc:%y%m%d%H%M%SZ}",
            "X-SSL-Client-Not-After": f"{its.not_valid_after_utc:%y%m%d%H%M%SZ}",
        }.items():
            self.assertEqual((self.told(name) or "").strip('"'), value, name)  # some versions of haproxy quote
        await self.heard(request=GET.replace(b"Host:", lies + b"Host:"))
        self.assertEqual(self.told("X-SSL-Client-Has-Cert"), "0")
        for name in CERTIFICATE_HEADERS:
            self.assertNotEqual(self.told(name), "lie")

    async def test_they_are_told_nothing_that_was_not_asked_for(self) -> None:
        await self.serving(client_authentication="OPTIONAL", client_ca_tls_container_ref="authority")
        await self.heard(self.client(CLIENT))
        for name in (*FORWARDED_HEADERS, *CERTIFICATE_HEADERS):
            self.assertIsNone(self.told(name), name)

    async def test_rules_see_certificates(self) -> None:
        asked = {"client_authentication": "OPTIONAL", "client_ca_tls_container_ref": "authority"}
        for rule, denied in (
            (l7_rule("SSL_CONN_HAS_CERT", "EQUAL_TO", "True"), {"client", "revoked"}),
            (l7_rule("SSL_CONN_HAS_CERT", "EQUAL_TO", "True", invert=True), {None}),
            (l7_rule("SSL_VERIFY_RESULT", "EQUAL_TO", "0"), {"client", "revoked", None}),
            (l7_rule("SSL_VERIFY_RESULT", "EQUAL_TO", "10"), set()),
            (l7_rule("SSL_DN_FIELD", "STARTS_WITH", "cli", key="CN"), {"client"}),
            (l7_rule("SSL_DN_FIELD", "EQUAL_TO", "client", key="O"), set()),
        ):
            self.setUp()
            await self.serving(l7_policy(1, "REJECT"), rule, **asked)
            found = {
                None if own is None else own.certificate.subject.rfc4514_string()[3:]
                for own in (None, CLIENT, REVOKED)
                if (await self.heard(self.client(own))).status == 403
            }
            self.assertEqual(found, denied, rule)


class PoolTests(TlsCase):
    """Of pools, whose members speak TLS."""

    async def serving(self, *parts: Any, by_tls: bool = False, own: Any = None, **fields: Any) -> TlsMember:
        made = TlsMember(self, own or certificate(HOSTS[1]), AUTHORITY)
        front = (
            terminated(default_tls_container_ref=HOSTS[0], protocol_port=self.port)
            if by_tls
            else listener(protocol_port=self.port)
        )
        members = (pool(tls_enabled=True, **fields), member(1, address="127.0.0.1", protocol_port=made.port))
        await self.running(tree(front, *members, *parts, vip_address=VIP))
        return made

    async def told(self) -> dict[str, Any] | None:
        """How the member was spoken to; C{None}: not at all."""
        status, body = await ask(VIP, self.port)
        return json.loads(body) if status == 200 else None  # type: ignore[no-any-return]

    async def test_a_member_is_spoken_to_by_tls(self) -> None:
        await self.serving()
        found = await self.told()
        assert found is not None
        self.assertEqual((found["version"], found["client"], found["alpn"]), ("TLSv1.3", None, None))

    async def test_by_a_listener_of_tcp_too_which_promises_nothing_in_the_clients_name(self) -> None:
        made = TlsMember(self, certificate(HOSTS[1]))
        back = pool(protocol="TCP", tls_enabled=True, alpn_protocols=("h2", "http/1.1"))
        front = listener(protocol="TCP", protocol_port=self.port)
        await self.running(tree(front, back, member(1, address="127.0.0.1", protocol_port=made.port), vip_address=VIP))
        found = await self.told()
        assert found is not None
        self.assertIsNone(found["alpn"])

    async def test_only_members_of_the_authority_are_trusted(self) -> None:
        await self.serving(ca_tls_container_ref="authority")
        self.assertIsNotNone(await self.told())
        self.setUp()
        await self.serving(ca_tls_container_ref="stranger")
        self.assertIsNone(await self.told())

    async def test_not_those_that_were_revoked(self) -> None:
        await self.serving(own=REVOKED, ca_tls_container_ref="authority")
        self.assertIsNotNone(await self.told())
        self.setUp()
        await self.serving(own=REVOKED, ca_tls_container_ref="authority", crl_container_ref="revoked")
        self.assertIsNone(await self.told())

    async def test_a_member_sees_the_pools_certificate(self) -> None:
        await self.serving(tls_container_ref="client")
        found = await self.told()
        assert found is not None
        self.assertEqual(found["client"], "client")

    async def test_a_member_hears_the_name_that_the_client_asked_for_and_must_be_of_it(self) -> None:
        await self.serving(by_tls=True, ca_tls_container_ref="authority")
        self.assertEqual(json.loads((await self.heard(host=HOSTS[1])).body)["name"], HOSTS[1])
        self.assertEqual((await self.heard(host=HOSTS[2])).status, 503)

    async def test_only_versions_asked_for_are_spoken(self) -> None:
        for version in ("TLSv1.2", "TLSv1.3"):
            self.setUp()
            await self.serving(tls_versions=(version,))
            found = await self.told()
            assert found is not None
            self.assertEqual(found["version"], version)

    async def test_only_ciphers_asked_for_are_used(self) -> None:
        for name in (ECDSA_128, ECDSA_256):
            self.setUp()
            await self.serving(tls_versions=("TLSv1.2",), tls_ciphers=name)
            found = await self.told()
            assert found is not None
            self.assertEqual(found["cipher"], name)
        self.setUp()
        await self.serving(tls_ciphers="TLS_AES_128_GCM_SHA256")
        found = await self.told()
        assert found is not None
        self.assertEqual(found["cipher"], "TLS_AES_128_GCM_SHA256")

    async def test_protocols_asked_for_are_offered(self) -> None:
        await self.serving(alpn_protocols=("http/1.1",))
        found = await self.told()
        assert found is not None
        self.assertEqual(found["alpn"], "http/1.1")

    async def test_each_kind_of_monitor_finds_members_that_speak_tls(self) -> None:
        for kind in ("HTTP", "HTTPS", "TCP", "TLS-HELLO"):
            self.setUp()
            checked = monitor(kind, delay=1, timeout=1, max_retries=1, max_retries_down=1)
            await self.serving(checked, ca_tls_container_ref="authority")
            await deferLater(reactor, 2.5)
            self.assertIsNotNone(await self.told(), kind)
