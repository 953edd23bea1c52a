"""Tests of C{octavia_tx.cloud.keystone}: what is remembered of tokens and for how long, with an invented keystone."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.keystone import KeystoneIdentity
from octavia_tx.cloud.tokens import DEADLINE, REFUSED, Recent, Token, Tokens
from octavia_tx.errors import IdentityUnavailable, Unauthenticated
from octavia_tx.model.caller import Caller, Presented

NOW = 1_800_000_000.0
MEMBER = Caller(project_id="p", user_id="u", roles=frozenset({"member"}))
SERVICE = Caller(project_id="services", user_id="s", roles=frozenset({"service"}))


class InventedKeystone:
    """
    Answers when the test says so.

    @ivar asked: what it was asked, first to last.
    @ivar slow: whether answers wait for L{answer}.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}
        self.asked: list[tuple[str, bool]] = []
        self.slow = False
        self.down = False
        self.cancelled = 0
        self._waiting: list[tuple[Deferred[Token | None], Callable[[], Token | None]]] = []

    async def validate(self, token: str, expired_too: bool) -> Token | None:
        self.asked.append((token, expired_too))
        if self.slow:
            waiting: Deferred[Token | None] = Deferred(self._give_up)
            self._waiting.append((waiting, lambda: self._tell(token)))
            return await waiting
        return self._tell(token)

    def _give_up(self, _waiting: object) -> None:
        self.cancelled += 1

    def _tell(self, token: str) -> Token | None:
        if self.down:
            raise IdentityUnavailable("down")
        return self.tokens.get(token)

    def answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each, tell in waiting:
            try:
                each.callback(tell())
            except IdentityUnavailable as error:
                each.errback(error)


class KeystoneCase(SynchronousTestCase):
    remember = 300.0

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.keystone = InventedKeystone()
        self.keystone.tokens = {"good": Token(caller=MEMBER, expires=NOW + 3600)}
        self.identity = KeystoneIdentity(
            self.clock, self.keystone.validate, "https://keystone.example/v3", remember=self.remember
        )

    def ask(self, token: str | None = "good", service_token: str | None = None) -> Deferred[Caller]:
        presented = Presented(token=token, service_token=service_token)
        return Deferred.fromCoroutine(self.identity.caller(presented))

    def refused(self, token: str | None, service_token: str | None = None) -> str:
        return str(self.failureResultOf(self.ask(token, service_token), Unauthenticated).value)


class Remembering(KeystoneCase):
    def test_a_valid_token_is_asked_for_once_until_its_time(self) -> None:
        for _ in range(3):
            self.assertEqual(self.successResultOf(self.ask()), MEMBER)
            self.clock.advance(99)
        self.assertEqual(len(self.keystone.asked), 1)
        self.clock.advance(3)
        self.successResultOf(self.ask())
        self.assertEqual(len(self.keystone.asked), 2)

    def test_a_revoked_token_is_refused_when_its_time_is_over(self) -> None:
        self.successResultOf(self.ask())
        del self.keystone.tokens["good"]
        self.clock.advance(self.remember - 1)
        self.successResultOf(self.ask())
        self.clock.advance(1)
        self.refused("good")

    def test_a_token_is_refused_at_once_when_it_expires_and_without_asking(self) -> None:
        self.keystone.tokens["brief"] = Token(caller=MEMBER, expires=NOW + 60)
        self.successResultOf(self.ask("brief"))
        self.clock.advance(59.9)
        self.successResultOf(self.ask("brief"))
        self.clock.advance(0.1)
        self.keystone.down = True
        self.refused("brief")
        self.assertEqual(len(self.keystone.asked), 1)

    def test_an_invalid_token_is_asked_for_again_a_little_later(self) -> None:
        for _ in range(3):
            self.refused("bad")
        self.assertEqual(len(self.keystone.asked), 1)
        self.keystone.tokens["bad"] = Token(caller=MEMBER, expires=NOW + 3600)
        self.clock.advance(REFUSED)
        self.assertEqual(self.successResultOf(self.ask("bad")), MEMBER)

    def test_what_was_remembered_works_while_keystone_is_down(self) -> None:
        self.successResultOf(self.ask())
        self.keystone.down = True
        self.assertEqual(self.successResultOf(self.ask()), MEMBER)
        self.failureResultOf(self.ask("other"), IdentityUnavailable)
        self.clock.advance(self.remember)
        self.failureResultOf(self.ask(), IdentityUnavailable)

    def test_trouble_is_not_remembered(self) -> None:
        self.keystone.down = True
        self.failureResultOf(self.ask(), IdentityUnavailable)
        self.keystone.down = False
        self.assertEqual(self.successResultOf(self.ask()), MEMBER)

    def test_a_token_that_turned_invalid_is_not_believed_for_having_been_valid(self) -> None:
        self.successResultOf(self.ask())
        self.clock.advance(self.remember)
        del self.keystone.tokens["good"]
        self.refused("good")
        self.keystone.down = True
        self.refused("good")

    def test_no_token_lies_in_memory_or_in_a_sentence(self) -> None:
        secret = "a-token-that-nobody-may-see"
        self.keystone.tokens[secret] = Token(caller=MEMBER, expires=NOW + 60)
        self.successResultOf(self.ask(secret))
        self.assertNotIn(secret, repr(vars(self.identity._tokens._valid)))
        self.clock.advance(61)
        self.assertNotIn(secret, self.refused(secret))


