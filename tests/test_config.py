"""Settings: defaults, the file, the environment over it, and all mistakes at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.config import SwiftTarget, SyslogTarget
from octavia_tx.errors import SettingsError
from octavia_tx.listening import Listen
from octavia_tx.settings_file import load


class FileCase(SynchronousTestCase):
    def file(self, text: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def problems(self, text: str, **environment: str) -> tuple[str, ...]:
        with self.assertRaises(SettingsError) as caught:
            load(self.file(text), environment)
        return caught.exception.problems


class Loading(FileCase):
    def test_without_a_file_everything_is_embedded_and_on_loopback(self) -> None:
        settings = load(None, {})
        self.assertEqual(settings.database.dsn, "")
        self.assertEqual(settings.api.listen, Listen("tcp", 9876, "127.0.0.1"))
        self.assertEqual((settings.compute.driver, settings.network.driver), ("process", "loopback"))

    def test_the_sample_file_shows_every_default(self) -> None:
        sample = Path(__file__).parent.parent / "etc" / "octavia-tx.toml"
        self.assertEqual(load(sample, {}), load(None, {}))
        given = tomllib.loads(sample.read_text())
        settings = load(None, {})
        for section in attrs.fields(type(settings)):
            if section.name in {"provider", "log_targets"}:
                continue  # whose settings are below it, by name
            known = {a.name for a in attrs.fields(type(getattr(settings, section.name)))}
            self.assertEqual(set(given[section.name]) | {"directory"}, known | {"directory"}, section.name)

    def test_the_sample_file_shows_every_setting_of_a_log_target(self) -> None:
        sample = (Path(__file__).parent.parent / "etc" / "octavia-tx.toml").read_text()
        shown = re.findall(r"^# (\w+) = (\S+)", sample.partition("[log_targets]")[2].partition("[controller]")[0], re.M)
        for kind, rest in ((SwiftTarget, shown), (SyslogTarget, shown[[s[0] for s in shown].index("cafile") + 1 :])):
            known = {a.name: a.default for a in attrs.fields(kind)}
            own = dict(rest[: len(known)])
            self.assertEqual(set(own), set(known), kind)
            self.assertEqual({name: tomllib.loads(f"x = {value}")["x"] for name, value in own.items()}, known)

    def test_the_file_overrides_the_defaults_and_the_environment_the_file(self) -> None:
        path = self.file('[health]\ninterval = 2\nreceivers = ["198.51.100.1:5555"]\n[controller]\nconcurrency = 3\n')
        settings = load(path, {"OCTAVIA_TX_CONTROLLER__CONCURRENCY": "7", "HOME": "/"})
        self.assertEqual(settings.health.interval, 2)
        self.assertEqual(settings.health.receivers, ("198.51.100.1:5555",))
        self.assertEqual(settings.controller.concurrency, 7)

    def test_all_mistakes_are_told_at_once_each_with_its_name_and_what_is_accepted(self) -> None:
        problems = self.problems(
            '[api]\nlisten = "tcp:99999"\nnme = 3\nauth = "fish"\n[compute]\ndriver = 3\n[wat]\nx = 1\n'
            "[controller]\nlease = -1\nconcurrency = true\ncertificate_renewal = 1\n",
            OCTAVIA_TX_HEALTH__INTERVAL="soon",
            OCTAVIA_TX_FOO="1",
        )
        told = "\n".join(problems)
        for name in (
            "api.listen", "api.nme", "api.auth", "compute.driver", "wat", "controller.lease", "controller.concurrency",
            "controller.certificate_renewal",
            "health.interval", "OCTAVIA_TX_FOO",
        ):  # fmt: skip
            self.assertIn(f"{name}", told)
        self.assertEqual(len(problems), 10)
        self.assertTrue(all("Accepted" in p or "Known" in p for p in problems), told)

    def test_each_kind_of_setting_is_held_against_what_it_is_for(self) -> None:
        for name, given in (
            ("api.listen", "udp:80:interface=127.0.0.1"),
            ("health.listen", "tcp:5555"),
            ("health.receivers", "foo"),
            ("health.receivers", "192.0.2.1:0"),
            ("amphora_api.urls", "http://192.0.2.1"),
            ("amphora.haproxy", "/nonexistent/haproxy"),
            ("amphora.templates", "/nonexistent"),
            ("database.connections", "5000"),
            ("api.request_timeout", "0"),
            ("api.largest_body", "0"),
            ("api.largest_body", "9999999999"),
            ("api.largest_body", "8M"),
            ("api.base_uri", "lb.example.org"),
            ("api.base_uri", "ftp://lb.example.org"),
            ("api.base_uri", "https://"),
            ("api.base_uri", "https://lb.example.org:0"),
            ("api.base_uri", "https://lb.example.org:port"),
            ("api.base_uri", "https://[lb"),
            ("api.base_uri", "https://user@lb.example.org"),
            ("api.base_uri", "https://lb.example.org/?a=b"),
            ("api.base_uri", "https://lb.example.org/#top"),
            ("api.base_uri", "https://lb.example.org?"),
            ("api.base_uri", "https://lb.example.org/a b"),
            ("api.base_uri", "https://lb.example.org/\n"),
            ("state.directory", ""),
            ("state.directory", "  "),
            ("keystone.auth_url", "keystone.example:5000"),
            ("keystone.auth_url", "ftp://keystone.example/v3"),
            ("keystone.auth_url", "http://keystone.example:port/v3"),
            ("keystone.auth_url", 'http://keystone.example/"v3'),
            ("keystone.auth_url", "http://keystone.example/v3\n"),
            ("keystone.cafile", "/nonexistent.pem"),
            ("keystone.cafile", __file__),
            ("keystone.token_cache", "0"),
        ):
            section, key = name.split(".")
            (problem,) = self.problems("", **{f"OCTAVIA_TX_{section}__{key}".upper(): given})
            self.assertIn(f"{name}: ", problem)
            self.assertIn("Accepted: ", problem)

    def test_where_clients_reach_the_api_may_have_a_port_and_a_path(self) -> None:
        for given, kept in (
            ("", ""),
            ("https://lb.example.org", "https://lb.example.org"),
            ("http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080"),
            ("https://example.org/load-balancer/", "https://example.org/load-balancer"),
        ):
            self.assertEqual(load(None, {"OCTAVIA_TX_API__BASE_URI": given}).api.base_uri, kept)

    def test_what_contradicts_another_setting_is_told_beside_other_mistakes(self) -> None:
        told = self.problems('[api]\nlisten = "tcp:9876"\n[health]\ninterval = 0\n')
        self.assertEqual(len(told), 2, told)

    def test_a_file_that_is_not_toml_is_one_mistake(self) -> None:
        (problem,) = self.problems("[api\n")
        self.assertIn("can't be read", problem)

    def test_a_file_that_is_not_there_is_one_mistake(self) -> None:
        with self.assertRaises(SettingsError):
            load(Path(self.mktemp()), {})

    def test_noauth_listens_on_loopback_alone(self) -> None:
        for place in ("tcp:9876", "tcp:9876:interface=192.0.2.1", "tcp:9876:interface=[2001:db8::1]"):
            (problem,) = self.problems(f'[api]\nlisten = "{place}"\n')
            self.assertIn("noauth", problem)
        load(self.file('[api]\nlisten = "tcp:9876:interface=[::1]"\n'), {})

    def test_a_section_that_is_a_value_is_a_mistake(self) -> None:
        (problem,) = self.problems("api = 3\n")
        self.assertEqual(problem, "api: 3 is no section. Accepted: [api], and below it its settings")


class Keystone(FileCase):
    """C{api.auth = "keystone"} and what it needs."""

    chosen = '[api]\nauth = "keystone"\n[keystone]\n'
    place = 'auth_url = "https://keystone.example:5000/v3"\n'

    def missing(self, text: str, **environment: str) -> list[str]:
        problems = self.problems(text, **environment)
        for problem in problems:
            self.assertIn("is missing", problem)
            self.assertIn("Accepted: ", problem)
        return [problem.partition(":")[0].removeprefix("keystone.") for problem in problems]

    def test_all_that_is_missing_is_told_at_once(self) -> None:
        everything = ["auth_url", "username", "password", "project_name"]
        self.assertEqual(self.missing(self.chosen), everything)
        self.assertEqual(self.missing('[api]\nauth = "keystone"\n'), everything)
        self.assertEqual(self.missing("", OCTAVIA_TX_API__AUTH="keystone"), everything)
        self.assertEqual(self.missing(self.chosen + 'username = "u"\npassword = ""\n'), [
            "auth_url", "password", "project_name",
        ])  # fmt: skip

    def test_half_an_application_credential_wants_its_other_half(self) -> None:
        given = self.chosen + 'application_credential_id = "i"\n'
        self.assertEqual(self.missing(given), ["auth_url", "application_credential_secret"])

    def test_what_is_missing_is_told_beside_what_is_wrong(self) -> None:
        told = "\n".join(self.problems('[api]\nauth = "keystone"\nlisten = 3\n[keystone]\nregion_name = 7\nnme = 1\n'))
        for name in ("api.listen", "keystone.region_name", "keystone.nme", "keystone.auth_url", "keystone.password"):
            self.assertIn(f"{name}: ", told)

    def test_a_password_or_an_application_credential_is_enough(self) -> None:
        for credentials in (
            'username = "u"\npassword = "p"\nproject_name = "services"\n',
            'application_credential_id = "i"\napplication_credential_secret = "s"\n',
        ):
            settings = load(self.file(self.chosen + self.place + credentials), {})
            self.assertEqual(settings.api.auth, "keystone")
            self.assertEqual(settings.keystone.auth_url, "https://keystone.example:5000/v3")

    def test_both_at_once_are_refused(self) -> None:
        both = 'username = "u"\napplication_credential_id = "i"\napplication_credential_secret = "s"\n'
        (problem,) = self.problems(self.chosen + self.place + both)
        self.assertIn("keystone.username: ", problem)
        self.assertIn("Accepted: ", problem)

    def test_no_secret_is_told(self) -> None:
        told = "\n".join(
            self.problems(
                self.chosen + "password = 31337\napplication_credential_secret = [31337]\n",
                OCTAVIA_TX_KEYSTONE__AUTH_URL="http://u:31337@keystone.example/v3",
            )
        )
        for name in ("password", "application_credential_secret", "auth_url"):
            self.assertIn(f"keystone.{name}: ", told)
        self.assertNotIn("31337", told)
        given = self.chosen + self.place + 'username = "u"\npassword = "31337"\nproject_name = "p"\n'
        self.assertNotIn("31337", repr(load(self.file(given), {})))

    def test_keystone_may_listen_anywhere(self) -> None:
        given = self.chosen + self.place + 'username = "u"\npassword = "p"\nproject_name = "p"\n'
        settings = load(self.file(given), {"OCTAVIA_TX_API__LISTEN": "tcp:9876"})
        self.assertEqual(settings.api.listen, Listen("tcp", 9876))

    def test_without_it_nothing_of_it_is_needed(self) -> None:
        load(self.file('[keystone]\nusername = "u"\n'), {})


class Listening(SynchronousTestCase):
    def test_both_ways_to_write_an_ipv6_address(self) -> None:
        for text in ("tcp:80:interface=[::1]", r"tcp:80:interface=\:\:1"):
            self.assertEqual(Listen.parse(text), Listen("tcp", 80, "::1"))

    def test_nonsense_is_refused(self) -> None:
        for text in ("", "80", "tcp:", "tcp:65536", "tcp:80:interface=", "tcp:80:interface=host", "ssl:80", "tcp:٣"):
            with self.assertRaises(ValueError, msg=text):
                Listen.parse(text)

    def test_all_addresses_are_reached_by_loopback(self) -> None:
        self.assertEqual(Listen("udp", 5555).reachable(5555), "127.0.0.1:5555")
        self.assertEqual(Listen("udp", 0, "::").reachable(7), "[::1]:7")
        self.assertEqual(Listen("tcp", 0, "192.0.2.1").reachable(7), "192.0.2.1:7")
