"""Who asks, as a real keystone tells it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.keystone import KeystoneIdentity
from octavia_tx.cloud.threads import Threads
from octavia_tx.cloud.validation import Credentials, Validator
from octavia_tx.errors import IdentityUnavailable, Unauthenticated
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.settings_file import load
from octavia_tx.tap.parts import Parts
from octavia_tx.testing.identity import Stage, make_identity_tests
from tests.integration.keystone import EMPTY, LOAD_BALANCER_ROLES, PASSWORD, SERVICES, TENANT, Keystone, shared_keystone

REMEMBER = 300.0
FIRST = frozenset({"admin", "manager", "member", "reader"})
"""What keystone's first user is: each role implies the next."""


class Asking:
    """
    An identity over the keystone of this process, closed after the test.

    @ivar clock: the identity's; it stands still unless told.
    @ivar session: its session with keystone.
    @ivar counted: how often keystone was asked for a token.
    """

    def __init__(self, case: TestCase, credentials: Credentials) -> None:
        self.clock = Clock()
        self.clock.advance(reactor.seconds())
        self.counted = 0
        self.session = credentials.session()
        case.addCleanup(self.session.session.close)
        threads = Threads(reactor, 4, "keystone")
        threads.startService()
        case.addCleanup(threads.stopService)
        self._validator = Validator(threads, self.session, credentials.versioned_url)
        self.identity = KeystoneIdentity(self.clock, self._validate, credentials.auth_url, remember=REMEMBER)

    async def _validate(self, token: str, expired_too: bool) -> object:
        self.counted += 1
        return await self._validator.validate(token, expired_too)

    async def caller(self, token: str, service_token: str | None = None) -> Caller:
        return await self.identity.caller(Presented(token=token, service_token=service_token))

    def forget(self) -> None:
        """Let the time pass for which tokens are remembered."""
        self.clock.advance(REMEMBER)


def later(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)


