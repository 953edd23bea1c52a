"""
The rules of L7 policies: what each action and each type of rule asks for, their order, and which are in force.

As in L{octavia_tx.model.validation}, a check raises L{InvalidInput} or L{MissingField} naming the field that breaks a
rule, and the types of single fields were checked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import evolve

from octavia_tx.errors import InvalidInput, MissingField
from octavia_tx.model import regex
from octavia_tx.model.resources import L7Policy, L7Rule, Listener, Pool
from octavia_tx.model.statuses import L7Action, L7Comparison, L7RuleType, Protocol
from octavia_tx.model.tree import Tree
from octavia_tx.model.validation import check_default_pool

MOST_RULES: Final = 50
"""As many rules may a policy have."""
REDIRECT_CODE: Final = 302
"""What a redirect answers where the tenant says nothing."""
PROTOCOLS: Final = (Protocol.HTTP, Protocol.TERMINATED_HTTPS)
"""Listeners that can have policies: those that see requests."""

_FIELDS: Final[Mapping[L7Action, tuple[str, str]]] = {
    L7Action.REDIRECT_TO_POOL: ("redirect_pool_id", "the pool to redirect to"),
    L7Action.REDIRECT_TO_URL: ("redirect_url", "the URL to redirect to"),
    L7Action.REDIRECT_PREFIX: ("redirect_prefix", "the URL to put before a request's path"),
}
_WITH_CODE: Final = (L7Action.REDIRECT_TO_URL, L7Action.REDIRECT_PREFIX)
_URL: Final = re.compile(r"""(?i:https?)://[!"$-.0->@-~][!-~]*""", re.ASCII)

# Tokens of RFC 7230.
_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_KEYS: Final[Mapping[L7RuleType, tuple[str, re.Pattern[str]]]] = {
    L7RuleType.HEADER: ("a header's name", re.compile(_TOKEN, re.ASCII)),
    L7RuleType.COOKIE: ("a cookie's name", re.compile(_TOKEN, re.ASCII)),
    L7RuleType.SSL_DN_FIELD: ("a field of distinguished names, as CN", re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)),
}
_IGNORING_KEYS: Final = (L7RuleType.PATH, L7RuleType.HOST_NAME, L7RuleType.FILE_TYPE)
_COMPARISONS: Final[Mapping[L7RuleType, tuple[L7Comparison, ...]]] = {
    L7RuleType.FILE_TYPE: (L7Comparison.EQUAL_TO, L7Comparison.REGEX),
    L7RuleType.SSL_CONN_HAS_CERT: (L7Comparison.EQUAL_TO,),
    L7RuleType.SSL_VERIFY_RESULT: (L7Comparison.EQUAL_TO,),
}
_VALUES: Final[Mapping[L7RuleType, tuple[str, re.Pattern[str]]]] = {
    L7RuleType.SSL_CONN_HAS_CERT: ("True", re.compile(r"(?i:true)", re.ASCII)),
    L7RuleType.SSL_VERIFY_RESULT: ("a result's number, 0 or more", re.compile(r"[0-9]{1,9}", re.ASCII)),
}


def check_policy(policy: L7Policy, listener: Listener, where: str) -> None:
    """A listener that can have policies, and the fields of the policy's action alone."""
    if listener.protocol not in PROTOCOLS:
        accepted = f"a listener of protocol {' or '.join(PROTOCOLS)}"
        sentence = f"{accepted}; this one's protocol is {listener.protocol}"
        if where.endswith("]"):  # inside the listener, where no field names it
            raise InvalidInput(where, "an L7 policy", f"one of {sentence}")
        raise InvalidInput(f"{where}.listener_id", listener.id, sentence)
    for action, (name, meaning) in _FIELDS.items():
        given = getattr(policy, name)
        if action is policy.action and not given:
            raise MissingField(f"{where}.{name}", f"{meaning}, with action {action}")
        if action is not policy.action and given is not None:
            raise InvalidInput(f"{where}.{name}", given, f"nothing, but with action {action}")
    if policy.redirect_http_code is not None and policy.action not in _WITH_CODE:
        accepted = f"nothing, but with action {' or '.join(_WITH_CODE)}"
        raise InvalidInput(f"{where}.redirect_http_code", policy.redirect_http_code, accepted)
    for name in ("redirect_url", "redirect_prefix"):
        given = getattr(policy, name)
        if given is not None and not _URL.fullmatch(given):
            raise InvalidInput(f"{where}.{name}", given, "an http or https URL with a host, in visible ASCII")


