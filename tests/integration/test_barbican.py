"""What barbican refuses, and when it doesn't answer as it should: a server that says only what a test tells it to."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from octavia_tx.api.barbican import version
from octavia_tx.errors import CloudError, OctaviaError, ReferenceDenied
from octavia_tx.model.references import Consumer
from octavia_tx.tap.site import QuietSite
from octavia_tx.testing.certificates import PROJECT, WHERE
from tests.integration.test_certificate_managers import barbican_over

REFUSAL = json.dumps({"code": 403, "title": "Forbidden", "description": "Secret payload retrieval denied"}).encode()
USER = Consumer(kind="loadbalancer", id=str(uuid4()))


class Scripted(Resource):
    """
    Answers each path by its end.

    @ivar answers: the status and body for the longest end that fits.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[int, bytes]] = {}

    def render(self, request: Request) -> bytes:
        path = request.path.decode()
        if path.rstrip("/") == "/key-manager":
            return json.dumps({"versions": [version("http://x")]}).encode()
        fitting = [end for end in self.answers if path.endswith(end)]
        status, body = self.answers[max(fitting, key=len)] if fitting else (404, b"{}")
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", b"application/json")
        return body


class RefusalTests(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self.scripted = Scripted()
        site = QuietSite(self.scripted, reactor)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        self.addCleanup(lambda: Deferred.fromCoroutine(site.drain()))
        self.base = f"http://127.0.0.1:{port.getHost().port}"
        self.manager = barbican_over(self)
        self.secret, self.container = str(uuid4()), str(uuid4())

    async def refused(self, kind: type[OctaviaError], asking: Any) -> str:
        try:
            await asking
        except kind as error:
            return str(error)
        raise self.failureException("It wasn't refused.")

    async def test_an_acl_that_does_not_let_us_in_is_explained(self) -> None:
        whole = json.dumps({"content_types": {"default": "text/plain"}}).encode()
        held = [{"name": "certificate", "secret_ref": f"https://x/v1/secrets/{self.secret}"}]
        for answers in (
            {f"secrets/{self.secret}": (403, REFUSAL)},
            {f"secrets/{self.secret}": (200, whole), "/payload": (403, REFUSAL)},
        ):
            container = (200, json.dumps({"secret_refs": held}).encode())
            self.scripted.answers = {**answers, f"containers/{self.container}": container}
            for asking in (
                self.manager.secret(f"/v1/secrets/{self.secret}", PROJECT, WHERE),
                self.manager.bundle(f"/v1/secrets/{self.secret}", PROJECT, WHERE),
                self.manager.bundle(f"/v1/containers/{self.container}", PROJECT, WHERE),
            ):
                told = await self.refused(ReferenceDenied, asking)
                for part in (WHERE, self.secret, "openstack acl user add --user "):
                    self.assertIn(part, told)
        self.scripted.answers = {f"containers/{self.container}": (403, REFUSAL)}
        asking = self.manager.bundle(f"/v1/containers/{self.container}", PROJECT, WHERE)
        self.assertIn(self.container, await self.refused(ReferenceDenied, asking))

    async def test_trouble_is_not_taken_for_missing_nor_for_a_content(self) -> None:
        whole = (200, json.dumps({"content_types": {"default": "text/plain"}}).encode())
        for answer in (
            (500, b"-----BEGIN PRIVATE KEY-----"),
            (503, b"{}"),
            (401, b"{}"),
            (200, b"<html>"),
            (200, b"[]"),
        ):
            for answers in ({"": answer}, {"": whole, "/payload": answer}):
                if answers.get("/payload", answer)[0] == 200 and "/payload" in answers:
                    continue  # whatever a payload is
                self.scripted.answers = answers
                told = await self.refused(CloudError, self.manager.secret(f"/secrets/{self.secret}", PROJECT, WHERE))
                self.assertNotIn("PRIVATE", told)
        self.scripted.answers = {"": (500, b"")}
        await self.refused(CloudError, self.manager.bundle(f"/containers/{self.container}", PROJECT, WHERE))
        await self.refused(CloudError, self.manager.register(f"/containers/{self.container}", USER))

    async def test_who_may_not_tell_of_users_does_without(self) -> None:
        self.scripted.answers = {"/consumers": (403, REFUSAL)}
        await self.manager.register(f"/containers/{self.container}", USER)
        self.scripted.answers = {}
        await self.manager.unregister(f"/secrets/{self.secret}", USER)
