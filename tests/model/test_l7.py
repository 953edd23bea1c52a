"""The rules of L7 policies and rules, and their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from octavia_tx.errors import InvalidInput
from octavia_tx.model import l7
from octavia_tx.model.resources import L7Policy, L7Rule
from octavia_tx.model.statuses import L7Action, L7Comparison, L7RuleType
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import l7_policies, l7_rules, trees
from octavia_tx.testing.texts import expressions
from tests.model.test_validation import BALANCER, ORIGIN, ValidationCase, listener, pool

URL = "https://www.example.com/a?b=%20"


def policy(action: str = "REJECT", **fields: Any) -> L7Policy:
    return L7Policy(**ORIGIN | {"listener_id": "i", "action": action} | fields)


def rule(type: str = "PATH", comparison: str = "EQUAL_TO", value: str = "/", **fields: Any) -> L7Rule:
    return L7Rule(**ORIGIN | {"l7policy_id": "i", "type": type, "compare_type": comparison, "value": value} | fields)


class PolicyTests(ValidationCase):
    """What an action asks for."""

    def fine(self, *policies: L7Policy) -> None:
        for each in policies:
            l7.check_policy(each, listener(), "p")

    def wrong(self, field: str, *policies: L7Policy) -> None:
        for each in policies:
            self.refuses(field, l7.check_policy, each, listener(), "p")

    def test_each_action_has_its_own_field(self) -> None:
        own = {
            "REDIRECT_TO_POOL": {"redirect_pool_id": "x"},
            "REDIRECT_TO_URL": {"redirect_url": URL},
            "REDIRECT_PREFIX": {"redirect_prefix": URL},
        }
        self.fine(policy(), *(policy(action, **fields) for action, fields in own.items()))
        for action, fields in own.items():
            (name,) = fields
            self.wrong(f"p.{name}", policy(action), policy(action, **{name: ""}), policy("REJECT", **fields))
            for other in own.keys() - {action}:
                self.wrong(f"p.{name}", policy(other, **own[other], **fields))

    def test_a_listener_that_sees_no_requests_is_named_where_a_field_does_so(self) -> None:
        for where, field in (("l7policy", "l7policy.listener_id"), ("l.l7policies[0]", "l.l7policies[0]")):
            self.refuses(field, l7.check_policy, policy(), listener("TCP"), where)

    def test_only_redirects_of_the_client_have_a_code(self) -> None:
        self.fine(policy("REDIRECT_TO_URL", redirect_url=URL, redirect_http_code=301))
        self.fine(policy("REDIRECT_PREFIX", redirect_prefix=URL, redirect_http_code=308))
        where = "p.redirect_http_code"
        self.wrong(where, policy("REJECT", redirect_http_code=302))
        self.wrong(where, policy("REDIRECT_TO_POOL", redirect_pool_id="x", redirect_http_code=302))

    def test_they_have_302_where_none_is_given(self) -> None:
        for action in L7Action:
            found = l7.with_redirect_code(policy(action)).redirect_http_code
            self.assertEqual(found, 302 if action in ("REDIRECT_TO_URL", "REDIRECT_PREFIX") else None, action)
        self.assertEqual(
            l7.with_redirect_code(policy("REDIRECT_TO_URL", redirect_http_code=307)).redirect_http_code, 307
        )

    def test_urls_are_of_http_and_have_a_host(self) -> None:
        for url in ("http://a", "HTTPS://[2001:db8::1]:80", "http://a?b", "http://a/{b}|^\"'\\%zz"):
            self.fine(policy("REDIRECT_TO_URL", redirect_url=url), policy("REDIRECT_PREFIX", redirect_prefix=url))
        for url in (
            "a",
            "/a",
            "//a",
            "ftp://a",
            "http:/a",
            "http://",
            "http:///a",
            "http://?a",
            "http://a b",
            "http://a\n",
            "http://é",
        ):
            self.wrong("p.redirect_url", policy("REDIRECT_TO_URL", redirect_url=url))
            self.wrong("p.redirect_prefix", policy("REDIRECT_PREFIX", redirect_prefix=url))

    def test_only_listeners_that_see_requests_have_policies(self) -> None:
        for protocol in ("HTTP", "TERMINATED_HTTPS"):
            l7.check_policy(policy(), listener(protocol), "p")
        for protocol in ("HTTPS", "TCP", "UDP", "SCTP", "PROMETHEUS"):
            self.refuses("p.listener_id", l7.check_policy, policy(), listener(protocol), "p")

    def test_a_redirect_pool_fits_its_listener(self) -> None:
        for protocol in ("HTTP", "PROXY", "PROXYV2"):
            l7.check_redirect_pool(listener(), pool(protocol), "p.redirect_pool_id")
        for protocol in ("HTTPS", "TCP", "UDP"):
            self.refuses("p.redirect_pool_id", l7.check_redirect_pool, listener(), pool(protocol), "p.redirect_pool_id")

    @given(l7_policies((pool(),), listener_id="i", load_balancer_id="lb"))
    def test_what_the_strategies_give_is_accepted(self, given: L7Policy) -> None:
        if given.redirect_http_code is None or given.action in ("REDIRECT_TO_URL", "REDIRECT_PREFIX"):
            self.fine(given)


class RuleTests(ValidationCase):
    """What a rule's type asks for."""

    def fine(self, *rules: L7Rule) -> None:
        for each in rules:
            l7.check_rule(each, "r")

    def wrong(self, field: str, *rules: L7Rule) -> None:
        for each in rules:
            self.refuses(field, l7.check_rule, each, "r")

    def test_some_types_need_a_key_and_others_take_none(self) -> None:
        for type in ("HEADER", "COOKIE", "SSL_DN_FIELD"):
            self.fine(rule(type, key="CN"))
            self.wrong("r.key", rule(type), rule(type, key=""))
        for type in ("HOST_NAME", "PATH", "FILE_TYPE"):
            self.fine(rule(type), rule(type, key=""))
            self.wrong("r.key", rule(type, key="x"))
        self.wrong("r.key", rule("SSL_CONN_HAS_CERT", value="True", key="x"))
        self.wrong("r.key", rule("SSL_VERIFY_RESULT", value="0", key="x"))

    def test_names_of_headers_and_cookies_are_tokens(self) -> None:
        for type in ("HEADER", "COOKIE"):
            self.fine(rule(type, key="X-A"), rule(type, key="!#$%&'*+-.^_`|~09azAZ"))
            self.wrong("r.key", *(rule(type, key=f"a{mark}b") for mark in ' \t\n"(),/:;<=>?@[\\]{}é\x7f'))
        self.wrong("r.key", *(rule("SSL_DN_FIELD", key=key) for key in ("1", "C N", "a.b", "a_b", "é")))

    def test_each_type_has_its_comparisons(self) -> None:
        only = {
            "FILE_TYPE": {"EQUAL_TO", "REGEX"}, "SSL_CONN_HAS_CERT": {"EQUAL_TO"}, "SSL_VERIFY_RESULT": {"EQUAL_TO"}
        }  # fmt: skip
        keyed = ("HEADER", "COOKIE", "SSL_DN_FIELD")
        for type in L7RuleType:
            value = {"SSL_CONN_HAS_CERT": "true", "SSL_VERIFY_RESULT": "7"}.get(type, "a")
            for comparison in L7Comparison:
                asked = rule(type, comparison, value, key="CN" if type in keyed else None)
                if comparison in only.get(type, set(L7Comparison)):
                    self.fine(asked)
                else:
                    self.wrong("r.compare_type", asked)

    def test_values_about_certificates(self) -> None:
        self.fine(*(rule("SSL_CONN_HAS_CERT", value=value) for value in ("True", "true", "TRUE")))
        self.wrong("r.value", *(rule("SSL_CONN_HAS_CERT", value=value) for value in ("False", "1", "yes", "True ")))
        self.fine(*(rule("SSL_VERIFY_RESULT", value=value) for value in ("0", "10")))
        self.wrong("r.value", *(rule("SSL_VERIFY_RESULT", value=value) for value in ("-1", "a", "1.0", "٢", "9" * 10)))

    def test_a_value_is_not_empty(self) -> None:
        for comparison in L7Comparison:
            self.wrong("r.value", rule("PATH", comparison, ""))

    def test_an_expression_must_be_one_and_what_is_wrong_is_told(self) -> None:
        self.fine(rule("PATH", "REGEX", "^/a+$"), rule("PATH", "EQUAL_TO", "(a"))
        self.wrong("r.value", rule("PATH", "REGEX", "(a"), rule("PATH", "REGEX", "(a{99}){99}"))
        error = self.assertRaises(InvalidInput, l7.check_rule, rule("PATH", "REGEX", "(a"), "r")
        self.assertIn("missing ), unterminated subpattern at position 0", str(error))

    @given(l7_rules(l7policy_id="i", load_balancer_id="lb"))
    def test_what_the_strategies_give_is_accepted(self, given: L7Rule) -> None:
        self.fine(given)

    @given(expressions)
    def test_expressions_of_the_strategies_are_accepted(self, expression: str) -> None:
        self.fine(rule("PATH", "REGEX", expression))


