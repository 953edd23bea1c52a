"""The rules that hold for L7 policies, their rules and their order."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from octavia_tx.model.resources import L7Policy, L7Rule, Listener, Pool

MOST_RULES = 50


def check_policy(policy: L7Policy, listener: Listener, where: str) -> None:
    """What a policy's action asks for, and forbids."""


def check_redirect_pool(listener: Listener, pool: Pool, where: str) -> None:
    """A listener's and its policy's pool's protocols fit."""


def check_rule(rule: L7Rule, where: str) -> None:
    """What a rule's type asks for, and forbids."""


def with_redirect_code(policy: L7Policy) -> L7Policy:
    """The same, and a policy that redirects clients knows with which code."""
    return policy


def placed(policies: Iterable[L7Policy], policy: L7Policy, position: int) -> tuple[L7Policy, ...]:
    """Those whose position changes when a policy, new or moved, takes this one; the policy itself is one of them."""
    known = {each.id: each.position for each in policies}
    rest = [each for each in policies if each.id != policy.id]
    rest.insert(min(position, len(rest) + 1) - 1, policy)
    return tuple(
        evolve(each, position=at) for at, each in enumerate(rest, 1) if each.id == policy.id or known[each.id] != at
    )


def closed(policies: Iterable[L7Policy], gone: L7Policy) -> tuple[L7Policy, ...]:
    """Those whose position changes when a policy goes."""
    rest = [each for each in policies if each.id != gone.id]
    return tuple(evolve(each, position=at) for at, each in enumerate(rest, 1) if each.position != at)
