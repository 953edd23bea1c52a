"""Identities that ask nobody keep the contract, the fake included. Keystone's turn is in C{integration}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.noauth import NoAuth
from octavia_tx.errors import InvalidInput
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.testing.identity import MemoryIdentity, Stage, make_identity_tests

MEMBER = Caller(project_id="p", user_id="u", roles=frozenset({"member", "reader"}))
OPERATOR = Caller(project_id=None, user_id="o", roles=frozenset({"admin"}), system=True)
SERVICE = Caller(project_id="services", user_id="s", roles=frozenset({"service"}))


async def _nothing() -> None:
    return None


async def _memory(case: TestCase) -> Stage:
    clock = Clock()
    identity = MemoryIdentity(clock)
    member, expired, revoked = identity.issue(MEMBER), identity.issue(MEMBER, 0), identity.issue(MEMBER)
    service = identity.issue(SERVICE)
    identity.revoke(revoked)

    async def outlive() -> None:
        clock.advance(2)

    async def silence() -> None:
        identity.silent = True

    return Stage(
        identity=identity,
        known=(
            (Presented(token=member), MEMBER),
            (Presented(token=identity.issue(OPERATOR)), OPERATOR),
            (Presented(token=expired, service_token=service), MEMBER),
        ),
        unseen=Presented(token=identity.issue(MEMBER)),
        brief=Presented(token=identity.issue(MEMBER, 2)),
        outlive=outlive,
        refused=(
            Presented(token="unknown"),
            Presented(token=expired),
            Presented(token=revoked),
            Presented(token=expired, service_token=member),
        ),
        silence=silence,
    )


class MemoryIdentityTests(make_identity_tests(_memory)):  # type: ignore[misc]
    """The fake, verified."""


ADMIN = frozenset({"admin"})


async def _noauth(case: TestCase) -> Stage:
    long = "p" * 36
    return Stage(
        identity=NoAuth(),
        known=(
            (Presented(), Caller(project_id="default", roles=ADMIN)),
            (Presented(project_id=""), Caller(project_id="default", roles=ADMIN)),
            (Presented(project_id=long), Caller(project_id=long, roles=ADMIN)),
            (Presented(project_id="Ä 1"), Caller(project_id="Ä 1", roles=ADMIN)),
        ),
        unseen=Presented(token="t"),
        brief=Presented(token="t"),
        outlive=_nothing,
        refused=tuple(Presented(project_id=given) for given in ("p" * 37, "a\nb", "a\x00", "a\x7f", "\udcff", "\x85")),
        silence=_nothing,
    )


class NoAuthTests(make_identity_tests(_noauth)):  # type: ignore[misc]
    """Its deviation: whoever comes is believed, so that nobody need be asked."""

    async def test_who_presents_nothing_is_not_known(self) -> None:
        self.assertEqual((await NoAuth().caller(Presented())).project_id, "default")

    async def test_a_service_that_is_not_known_vouches_for_nobody(self) -> None:
        await self.test_what_cannot_be_told_now_is_not_taken_for_invalid()

    async def test_what_expires_in_the_middle_is_refused_from_then_on(self) -> None:
        await self.test_what_cannot_be_told_now_is_not_taken_for_invalid()

    async def test_what_cannot_be_told_now_is_not_taken_for_invalid(self) -> None:
        presented = Presented(token="t", service_token="s", project_id="p")
        self.assertEqual(await NoAuth().caller(presented), Caller(project_id="p", roles=ADMIN))

    async def test_the_header_is_named_where_it_cannot_be_read(self) -> None:
        with self.assertRaises(InvalidInput) as caught:
            await NoAuth().caller(Presented(project_id="a\nb"))
        self.assertEqual(caught.exception.field, "header X-Project-Id")