def in_order(count: int) -> list[L7Policy]:
    return [policy(id=f"p{number}", position=number) for number in range(1, count + 1)]


def written(policies: Iterable[L7Policy], changed: Iterable[L7Policy], gone: str | None = None) -> list[L7Policy]:
    """All policies by position, once what changed is written."""
    by_id = {p.id: p for p in policies} | {p.id: p for p in changed}
    return sorted((p for p in by_id.values() if p.id != gone), key=lambda p: p.position)


class PositionTests(ValidationCase):
    """Policies have positions from 1 without gaps."""

    def ids(self, policies: Iterable[L7Policy]) -> str:
        return " ".join(f"{p.id}@{p.position}" for p in policies)

    def test_a_new_policy_moves_those_behind_it(self) -> None:
        self.assertEqual(self.ids(l7.placed([], policy(id="new"), 2**31 - 1)), "new@1")
        self.assertEqual(self.ids(l7.placed(in_order(3), policy(id="new"), 2)), "new@2 p2@3 p3@4")
        self.assertEqual(self.ids(l7.placed(in_order(3), policy(id="new"), 2**31 - 1)), "new@4")

    def test_a_policy_that_moves_moves_those_between(self) -> None:
        given = in_order(4)
        self.assertEqual(self.ids(l7.placed(given, given[0], 3)), "p2@1 p3@2 p1@3")
        self.assertEqual(self.ids(l7.placed(given, given[3], 2)), "p4@2 p2@3 p3@4")
        self.assertEqual(self.ids(l7.placed(given, given[1], 2)), "p2@2")
        self.assertEqual(self.ids(l7.placed(given, evolve(given[1], name="changed"), 99)), "p3@2 p4@3 p2@4")

    def test_a_policy_that_leaves_closes_its_gap(self) -> None:
        given = in_order(4)
        self.assertEqual(self.ids(l7.closed(given, given[1])), "p3@2 p4@3")
        self.assertEqual(self.ids(l7.closed(given, given[3])), "")
        self.assertEqual(self.ids(l7.closed(given[1:], given[0])), "p2@1 p3@2 p4@3")

    @given(st.integers(0, 8), st.integers(0, 9), st.integers(1, 12))
    def test_placed_leaves_no_gap_and_the_order_of_others(self, count: int, which: int, position: int) -> None:
        before = in_order(count)
        moved = evolve(before[which], name="moved") if which < count else policy(id="new", name="moved")
        changed = l7.placed(before, moved, position)
        after = written(before, changed)
        self.assertEqual([p.position for p in after], list(range(1, len(after) + 1)))
        self.assertEqual(after[min(position, len(after)) - 1].name, "moved")
        self.assertEqual([p.id for p in after if p.id != moved.id], [p.id for p in before if p.id != moved.id])
        self.assertIn(moved.id, {p.id for p in changed})
        self.assertEqual({p.id for p in changed if p in before}, set())
        self.assertEqual(l7.placed(after, moved, position), (evolve(moved, position=min(position, len(after))),))

    @given(st.integers(1, 8), st.data())
    def test_closed_undoes_placed(self, count: int, data: st.DataObject) -> None:
        before = in_order(count)
        changed = l7.placed(before, policy(id="new"), data.draw(st.integers(1, count + 2)))
        put = written(before, changed)
        gone = next(p for p in put if p.id == "new")
        self.assertEqual(written(put, l7.closed(put, gone), "new"), before)


