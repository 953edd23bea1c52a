"""The settings with which OpenStack's controllers boot an amphora."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.ssl import TLSVersion
from twisted.trial.unittest import SynchronousTestCase

from amphora import tap
from amphora.openstack_settings import parse
from amphora.preamble import preamble
from amphora.settings import Address, BadSettings, Settings
from octavia_tx.cloud.authority import Authority
from octavia_tx.wire.tls import Peer, Role

AMPHORA = "11111111-1111-4111-8111-111111111111"
KEY = "d%ng: $words; = 'any' text"
GOOD = """
[DEFAULT]
debug = False
use_syslog = True
amphora_id = not this one

[haproxy_amphora]
base_cert_dir = /var/lib/octavia/certs
base_path = /var/lib/octavia
bind_host = ::
bind_port = 9443
haproxy_cmd = sh
user_log_facility = 0

[health_manager]
controller_ip_port_list = 127.0.0.1:5555, [::1]:5556,2001:db8::1:5557
heartbeat_interval = 10
heartbeat_key = {key}

[amphora_agent]
agent_server_ca = {directory}/client_ca.pem
agent_server_cert = {directory}/server.pem
agent_request_read_timeout = 180
amphora_id = {amphora}
amphora_udp_driver = keepalived_lvs
agent_tls_protocol = TLSv1.2

[controller_worker]
loadbalancer_topology = SINGLE
"""


class ReadSettings(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.credential = Authority.load_or_create(self.directory / "ca").issue(Role.AMPHORA, AMPHORA)
        (self.directory / "server.pem").write_bytes(self.credential.pem)
        (self.directory / "client_ca.pem").write_bytes(self.credential.authority)
        self.path = self.directory / "amphora-agent.conf"

    def text(self, *changes: tuple[str, str], key: str = KEY) -> str:
        """The good one, with this in the place of that."""
        text = GOOD.format(directory=self.directory, amphora=AMPHORA, key=key)
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def read(self, *changes: tuple[str, str], key: str = KEY) -> Settings:
        return parse(self.text(*changes, key=key).encode(), self.path)

    def problems(self, *changes: tuple[str, str]) -> tuple[str, ...]:
        found: tuple[str, ...] = self.assertRaises(BadSettings, self.read, *changes).problems
        return found

    def test_all_that_it_says_is_taken_up(self) -> None:
        settings = self.read()
        self.assertEqual(settings.amphora_id, AMPHORA)
        self.assertEqual(settings.directory, Path("/var/lib/octavia"))
        self.assertEqual(settings.certificates, Path("/var/lib/octavia/certs"))
        self.assertEqual(settings.listen, Address("::", 9443))
        self.assertEqual(Path(settings.haproxy).name, "sh")
        heartbeat = settings.heartbeat
        self.assertEqual(
            heartbeat.receivers, (Address("127.0.0.1", 5555), Address("::1", 5556), Address("2001:db8::1", 5557))
        )
        self.assertEqual((heartbeat.key, heartbeat.interval), (KEY.encode(), 10.0))
        self.assertEqual(settings.credential, self.credential)
        self.assertEqual(settings.controllers, ())

    def test_it_is_for_openstacks_controllers(self) -> None:
        settings = self.read()
        self.assertEqual(settings.heartbeat.envelope, "openstack")
        self.assertEqual(settings.controller, Peer(role=None))
        self.assertIn("server-state-file servers.state", settings.preamble)

    def test_traffic_flows_where_theirs_does_and_a_pair_keeps_the_vip(self) -> None:
        settings = self.read(("topology = SINGLE", "topology = ACTIVE_STANDBY"))
        self.assertEqual(settings.network.topology, "ACTIVE_STANDBY")
        self.assertEqual(settings.network.namespace, None if os.geteuid() else "amphora-haproxy")

    def test_its_own_certificate_is_replaced_where_it_lies(self) -> None:
        self.assertEqual(self.read().credential_file, self.directory / "server.pem")

    def test_what_it_leaves_out_is_as_theirs_is(self) -> None:
        text = f"""