class Sharing(KeystoneCase):
    def setUp(self) -> None:
        super().setUp()
        self.keystone.slow = True

    def test_many_at_once_are_one_question(self) -> None:
        asking = [self.ask() for _ in range(50)]
        self.assertNoResult(asking[0])
        self.keystone.answer()
        self.assertEqual({self.successResultOf(each) for each in asking}, {MEMBER})
        self.assertEqual(len(self.keystone.asked), 1)

    def test_trouble_is_for_all_who_waited(self) -> None:
        asking = [self.ask() for _ in range(3)]
        self.keystone.down = True
        self.keystone.answer()
        for each in asking:
            self.failureResultOf(each, IdentityUnavailable)

    def test_one_that_gives_up_disturbs_no_other(self) -> None:
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.keystone.cancelled, 0)
        self.keystone.answer()
        self.assertEqual(self.successResultOf(second), MEMBER)

    def test_what_nobody_waits_for_is_given_up_and_asked_anew(self) -> None:
        asking = [self.ask(), self.ask()]
        for each in asking:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertEqual(self.keystone.cancelled, 1)
        self.keystone.slow = False
        self.assertEqual(self.successResultOf(self.ask()), MEMBER)

    def test_one_that_gives_up_while_the_answer_is_given_out_disturbs_no_other(self) -> None:
        first, second, third = self.ask(), self.ask(), self.ask()
        first.addCallback(lambda _caller: second.cancel())
        self.keystone.answer()
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.successResultOf(third), MEMBER)

    def test_nobody_waits_for_ever(self) -> None:
        early = self.ask()
        self.clock.advance(DEADLINE - 1)
        late = self.ask()
        self.clock.advance(1)
        told = self.failureResultOf(early, IdentityUnavailable).getErrorMessage()
        self.assertIn("10 seconds", told)
        self.keystone.answer()
        self.assertEqual(self.successResultOf(late), MEMBER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_two_tokens_are_two_questions(self) -> None:
        good, bad = self.ask(), self.ask("bad")
        self.keystone.answer()
        self.successResultOf(good)
        self.failureResultOf(bad, Unauthenticated)


class Services(KeystoneCase):
    def setUp(self) -> None:
        super().setUp()
        self.keystone.tokens |= {
            "service": Token(caller=SERVICE, expires=NOW + 3600),
            "member": Token(caller=MEMBER, expires=NOW + 3600),
            "old": Token(caller=MEMBER, expires=NOW - 60),
        }

    def test_a_service_may_act_for_a_user_whose_token_has_expired(self) -> None:
        self.assertEqual(self.successResultOf(self.ask("old", "service")), MEMBER)
        self.assertEqual(self.keystone.asked, [("service", False), ("old", True)])

    def test_that_is_not_remembered_for_who_comes_without_the_service(self) -> None:
        self.successResultOf(self.ask("old", "service"))
        self.refused("old")

    def test_nor_is_its_refusal_remembered_for_who_comes_with_the_service(self) -> None:
        old = self.keystone.tokens.pop("old")  # so does keystone, unless it is asked for expired ones too
        self.refused("old")
        self.keystone.tokens["old"] = old
        self.assertEqual(self.successResultOf(self.ask("old", "service")), MEMBER)

    def test_nobody_else_may(self) -> None:
        self.refused("old", "member")

    def test_a_token_is_refused_with_a_service_that_is_not_known(self) -> None:
        self.assertIn("X-Service-Token", self.refused("good", "nonsense"))

    def test_a_service_whose_token_expires_vouches_no_more(self) -> None:
        self.keystone.tokens["service"] = Token(caller=SERVICE, expires=NOW + 10)
        self.successResultOf(self.ask("old", "service"))
        self.clock.advance(10)
        self.refused("old", "service")

    def test_an_empty_header_is_none(self) -> None:
        self.assertEqual(self.successResultOf(self.ask("good", "")), MEMBER)


class Bounds(KeystoneCase):
    def test_what_cannot_be_a_token_is_never_asked_for(self) -> None:
        for nonsense in ("", "two words", "a\r\nX-Evil: 1", "é", "\udcff", "x" * 8193, None):
            self.refused(nonsense)
        self.assertEqual(self.keystone.asked, [])

    def test_the_challenge_says_where_tokens_are(self) -> None:
        self.assertEqual(self.identity.challenge, 'Keystone uri="https://keystone.example/v3"')

    def test_the_least_used_is_forgotten_first(self) -> None:
        recent: Recent[int] = Recent(2)
        for key in (b"a", b"b"):
            recent.put(key, 1, 10)
        recent.get(b"a", 0)
        recent.put(b"c", 1, 10)
        self.assertEqual([recent.get(key, 0) for key in (b"a", b"b", b"c")], [1, None, 1])
        self.assertEqual(len(recent), 2)

    def test_no_flood_of_nonsense_makes_a_valid_token_forgotten(self) -> None:
        tokens = Tokens(self.clock, self.keystone.validate, remember=300, most=3)
        for text in ("good", "1", "2", "3", "4", "5", "good"):
            self.successResultOf(Deferred.fromCoroutine(tokens.find(text)))
        self.assertEqual([text for text, _ in self.keystone.asked], ["good", "1", "2", "3", "4", "5"])