class ForceTests(ValidationCase):
    """Which policies act, and which pools they make used."""

    def tree(self, *parts: L7Policy | L7Rule, default: str | None = None, **pool_fields: Any) -> Tree:
        return Tree(
            load_balancer=BALANCER,
            listeners=(listener(default_pool_id=default),),
            pools=(evolve(pool(**pool_fields), id="first"), evolve(pool(), id="second")),
            l7policies=tuple(p for p in parts if isinstance(p, L7Policy)),
            l7rules=tuple(p for p in parts if isinstance(p, L7Rule)),
        )

    def acting(self, tree: Tree) -> list[str]:
        return [p.id for p in l7.in_force(tree, tree.listeners[0])]

    def used(self, tree: Tree) -> list[str]:
        return [p.id for p in l7.pools_in_use(tree, tree.listeners[0])]

    def test_policies_act_by_position_when_they_and_a_rule_are_enabled(self) -> None:
        late, early = policy(id="late", position=2), policy(id="early", position=1)
        rules = (rule(l7policy_id="late"), rule(l7policy_id="early"))
        self.assertEqual(self.acting(self.tree(late, early, *rules)), ["early", "late"])
        self.assertEqual(self.acting(self.tree(late, evolve(early, admin_state_up=False), *rules)), ["late"])
        self.assertEqual(self.acting(self.tree(late, early, rules[0])), ["late"])
        off = evolve(rules[1], admin_state_up=False)
        self.assertEqual(self.acting(self.tree(late, early, rules[0], off)), ["late"])
        self.assertEqual(self.acting(self.tree(late, early, *rules, off)), ["early", "late"])

    def test_pools_are_used_as_default_or_by_a_policy_in_force(self) -> None:
        to_first = policy("REDIRECT_TO_POOL", redirect_pool_id="first")
        self.assertEqual(self.used(self.tree(to_first, rule(), default="second")), ["second", "first"])
        self.assertEqual(self.used(self.tree(to_first, rule(), default="first")), ["first"])
        self.assertEqual(self.used(self.tree(to_first, rule())), ["first"])
        self.assertEqual(self.used(self.tree(to_first)), [])
        self.assertEqual(self.used(self.tree(default="gone")), [])

    def test_a_redirect_to_a_disabled_pool_does_not_act(self) -> None:
        shown = self.tree(policy("REDIRECT_TO_POOL", redirect_pool_id="first"), rule(), admin_state_up=False)
        self.assertEqual((self.acting(shown), self.used(shown)), ([], []))

    @given(trees())
    def test_used_pools_are_among_those_named(self, shown: Tree) -> None:
        for item in shown.listeners:
            self.assertLessEqual(set(l7.pools_in_use(shown, item)), set(shown.pools_of(item)))