[health_manager]
controller_ip_port_list = 127.0.0.1:5555
heartbeat_key = short
[haproxy_amphora]
haproxy_cmd = sh
[amphora_agent]
amphora_id = {AMPHORA}
agent_server_ca = {self.directory}/client_ca.pem
agent_server_cert = {self.directory}/server.pem
"""
        settings = parse(text.encode(), self.path)
        self.assertEqual((settings.directory, settings.listen), (Path("/var/lib/octavia"), Address("::", 9443)))
        self.assertEqual(settings.certificates, Path("/var/lib/octavia/certs"))
        self.assertEqual((settings.heartbeat.key, settings.heartbeat.interval), (b"short", 10.0))

    def test_a_key_is_any_text(self) -> None:
        for key, read in (("x" * 32, b"x" * 32), ('"in quotes"', b"in quotes"), ("ünïcode", "ünïcode".encode())):
            self.assertEqual(self.read(key=key).heartbeat.key, read)

    def test_newer_tls_can_be_asked_for_and_older_is_not_spoken(self) -> None:
        for said, least in (("TLSv1.3", TLSVersion.TLSv1_3), ("TLSv1", TLSVersion.TLSv1_2)):
            self.assertEqual(self.read(("= TLSv1.2", f"= {said}")).least_tls, least)

    def test_the_command_line_goes_before_the_file(self) -> None:
        settings = parse(self.text(("bind_port = 9443", "bind_port = 0")).encode(), self.path, "tcp:1", "cat")
        self.assertEqual((settings.listen, Path(settings.haproxy).name), (Address("", 1), "cat"))

    def test_every_bad_setting_is_told_at_once(self) -> None:
        problems = self.problems(
            (f"amphora_id = {AMPHORA}", "amphora_id = fish"),
            ("base_path = /var", "base_path = var"),
            ("base_cert_dir = /var", "base_cert_dir = var"),
            ("bind_host = ::", "bind_host = here"),
            ("bind_port = 9443", "bind_port = many"),
            ("haproxy_cmd = sh", "haproxy_cmd = /no/such"),
            ("127.0.0.1:5555, ", "localhost:5555, "),
            ("heartbeat_interval = 10", "heartbeat_interval = soon"),
            (f"heartbeat_key = {KEY}", "heartbeat_key ="),
            ("server.pem", "absent.pem"),
            ("TLSv1.2", "TLSv9"),
            ("topology = SINGLE", "topology = TRIO"),
        )
        names = [p.partition(":")[0] for p in problems]
        self.assertEqual(
            names,
            [
                "[health_manager] controller_ip_port_list", "[health_manager] heartbeat_key",
                "[health_manager] heartbeat_interval", "[haproxy_amphora] base_path", "[amphora_agent] amphora_id",
                "[haproxy_amphora] bind_host", "[haproxy_amphora] bind_port", "[haproxy_amphora] haproxy_cmd",
                "[haproxy_amphora] base_cert_dir", f"{self.directory}/absent.pem",
                "[amphora_agent] agent_tls_protocol", "[controller_worker] loadbalancer_topology",
            ],
        )  # fmt: skip

    def test_the_key_is_never_told(self) -> None:
        problems = self.problems(("amphora_id = " + AMPHORA, "amphora_id = fish"))
        self.assertNotIn(KEY, " ".join(problems))
        self.assertNotIn(KEY, repr(self.read()))

    def test_what_is_no_such_file_is_refused_without_telling_what_it_holds(self) -> None:
        for wrong in (b"heartbeat_key = secret", b"[x]\nsecret", b"\xff", b"[x"):
            (problem,) = self.assertRaises(BadSettings, parse, wrong, self.path).problems
            self.assertIn("not an INI file", problem)
            self.assertNotIn("secret", problem)

    def test_a_file_is_read_as_theirs_by_its_name(self) -> None:
        self.path.write_text(self.text())
        options = tap.Options()
        options.parseOptions(["--config", str(self.path)])
        self.assertEqual(options.settings.heartbeat.envelope, "openstack")
        self.assertEqual(options.parse(self.text().encode()), options.settings)


class Preamble(SynchronousTestCase):
    def test_an_agent_that_is_not_root_keeps_its_user(self) -> None:
        text = preamble(1000, 1001, 65534)
        self.assertIn("    uid 1000\n    gid 1001\n", text)

    def test_root_leaves_the_user_to_the_configuration_and_gives_it_a_group(self) -> None:
        text = preamble(0, 0, 65534)
        self.assertNotIn("uid", text)
        self.assertIn("    gid 65534\n", text)

    def test_root_without_such_a_user_gives_none(self) -> None:
        self.assertNotIn("gid", preamble(0, 0, None))
