"""Settings of access logs, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

from octavia_tx.amphora_driver.logs import Signing
from octavia_tx.cloud.authority import Authority
from octavia_tx.settings_file import load
from octavia_tx.tap.logs import logging
from octavia_tx.wire.logs import Store, Syslog
from octavia_tx.wire.tls import Role
from tests.test_config import FileCase

URL = "https://store.example:8080/v1/AUTH_a/lb-logs"
TEMPORARY = f"{URL}/some/place?temp_url_sig=aa&temp_url_expires=9&temp_url_prefix=some/place"


class Targets(FileCase):
    def test_each_has_what_its_agents_need(self) -> None:
        path = self.file(
            f"""
            [logs]
            enabled = true
            targets = ["keyed"]
            [log_targets.keyed]
            kind = "swift"
            url = "{URL}"
            temp_url_key = "k"
            [log_targets.given]
            kind = "swift"
            temp_url = "{TEMPORARY}"
            [log_targets.credential]
            kind = "swift"
            url = "{URL}"
            prefix = "a/b"
            auth_url = "https://id.example/v3"
            application_credential_id = "i"
            application_credential_secret = "s"
            [log_targets.udp]
            kind = "syslog"
            host = "198.51.100.1"
            transport = "udp"
            facility = "daemon"
            """
        )
        settings = load(path, {"OCTAVIA_TX_LOG_TARGETS__KEYED__TEMP_URL_KEY": "other"})
        found = logging(settings, lambda: 0.0)
        self.assertEqual((found.enabled, found.targets), (True, ("keyed",)))
        query = TEMPORARY.partition("?")[2]
        credential = {"credential_id": "i", "credential_secret": "s", "keystone": "https://id.example/v3"}
        self.assertEqual(
            found.destinations,
            {
                "keyed": Signing(
                    store=Store(name="keyed", url=f"{URL}/octavia/"),
                    container="/v1/AUTH_a/lb-logs",
                    key="other",
                    validity=604800,
                ),
                "given": Store(name="given", url=f"{URL}/some/place/", query=query),
                "credential": Store(name="credential", url=f"{URL}/a/b/", **credential),
                "udp": Syslog(
                    name="udp", host="198.51.100.1", port=514, transport="udp", facility=3, server="198.51.100.1"
                ),
            },
        )
        for secret in ("other", "temp_url_sig", '"s"'):
            self.assertNotIn(secret, repr(found) + repr(settings))

    def test_files_are_read_and_go_to_the_agents(self) -> None:
        credential = Authority.load_or_create(Path(self.mktemp())).issue(Role.CONTROLLER, "us")
        own, ca = self.file(credential.pem.decode()), self.file(credential.authority.decode())
        path = self.file(
            f'[log_targets.tls]\nkind = "syslog"\nhost = "h"\ntransport = "tls"\ncafile = "{ca}"\ncertificate = "{own}"'
        )
        (target,) = logging(load(path, {}), lambda: 0.0).destinations.values()
        assert isinstance(target, Syslog)
        self.assertEqual((target.port, target.certificate), (6514, credential.pem.decode()))
        self.assertEqual(target.authorities, credential.authority.decode())

    def test_all_mistakes_are_told_at_once(self) -> None:
        told = "\n".join(
            self.problems(
                f"""
                [logs]
                enabled = true
                targets = ["nowhere"]
                format = "%q"
                spool = 1000
                [log_targets."a b"]
                kind = "swift"
                [log_targets.fish]
                kind = "fish"
                [log_targets.none]
                kind = "swift"
                url = "https://store.example/"
                prefix = "../x"
                [log_targets.two]
                kind = "swift"
                url = "{URL}"
                temp_url_key = "k"
                application_credential_id = "i"
                [log_targets.half]
                kind = "swift"
                url = "{URL}"
                temp_url_key = "k"
                auth_url = "https://id.example/v3"
                application_credential_secret = "s"
                [log_targets.temporary]
                kind = "swift"
                temp_url = "{URL}?temp_url_sig=a"
                [log_targets.plain]
                kind = "syslog"
                host = "a b"
                port = 70000
                [log_targets.untold]
                kind = "syslog"
                server_name = "x"
                """
            )
        )
        for sentence in (
            "logs.format: it must be",
            "logs.targets: there's no [log_targets.nowhere]",
            "logs.spool: 1000 bytes are too few",
            "log_targets.a b: no such name",
            "log_targets.fish.kind: 'fish' isn't known. Accepted: swift, syslog",
            "log_targets.none.temp_url_key: one of temp_url_key, temp_url, application_credential_id is needed",
            "log_targets.none.url: 'https://store.example/' is no container's",
            "log_targets.none.prefix: '../x' can't be used",
            "log_targets.two.temp_url_key: one of",
            "log_targets.two.auth_url: it is missing",
            "log_targets.two.application_credential_secret: it is missing",
            "log_targets.half.auth_url: nobody asks for it without application_credential_id",
            "log_targets.half.application_credential_secret: nobody asks for it without application_credential_id",
            "log_targets.temporary.temp_url: it isn't one with a prefix",
            "log_targets.plain.port: 70000 can't be used",
            "log_targets.untold.host: '' can't be used",
            "log_targets.untold.server_name: nobody asks for it without TLS",
        ):
            self.assertIn(sentence, told)

    def test_enabling_logs_without_a_target_is_refused(self) -> None:
        self.assertIn("logs.enabled: there's no target", "\n".join(self.problems("[logs]\nenabled = true")))
