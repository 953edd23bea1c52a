"""What an object store is asked, and what becomes of its answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from amphora.fetch import NoAnswer
from amphora.logs.http import Answer, Body
from amphora.logs.notes import note
from amphora.logs.shipper import Undelivered
from amphora.logs.spool import Limits, Spool
from amphora.logs.swift import SwiftSender
from octavia_tx.wire.logs import Store

URL = "https://store/v1/AUTH_x/logs/octavia/p/lb/"
SIGNED = Store(name="a", url=URL, query="temp_url_sig=s")
KEYSTONE = Store(name="a", url=URL, keystone="https://id/v3/", credential_id="i", credential_secret="s")


@frozen
class Asked:
    method: str
    url: str
    fields: Mapping[str, str]
    body: bytes


class Storing(SynchronousTestCase):
    def setUp(self) -> None:
        self.spool = Spool(
            Path(self.mktemp()), Limits(spool=1 << 20, rotate_bytes=1 << 16, rotate_after=60.0), lambda: 1_764_357_752.5
        )
        self.addCleanup(self.spool.close)
        self.place = self.spool.places.keep(["a"])["a"]
        self.asked: list[Asked] = []
        self.answers: list[int | Answer | NoAnswer] = []

    async def ask(self, method: str, url: str, fields: Mapping[str, str], body: Body) -> Answer:
        sent = body.head + (body.path.read_bytes() if body.path else b"")
        self.asked.append(Asked(method, url, fields, sent))
        given = self.answers.pop(0) if self.answers else 201
        if isinstance(given, NoAnswer):
            raise given
        if isinstance(given, Answer):
            return given
        return Answer(given, {"etag": md5(sent, usedforsecurity=False).hexdigest()}, b"")

    def write(self, *lines: bytes) -> None:
        self.spool.append(list(lines))
        self.spool.seal()
        for _ in self.spool.packing():
            pass

    def sender(self, store: Store = SIGNED) -> SwiftSender:
        return SwiftSender(self.place, "amphora", store, self.ask)

    def send(self, sender: SwiftSender) -> bool:
        return self.successResultOf(Deferred.fromCoroutine(sender.send()))

    def fail(self, sender: SwiftSender) -> Undelivered:  # type: ignore[override]
        failure = self.failureResultOf(Deferred.fromCoroutine(sender.send()), Undelivered)
        assert isinstance(failure.value, Undelivered)
        return failure.value

    def test_a_file_is_put_once_and_then_nothing(self) -> None:
        self.write(b"1\n", b"2\n")
        sender = self.sender()
        self.assertEqual((self.send(sender), self.send(sender)), (True, False))
        (asked,) = self.asked
        self.assertEqual(asked.method, "PUT")
        self.assertEqual(asked.url, f"{URL}amphora/20251128T192232.500Z-00000001.log.gz?temp_url_sig=s")
        self.assertEqual(asked.fields["ETag"], md5(asked.body, usedforsecurity=False).hexdigest())
        self.assertEqual(gzip.decompress(asked.body), b"1\n2\n")
        self.assertNotIn("X-Auth-Token", asked.fields)

    def test_an_answer_that_is_lost_makes_no_second_object(self) -> None:
        self.write(b"1\n")
        self.answers = [NoAnswer("it hung up"), 201]
        sender = self.sender()
        self.assertEqual(str(self.fail(sender)), "it hung up")
        self.spool.close()
        self.assertTrue(self.send(sender))
        self.assertEqual(self.asked[0], self.asked[1])

    def test_something_else_than_was_sent_is_sent_again(self) -> None:
        self.write(b"1\n")
        self.answers = [Answer(201, {"etag": '"fish"'}, b""), Answer(201, {}, b"")]
        for _ in range(2):
            self.assertIn("something else", str(self.fail(self.sender())))
        self.assertTrue(self.send(self.sender()))

    def test_what_it_missed_is_told_before_the_lines_and_once(self) -> None:
        self.write(b"1\n")
        self.write(b"2\n")
        self.place.dropped = 3
        self.answers = [500]
        sender = self.sender()
        self.assertFalse(self.fail(sender).denied)
        self.send(sender)
        self.send(sender)
        found = [gzip.decompress(asked.body) for asked in self.asked]
        self.assertEqual(found, [note(3) + b"1\n", note(3) + b"1\n", b"2\n"])

    def test_a_token_is_asked_for_once_and_again_when_it_is_not_taken(self) -> None:
        for line in (b"1\n", b"2\n", b"3\n"):
            self.write(line)
        token = [Answer(201, {"x-subject-token": f"t{number}"}, b"") for number in range(2)]
        self.answers = [token[0], 201, 401, token[1], 201]
        sender = self.sender(KEYSTONE)
        self.assertEqual([self.send(sender) for _ in range(4)], [True, True, True, False])
        self.assertEqual(
            [(a.method, a.fields.get("X-Auth-Token")) for a in self.asked],
            [("POST", None), ("PUT", "t0"), ("PUT", "t0"), ("POST", None), ("PUT", "t1"), ("PUT", "t1")],
        )
        self.assertEqual(self.asked[0].url, "https://id/v3/auth/tokens?nocatalog")
        identity = json.loads(self.asked[0].body)["auth"]["identity"]
        self.assertEqual(identity["application_credential"], {"id": "i", "secret": "s"})

    def test_who_is_not_let_in_by_store_or_keystone_is_denied(self) -> None:
        self.write(b"1\n")
        token = Answer(201, {"x-subject-token": "t"}, b"")
        cases: tuple[tuple[Store, list[Any], bool], ...] = (
            *((SIGNED, [status], True) for status in (401, 403, 404)),
            *((SIGNED, [status], False) for status in (408, 413, 429, 500, 503, 507)),
            (KEYSTONE, [token, 401, token, 401], True),
            (KEYSTONE, [token, 403], True),
            (KEYSTONE, [401], True),
            (KEYSTONE, [500], False),
            (KEYSTONE, [Answer(201, {}, b"")], False),
            (KEYSTONE, [NoAnswer("dead")], False),
        )
        for store, answers, denied in cases:
            self.answers = list(answers)
            error = self.fail(self.sender(store))
            self.assertEqual(error.denied, denied, (store, answers))
            for secret in ("temp_url_sig", '"s"'):
                self.assertNotIn(secret, str(error))

    def test_a_file_that_somebody_removed_is_missing_and_the_next_is_put(self) -> None:
        self.write(b"1\n")
        self.write(b"2\n")
        self.spool.segments[0].path.unlink()
        sender = self.sender()
        self.assertEqual([self.send(sender) for _ in range(3)], [True, True, False])
        self.assertEqual([gzip.decompress(asked.body) for asked in self.asked], [note(1) + b"2\n"])

    def test_another_store_has_another_place(self) -> None:
        self.write(b"1\n")
        self.send(self.sender(evolve(SIGNED, url="https://other/v1/a/c/")))
        self.assertTrue(self.asked[0].url.startswith("https://other/v1/a/c/amphora/"))