class KeystoneCase(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.keystone = shared_keystone()
        self.asking = Asking(self, self.keystone.credentials)

    async def refused(self, kind: type[Exception], token: str, service_token: str | None = None) -> str:
        try:
            caller = await self.asking.caller(token, service_token)
        except kind as error:
            for secret in (token, service_token, PASSWORD):
                self.assertFalse(secret and secret in str(error), "an error tells a secret")
            return str(error)
        raise AssertionError(f"{caller} was believed")

    def named(self, user: str, project: str | None, *roles: str, system: bool = False) -> Caller:
        project_id = None if project is None else self.keystone.projects[project]
        user_id = self.keystone.users[user]
        return Caller(project_id=project_id, user_id=user_id, roles=frozenset(roles), system=system)


class Scopes(KeystoneCase):
    async def test_a_token_of_a_project_has_the_users_roles_there(self) -> None:
        for user, roles in (("reader", {"reader"}), ("member", {"member", "reader"})):
            told = await self.asking.caller(self.keystone.token(user, TENANT))
            self.assertEqual(told, self.named(user, TENANT, *roles))
        told = await self.asking.caller(self.keystone.token("admin", "admin"))
        self.assertEqual(told, self.named("admin", "admin", *FIRST))

    async def test_the_load_balancer_roles_are_told_in_lower_case(self) -> None:
        for name in LOAD_BALANCER_ROLES:
            user = f"load-balancer_{name}"
            told = await self.asking.caller(self.keystone.token(user, TENANT))
            self.assertEqual(told, self.named(user, TENANT, user))

    async def test_a_token_of_the_system_has_no_project(self) -> None:
        told = await self.asking.caller(self.keystone.token("admin", system=True))
        self.assertEqual(told, self.named("admin", None, *FIRST, system=True))
        told = await self.asking.caller(self.keystone.token("system-reader", system=True))
        self.assertEqual(told, self.named("system-reader", None, "reader", system=True))

    async def test_a_token_of_a_domain_has_no_project_and_its_roles_are_worth_nothing(self) -> None:
        told = await self.asking.caller(self.keystone.token("domain-reader", domain=True))
        self.assertEqual(told, self.named("domain-reader", None))

    async def test_a_token_of_no_scope_has_nothing(self) -> None:
        told = await self.asking.caller(self.keystone.token("nobody"))
        self.assertEqual(told, self.named("nobody", None))

    async def test_a_token_got_with_an_application_credential_is_its_users_in_its_project(self) -> None:
        credential = self.keystone.application_credential("member", TENANT, self.id())
        told = await self.asking.caller(self.keystone.token_by(credential))
        self.assertEqual(told, self.named("member", TENANT, "member", "reader"))

    async def test_one_that_is_for_some_paths_alone_is_refused_for_all(self) -> None:
        rule = {"path": "/v2/lbaas/pools", "method": "GET", "service": "load-balancer"}
        credential = self.keystone.application_credential("member", TENANT, self.id(), (rule,))
        await self.refused(Unauthenticated, self.keystone.token_by(credential))


class Validity(KeystoneCase):
    async def test_garbage_is_refused(self) -> None:
        token = self.keystone.token("member", TENANT)
        for garbage in ("garbage", token[:-1], token[:-4] + "AAAA", "x" * 3000, "%00", "../users", "a b", "\udcff"):
            await self.refused(Unauthenticated, garbage)

    async def test_a_token_that_expires_is_refused_from_then_on(self) -> None:
        with self.keystone.lifetime(2):
            token = self.keystone.token("member", TENANT)
        await self.asking.caller(token)
        self.asking.clock.advance(30)
        await self.refused(Unauthenticated, token)
        self.assertEqual(self.asking.counted, 1)

    async def test_a_token_that_has_expired_is_refused_by_keystone_too(self) -> None:
        with self.keystone.lifetime(0):
            token = self.keystone.token("member", TENANT)
        await self.refused(Unauthenticated, token)
        self.assertEqual(self.asking.counted, 1)

    async def test_a_revoked_token_is_refused_when_it_is_no_longer_remembered(self) -> None:
        token = self.keystone.token("member", TENANT)
        await self.asking.caller(token)
        self.keystone.revoke(token)
        await self.asking.caller(token)
        self.asking.forget()
        await self.refused(Unauthenticated, token)

    async def test_many_at_once_are_one_question(self) -> None:
        token = self.keystone.token("member", TENANT)
        told = await gatherResults([Deferred.fromCoroutine(self.asking.caller(token)) for _ in range(50)])
        self.assertEqual(set(told), {self.named("member", TENANT, "member", "reader")})
        self.assertEqual(self.asking.counted, 1)


class Services(KeystoneCase):
    async def test_a_service_may_act_for_a_user_whose_token_has_expired(self) -> None:
        with self.keystone.lifetime(0):
            token = self.keystone.token("member", TENANT)
        service, member = self.keystone.token("service", SERVICES), self.keystone.token("member", TENANT)
        told = await self.asking.caller(token, service)
        self.assertEqual(told, self.named("member", TENANT, "member", "reader"))
        await self.refused(Unauthenticated, token)
        await self.refused(Unauthenticated, token, member)
        await self.refused(Unauthenticated, token, "garbage")

    async def test_not_for_one_whose_token_was_revoked(self) -> None:
        token = self.keystone.token("member", TENANT)
        self.keystone.revoke(token)
        await self.refused(Unauthenticated, token, self.keystone.token("service", SERVICES))

    async def test_a_service_that_is_not_known_is_refused(self) -> None:
        await self.refused(Unauthenticated, self.keystone.token("member", TENANT), "garbage")


class OurOwn(KeystoneCase):
    """Our own token and credentials."""

    async def asks(self) -> None:
        """A token not seen yet is believed."""
        told = await self.asking.caller(self.keystone.token("member", TENANT))
        self.assertEqual(told, self.named("member", TENANT, "member", "reader"))

    async def test_an_application_credential_of_ours_will_do(self) -> None:
        identifier, secret = self.keystone.application_credential("service", SERVICES, self.id())
        credentials = Credentials(
            auth_url=self.keystone.url.removesuffix("/v3") + "/",
            application_credential_id=identifier,
            application_credential_secret=secret,
        )
        self.assertNotIn(secret, repr(credentials))
        self.asking = Asking(self, credentials)
        await self.asks()

    async def test_a_new_token_of_ours_is_got_when_the_old_one_is_revoked(self) -> None:
        await self.asks()
        old = self.asking.session.get_token()
        self.keystone.revoke(old)
        await self.asks()
        self.assertNotEqual(self.asking.session.get_token(), old)

    async def test_a_new_token_of_ours_is_got_when_the_old_one_has_expired(self) -> None:
        with self.keystone.lifetime(0):
            old = self.asking.session.get_token()
        await self.asks()
        self.assertNotEqual(self.asking.session.get_token(), old)

    async def test_credentials_that_keystone_refuses_are_told_without_the_secret(self) -> None:
        lines: list[str] = []
        self.addCleanup(globalLogPublisher.removeObserver, observer := lambda event: lines.append(repr(event)))
        globalLogPublisher.addObserver(observer)
        self.asking = Asking(self, evolve(self.keystone.credentials, password="wrong-password"))
        token = self.keystone.token("member", TENANT)
        told = await self.refused(IdentityUnavailable, token)
        self.assertIn("credentials", told)
        self.assertIn(self.keystone.url, told)
        logged = "\n".join(lines)
        self.assertIn("credentials", logged)
        for secret in (token, "wrong-password"):
            self.assertNotIn(secret, told + logged)

    async def test_a_user_of_ours_without_the_right_is_told(self) -> None:
        wrong = evolve(self.keystone.credentials, username="other-member", project_name="other")
        self.asking = Asking(self, wrong)
        self.assertIn("role service", await self.refused(IdentityUnavailable, self.keystone.token("member", TENANT)))

    async def test_a_project_of_ours_without_a_role_is_told(self) -> None:
        self.asking = Asking(self, evolve(self.keystone.credentials, project_name=EMPTY))
        self.assertIn("credentials", await self.refused(IdentityUnavailable, self.keystone.token("member", TENANT)))


class Outage(KeystoneCase):
    async def test_what_is_remembered_works_meanwhile_and_the_rest_afterwards(self) -> None:
        known, other = self.keystone.token("member", TENANT), self.keystone.token("reader", TENANT)
        caller = await self.asking.caller(known)
        self.keystone.stop()
        try:
            self.assertEqual(await self.asking.caller(known), caller)
            self.assertIn("doesn't answer", await self.refused(IdentityUnavailable, other))
            self.asking.forget()
            await self.refused(IdentityUnavailable, known)
        finally:
            self.keystone.start()
        self.assertEqual(await self.asking.caller(known), caller)
        self.assertEqual((await self.asking.caller(other)).roles, {"reader"})


class Made(KeystoneCase):
    """As the daemons have it, from their settings."""

    async def test_settings_make_one_that_asks_and_that_closes(self) -> None:
        configured = Path(self.mktemp())
        configured.write_text(
            f'[api]\nauth = "keystone"\n[keystone]\nauth_url = "{self.keystone.url}"\nusername = "service"\n'
            f'password = "{PASSWORD}"\nproject_name = "{SERVICES}"\n'
        )
        async with AsyncExitStack() as stack:
            identity = await Parts(reactor, load(configured, {}), stack).identity()
            told = await identity.caller(Presented(token=self.keystone.token("reader", TENANT)))
            self.assertEqual(told, self.named("reader", TENANT, "reader"))
            self.assertEqual(identity.challenge, f'Keystone uri="{self.keystone.url}"')
        with self.assertRaises(RuntimeError):
            await identity.caller(Presented(token=self.keystone.token("member", TENANT)))

    async def test_without_keystone_everyone_is_believed(self) -> None:
        async with AsyncExitStack() as stack:
            identity = await Parts(reactor, load(None, {}), stack).identity()
            self.assertEqual((await identity.caller(Presented())).roles, {"admin"})


async def _keystone(case: TestCase) -> Stage:
    keystone: Keystone = shared_keystone()
    asking = Asking(case, keystone.credentials)
    revoked = keystone.token("member", TENANT)
    keystone.revoke(revoked)
    with keystone.lifetime(0):
        expired = keystone.token("member", TENANT)
    with keystone.lifetime(60):
        brief = keystone.token("member", TENANT)

    async def outlive() -> None:
        asking.clock.advance(90)

    async def silence() -> None:
        keystone.stop()
        case.addCleanup(keystone.start)

    def named(user: str, project: str, *roles: str) -> Caller:
        return Caller(project_id=keystone.projects[project], user_id=keystone.users[user], roles=frozenset(roles))

    member, reader = named("member", TENANT, "member", "reader"), named("reader", TENANT, "reader")
    service = keystone.token("service", SERVICES)
    return Stage(
        identity=asking.identity,
        known=(
            (Presented(token=keystone.token("member", TENANT)), member),
            (Presented(token=keystone.token("reader", TENANT), project_id="ignored"), reader),
            (Presented(token=expired, service_token=service), member),
        ),
        unseen=Presented(token=keystone.token("member", TENANT)),
        brief=Presented(token=brief),
        outlive=outlive,
        refused=(
            Presented(token="0123456789abcdef0123456789abcdef"),
            Presented(token=expired),
            Presented(token=revoked),
            Presented(token=expired, service_token=keystone.token("member", TENANT)),
            Presented(token="a\r\nb"),
        ),
        silence=silence,
    )


class KeystoneIdentityTests(make_identity_tests(_keystone)):  # type: ignore[misc]
    """The contract, kept with the real one."""

    timeout = 60
