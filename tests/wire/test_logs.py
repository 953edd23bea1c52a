"""Terms of access logs, from a controller to an agent."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.logs import BadTerms, LogTerms, Store, Syslog, decode, encode

STORE = Store(name="a", url="https://h/v1/AUTH_x/c/p/", query="temp_url_sig=secret1", credential_secret="secret2")
SYSLOG = Syslog(name="b", host="h", port=514, transport="udp", certificate="secret3")
TERMS = LogTerms(
    targets=(STORE, SYSLOG), spool=1 << 20, rotate_bytes=1 << 16, rotate_after=300.0, farewell=30.0, renew_at=5e9
)


class Terms(SynchronousTestCase):
    def test_what_is_encoded_is_decoded(self) -> None:
        self.assertEqual(decode(encode(TERMS)), TERMS)

    def test_secrets_are_not_shown(self) -> None:
        self.assertNotIn("secret", repr(TERMS).replace("credential_secret", ""))

    def test_everything_else_is_refused_with_a_reason(self) -> None:
        def changed(**more: Any) -> bytes:
            return json.dumps({**json.loads(encode(TERMS)), **more}).encode()

        def target(**more: Any) -> bytes:
            return changed(targets=[{**json.loads(encode(TERMS))["targets"][1], **more}])

        def store(**more: Any) -> bytes:
            return changed(targets=[{**json.loads(encode(TERMS))["targets"][0], **more}])

        for wrong in (
            *(b"", b"[]", b"{}", b"\xff", b"[" * 100_000, changed(targets=3), changed(targets=[3])),
            *(changed(spool=0), changed(spool="1"), changed(farewell=True), changed(renew_at=-1)),
            changed(targets=json.loads(encode(TERMS))["targets"][:1] * 2),
            *(target(kind="fish"), target(port="1"), target(port=0), target(transport="sctp"), target(host="")),
            *(target(facility=24), target(more="x"), target(host=3), target(host="h\u00e9")),
            *(store(url="ftp://h/"), store(url="https://h/a b"), store(query="a\r\nX: y"), store(keystone="x")),
        ):
            self.assertRaises(BadTerms, decode, wrong)
