"""Tests of C{octavia_tx.cloud.validation}: what is made of whatever keystone, or something in its place, answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from keystoneauth1 import exceptions
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.tokens import Token
from octavia_tx.cloud.validation import Credentials, Validator, read
from octavia_tx.errors import IdentityUnavailable
from octavia_tx.model.caller import Caller

URL = "https://keystone.example/v3"
SECRET = "a-token-that-nobody-may-see"
DESCRIPTION: dict[str, Any] = {
    "user": {"id": "u", "name": "someone"},
    "expires_at": "2026-01-01T00:00:00.000000Z",
    "project": {"id": "p", "name": "project"},
    "roles": [{"id": "1", "name": "Member"}, {"id": "2", "name": "Load-Balancer_Observer"}],
}


class NoThreads:
    """In place of threads: a call is made at once."""

    def call(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return maybeDeferred(function, *args)


class InventedSession:
    """
    In place of a session with keystone.

    @ivar answers: what each request to come is answered with, or raises.
    """

    def __init__(self, *answers: Exception | tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, url: str, **options: Any) -> SimpleNamespace:
        self.asked.append((url, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer[0], content=answer[1])


def described(**changed: Any) -> bytes:
    return json.dumps({"token": {**DESCRIPTION, **changed}}).encode()


class Reading(SynchronousTestCase):
    def read(self, **changed: Any) -> Token:
        return read(json.loads(described(**changed)))

    def test_a_token_of_a_project(self) -> None:
        token = self.read()
        self.assertEqual(
            token.caller,
            Caller(project_id="p", user_id="u", roles=frozenset({"member", "load-balancer_observer"})),
        )
        self.assertEqual(token.expires, datetime(2026, 1, 1, tzinfo=UTC).timestamp())

    def test_a_time_without_a_zone_is_utc(self) -> None:
        self.assertEqual(self.read(expires_at="2026-01-01T00:00:00"), self.read())

    def test_a_token_of_the_system_or_of_nothing(self) -> None:
        system = self.read(project=None, system={"all": True}).caller
        self.assertEqual((system.project_id, system.system), (None, True))
        domain = self.read(project=None, domain={"id": "default"}).caller
        self.assertEqual((domain.project_id, domain.roles, domain.system), (None, frozenset(), False))
        nothing = read({"token": {"user": {"id": "u"}, "expires_at": "2026-01-01T00:00:00Z"}}).caller
        self.assertEqual(nothing, Caller(project_id=None, user_id="u"))


class Answers(SynchronousTestCase):
    def validate(self, session: InventedSession, expired_too: bool = False) -> Deferred[Token | None]:
        self.session = session
        self.validator = Validator(NoThreads(), session, URL)  # type: ignore[arg-type]
        return Deferred.fromCoroutine(self.validator.validate(SECRET, expired_too))

    def unavailable(self, *answers: Exception | tuple[int, bytes]) -> str:
        failure = self.failureResultOf(self.validate(InventedSession(*answers)), IdentityUnavailable)
        told = failure.getErrorMessage()
        self.assertIn(URL, told)
        self.assertNotIn(SECRET, told)
        return told

    def test_what_is_asked(self) -> None:
        self.successResultOf(self.validate(InventedSession((200, described()))))
        ((url, options),) = self.session.asked
        self.assertEqual(url, f"{URL}/auth/tokens?nocatalog")
        self.assertEqual(options["headers"]["X-Subject-Token"], SECRET)
        self.assertFalse(options["log"])
        self.successResultOf(self.validate(InventedSession((200, described())), True))
        self.assertEqual(self.session.asked[0][0], f"{URL}/auth/tokens?nocatalog&allow_expired=1")

    def test_a_token_that_is_not_found_is_none(self) -> None:
        self.assertIsNone(self.successResultOf(self.validate(InventedSession((404, b"{}")))))

    def test_answers_that_are_none(self) -> None:
        for body in (
            b"", b"<html>", b"\xff", b"[]", b"{}", b"null", b'{"token": []}', b'{"token": {}}',
            described(user={}), described(user={"id": 7}), described(user=[]), described(expires_at="soon"),
            described(expires_at=None), described(project={"name": "p"}), described(project="p"),
            described(roles=[{}]), described(roles=3), described(roles=["member"]), described(system={"none": 1}),
        ):  # fmt: skip
            self.assertIn("something else", self.unavailable((200, body)), body)

    def test_statuses_of_trouble(self) -> None:
        for status, said in ((401, "credentials"), (403, "role service"), (302, "302"), (500, "500"), (429, "429")):
            self.assertIn(said, self.unavailable((status, SECRET.encode())))

    def test_trouble_with_our_own_token(self) -> None:
        for error, said in (
            (exceptions.Unauthorized(SECRET), "credentials"),
            (exceptions.InternalServerError(SECRET), "500"),
            (exceptions.ConnectTimeout(SECRET), "doesn't answer"),
            (exceptions.UnknownConnectionError(SECRET, OSError()), "doesn't answer"),
            (exceptions.SSLError(SECRET), "keystone.cafile"),
            (exceptions.AuthorizationFailure(SECRET), "something else"),
            (FileNotFoundError(2, "No such file", SECRET), "keystone.cafile"),
            (KeyError(SECRET), "something else"),
        ):
            self.assertIn(said, self.unavailable(error))

    def test_a_connection_that_was_closed_meanwhile_is_made_again_once(self) -> None:
        lost = exceptions.ConnectFailure(SECRET)
        self.assertIsNotNone(self.successResultOf(self.validate(InventedSession(lost, (200, described())))))
        self.assertIn("doesn't answer", self.unavailable(lost, lost))

    def test_a_bug_is_no_trouble_of_keystones(self) -> None:
        self.failureResultOf(self.validate(InventedSession(ZeroDivisionError())), ZeroDivisionError)


class Places(SynchronousTestCase):
    def test_the_version_may_be_left_out(self) -> None:
        for given, url in (
            ("https://keystone.example:5000", "https://keystone.example:5000/v3"),
            ("https://keystone.example/identity/", "https://keystone.example/identity/v3"),
            ("https://keystone.example/v3", "https://keystone.example/v3"),
            ("https://keystone.example/v3/", "https://keystone.example/v3"),
        ):
            self.assertEqual(Credentials(auth_url=given).versioned_url, url)

    def test_no_secret_is_shown(self) -> None:
        credentials = Credentials(auth_url=URL, password=SECRET, application_credential_secret=SECRET)
        self.assertNotIn(SECRET, repr(credentials))
