"""What a machine is given at its boot."""

from __future__ import annotations

import tomllib
from pathlib import Path

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.authority import Authority
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.wire.keys import amphora_key
from octavia_tx.wire.tls import Role, named_by

AMPHORA = "11111111-2222-4333-8444-555555555555"


class Boots(SynchronousTestCase):
    """Made with a real authority."""

    def setUp(self) -> None:
        self.authority = Authority.load_or_create(Path(self.mktemp()))

    def material(self, **options: object) -> BootMaterial:
        options = {"receivers": ("127.0.0.1:5555",), "controllers": ("https://127.0.0.1:9444",), **options}
        return BootMaterial(self.authority, self.authority.heartbeat_key, **options)  # type: ignore[arg-type]

    def test_the_settings_are_the_agents(self) -> None:
        made = self.material(interval=2).make(AMPHORA)
        self.assertEqual(
            tomllib.loads(made.boot.files["agent.toml"].decode()),
            {
                "amphora_id": AMPHORA,
                "listen": "tcp:9443",
                "haproxy": "haproxy",
                "heartbeat": {
                    "receivers": ["127.0.0.1:5555"],
                    "key": amphora_key(self.authority.heartbeat_key, AMPHORA).hex(),
                    "interval": 2.0,
                    "envelope": "octavia-tx",
                },
                "controllers": {"urls": ["https://127.0.0.1:9444"]},
            },
        )

    def test_the_certificate_is_the_amphoras_own_and_recorded(self) -> None:
        made = self.material().make(AMPHORA)
        certificate = x509.load_pem_x509_certificate(made.boot.files["agent.pem"])
        self.assertEqual(named_by(certificate), (Role.AMPHORA, frozenset({AMPHORA})))
        self.assertEqual(made.serial, f"{certificate.serial_number:x}")
        self.assertEqual(made.expires, certificate.not_valid_after_utc)
        self.assertEqual(made.boot.files["authority.pem"], self.authority.authority)

    def test_no_two_machines_share_a_secret(self) -> None:
        material = self.material()
        one, other = material.make(AMPHORA), material.make(AMPHORA[::-1])
        self.assertNotEqual(one.boot.files["agent.pem"], other.boot.files["agent.pem"])
        self.assertNotEqual(one.boot.files["agent.toml"], other.boot.files["agent.toml"])
        self.assertNotIn("PRIVATE KEY", repr(one))

    def test_an_operators_template_takes_the_place_of_ours(self) -> None:
        own = Path(self.mktemp())
        (own / "agent").mkdir(parents=True)
        (own / "agent" / "agent.toml.j2").write_text("mine = {{ amphora_id | toml }}\n")
        made = self.material(templates=own).make(AMPHORA)
        self.assertEqual(made.boot.files["agent.toml"], f'mine = "{AMPHORA}"\n'.encode())

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_any_text_reaches_the_agent_as_it_is(self, text: str) -> None:
        made = self.material(haproxy=text, receivers=(text, text)).make(AMPHORA)
        read = tomllib.loads(made.boot.files["agent.toml"].decode())
        self.assertEqual((read["haproxy"], read["heartbeat"]["receivers"]), (text, [text, text]))