def implied_action(action: L7Action, given: Mapping[str, Any]) -> L7Action:
    """
    The action that a policy has from now on, where a change names none: a redirect's field asks for its redirect.

    @param action: what it has so far; that stays, if its own field is among those given.
    """
    asked = [each for each, (name, _) in _FIELDS.items() if given.get(name) is not None]
    return action if action in asked or not asked else asked[0]


def with_redirect_code(policy: L7Policy) -> L7Policy:
    """The policy with the code that its redirect answers."""
    if policy.action in _WITH_CODE and policy.redirect_http_code is None:
        return evolve(policy, redirect_http_code=REDIRECT_CODE)
    return policy


def check_redirect_pool(listener: Listener, pool: Pool, where: str) -> None:
    """
    A listener's and a redirect pool's protocols fit.

    @param where: the field that brought them together.
    """
    check_default_pool(listener, pool, where)


def check_rule(rule: L7Rule, where: str) -> None:
    """The key, the comparison and the value that a rule's type has."""
    _check_key(rule, f"{where}.key")
    compared = _COMPARISONS.get(rule.type, tuple(L7Comparison))
    if rule.compare_type not in compared:
        accepted = f"with type {rule.type}: {', '.join(compared)}"
        raise InvalidInput(f"{where}.compare_type", str(rule.compare_type), accepted)
    if not rule.value:
        raise InvalidInput(f"{where}.value", rule.value, "what to compare with, which can't be empty")
    if rule.type in _VALUES:
        accepted, pattern = _VALUES[rule.type]
        if not pattern.fullmatch(rule.value):
            raise InvalidInput(f"{where}.value", rule.value, f"with type {rule.type}: {accepted}")
    if rule.compare_type is L7Comparison.REGEX and (fault := regex.fault(rule.value)) is not None:
        raise InvalidInput(f"{where}.value", rule.value, f"a regular expression, but {fault}")


def _check_key(rule: L7Rule, where: str) -> None:
    if rule.type not in _KEYS:
        if rule.key:
            raise InvalidInput(where, rule.key, f"nothing, but with type {', '.join(_KEYS)}")
        return
    accepted, pattern = _KEYS[rule.type]
    if not rule.key:
        raise MissingField(where, accepted)
    if not pattern.fullmatch(rule.key):
        raise InvalidInput(where, rule.key, accepted)


def with_key_of_type(rule: L7Rule, given: Mapping[str, Any]) -> L7Rule:
    """The rule without a key that its type ignores, or that only its former type had."""
    stale = rule.type not in _KEYS and (rule.type in _IGNORING_KEYS or given.get("key") is None)
    return evolve(rule, key=None) if stale else rule


def placed(policies: Iterable[L7Policy], policy: L7Policy, position: int) -> tuple[L7Policy, ...]:
    """
    Put a policy at a position among the living ones of its listener, and close what gap it left.

    @param policies: by position; the policy itself, in whatever form, may be among them.
    @param position: from 1; what lies beyond the end is the end.
    @return: the policy and all others whose position changes, by position. Those of all are then 1 to their number.
    """
    others = [p for p in policies if p.id != policy.id]
    others.insert(max(position, 1) - 1, policy)
    return tuple(evolve(p, position=at) for at, p in enumerate(others, 1) if p.position != at or p is policy)


def closed(policies: Iterable[L7Policy], gone: L7Policy) -> tuple[L7Policy, ...]:
    """
    Close the gap that a policy leaves among the living ones of its listener.

    @param policies: by position; the one that goes may be among them.
    @return: all others whose position changes, by position. Those of all that stay are then 1 to their number.
    """
    rest = (p for p in policies if p.id != gone.id)
    return tuple(evolve(p, position=at) for at, p in enumerate(rest, 1) if p.position != at)


def in_force(tree: Tree, listener: Listener) -> tuple[L7Policy, ...]:
    """
    The policies of a listener that can act on a request, by position.

    They are enabled, have an enabled rule, since one without any matches nothing, and redirect to no disabled pool.
    """
    ruled = {rule.l7policy_id for rule in tree.l7rules if rule.admin_state_up}
    pools = {pool.id for pool in tree.pools if pool.admin_state_up}
    return tuple(
        policy
        for policy in tree.policies_of(listener.id)
        if policy.admin_state_up and policy.id in ruled and policy.redirect_pool_id in {None, *pools}
    )


def pools_in_use(tree: Tree, listener: Listener) -> tuple[Pool, ...]:
    """The enabled pools to which a listener can send requests: the default one, then those of policies; each once."""
    named = (listener.default_pool_id, *(policy.redirect_pool_id for policy in in_force(tree, listener)))
    found = (tree.pool(identifier) for identifier in dict.fromkeys(named))
    return tuple(pool for pool in found if pool is not None and pool.admin_state_up)
