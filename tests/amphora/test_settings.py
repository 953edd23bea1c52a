"""The agent's settings."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.network_settings import NetworkSettings
from amphora.settings import Address, BadSettings, read
from octavia_tx.cloud.authority import Authority
from octavia_tx.wire.rest import certificates_directories
from octavia_tx.wire.tls import Role

AMPHORA = "11111111-1111-4111-8111-111111111111"
GOOD = f"""
amphora_id = "{AMPHORA}"
haproxy = "sh"
[heartbeat]
receivers = ["127.0.0.1:5555", "[::1]:5556"]
key = "{"ab" * 32}"
[controllers]
urls = ["https://127.0.0.1:9444/"]
"""


class ReadSettings(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        credential = Authority.load_or_create(self.directory / "ca").issue(Role.AMPHORA, AMPHORA)
        (self.directory / "agent.pem").write_bytes(credential.pem)
        (self.directory / "authority.pem").write_bytes(credential.authority)
        self.path = self.directory / "agent.toml"

    def problems(self, text: str, **overrides: str) -> tuple[str, ...]:
        self.path.write_text(text)
        return self.assertRaises(BadSettings, read, self.path, **overrides).problems  # type: ignore[no-any-return]

    def test_good_settings_are_read_and_the_rest_has_defaults(self) -> None:
        self.path.write_text(GOOD)
        settings = read(self.path)
        self.assertEqual(settings.amphora_id, AMPHORA)
        self.assertEqual(settings.directory, self.directory)
        self.assertEqual(settings.listen, Address("", 9443))
        self.assertTrue(Path(settings.haproxy).is_absolute())
        self.assertEqual(settings.heartbeat.receivers, (Address("127.0.0.1", 5555), Address("::1", 5556)))
        self.assertEqual(settings.heartbeat.key, b"\xab" * 32)
        self.assertEqual((settings.heartbeat.interval, settings.heartbeat.envelope), (5.0, "octavia-tx"))
        self.assertEqual(settings.controllers, ("https://127.0.0.1:9444",))

    def test_certificates_lie_in_memory_where_nothing_else_is_said(self) -> None:
        self.path.write_text(GOOD)
        self.assertEqual(read(self.path).certificates, certificates_directories(AMPHORA)[0])
        self.path.write_text(GOOD + '[certificates]\ndirectory = "/some/where"\n')
        self.assertEqual(read(self.path).certificates, Path("/some/where"))
        for wrong, said in (("directory = 'here'", "isn't a whole path"), ("", "missing"), ("place = '/'", "unknown")):
            (first, *_) = self.problems(f"{GOOD}[certificates]\n{wrong}\n")
            self.assertTrue(first.startswith("certificates."), first)
            self.assertIn(said, first)

    def test_traffic_flows_where_the_agent_is_unless_a_namespace_is_named(self) -> None:
        self.path.write_text(GOOD)
        self.assertEqual(read(self.path).network, NetworkSettings(namespace=None, topology="SINGLE"))
        self.path.write_text(GOOD + '[network]\nnamespace = "amphora-haproxy"\ntopology = "ACTIVE_STANDBY"\n')
        self.assertEqual(read(self.path).network, NetworkSettings("amphora-haproxy", "ACTIVE_STANDBY"))
        for wrong in ('namespace = "1"', 'namespace = "a/b"', "namespace = 5", 'topology = "TRIO"', "colour = 1"):
            (problem,) = self.problems(f"{GOOD}[network]\n{wrong}\n")
            self.assertTrue(problem.startswith("network."), problem)

    def test_the_command_line_goes_before_the_file(self) -> None:
        self.path.write_text('listen = "tcp:1"\n' + GOOD.replace('"sh"', '"no such program"'))
        settings = read(self.path, listen="tcp:0:interface=127.1.2.3", haproxy="cat")
        self.assertEqual(settings.listen, Address("127.1.2.3", 0))
        self.assertEqual(Path(settings.haproxy).name, "cat")

    def test_every_bad_setting_is_told_at_once(self) -> None:
        problems = self.problems(
            """
            amphora_id = "fish"
            listen = "udp:9443"
            haproxy = "/no/such/haproxy"
            colour = "red"
            [heartbeat]
            receivers = ["localhost:5555"]
            key = "abc"
            interval = -1
            envelope = "paper"
            [controllers]
            urls = ["http://127.0.0.1:9444"]
            """
        )
        named = [p.partition(":")[0] for p in problems]
        self.assertEqual(
            sorted(named),
            sorted(
                [
                    "amphora_id", "listen", "haproxy", "colour", "heartbeat.receivers", "heartbeat.key",
                    "heartbeat.interval", "heartbeat.envelope", "controllers.urls",
                ]
            ),
        )  # fmt: skip

    def test_missing_settings_are_told(self) -> None:
        problems = self.problems('haproxy = "sh"')
        for name in ("amphora_id", "heartbeat.receivers", "heartbeat.key"):
            self.assertIn(f"{name}: missing.", problems)

    def test_values_of_wrong_types_are_told(self) -> None:
        text = 'amphora_id = 1\nhaproxy = []\nlisten = {}\nheartbeat = "often"\ncontrollers = 7'
        named = {p.partition(":")[0] for p in self.problems(text)}
        self.assertTrue({"amphora_id", "haproxy", "listen", "heartbeat", "controllers"} <= named, named)

    def test_a_file_that_is_not_there_is_told(self) -> None:
        self.assertRaises(BadSettings, read, self.directory / "none.toml")

    def test_a_file_that_is_not_toml_is_told(self) -> None:
        (problem,) = self.problems("amphora_id = ")
        self.assertIn("not TOML", problem)

    def test_a_certificate_that_is_not_there_or_not_one_is_told(self) -> None:
        (self.directory / "agent.pem").write_bytes(b"garbage")
        (problem,) = self.problems(GOOD)
        self.assertIn("agent.pem", problem)
        (self.directory / "agent.pem").unlink()
        (problem,) = self.problems(GOOD)
        self.assertIn("agent.pem", problem)

    def test_places_to_listen(self) -> None:
        for text, address in {
            "tcp:9443": Address("", 9443),
            "tcp:port=1:interface=127.0.0.1": Address("127.0.0.1", 1),
            "tcp:1:interface=\\\\:\\\\:1": Address("::1", 1),
            "tcp:1:interface=[::1]": Address("::1", 1),
        }.items():
            self.path.write_text(f'listen = "{text}"\n{GOOD}')
            self.assertEqual(read(self.path).listen, address)
        for text in ("tcp:65536", "tcp:x", "tcp:1:interface=localhost", "9443", "tcp:1:backlog=5"):
            (problem,) = self.problems(f'listen = "{text}"\n{GOOD}')
            self.assertTrue(problem.startswith("listen:"), problem)

    def test_secrets_are_not_shown(self) -> None:
        self.path.write_text(GOOD)
        shown = repr(read(self.path))
        self.assertNotIn("PRIVATE KEY", shown)
        self.assertNotIn("abab", shown)
        self.assertNotIn("\\xab", shown)
