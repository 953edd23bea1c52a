"""L7 policies as haproxy applies them: which, in what order, and to what end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from octavia_tx.amphora_driver.grammar import Unrenderable, Word
from octavia_tx.model import handshake
from octavia_tx.model.l7 import MOST_RULES, in_force
from octavia_tx.model.resources import L7Policy, L7Rule, Listener
from octavia_tx.model.statuses import L7Action, L7Comparison, L7RuleType, Protocol
from octavia_tx.model.tree import Tree

# haproxy comes to all of one stage before any of the next, wherever they stand.
_STAGES: Final = {
    L7Action.REJECT: 0,
    L7Action.REDIRECT_TO_URL: 1,
    L7Action.REDIRECT_PREFIX: 1,
    L7Action.REDIRECT_TO_POOL: 2,
}


@frozen(kw_only=True)
class Policy:
    """
    An L7 policy in force.

    @ivar rules: the enabled ones, at least one.
    @ivar backend: the section of haproxy to which it redirects, if it does.
    """

    policy: L7Policy
    rules: tuple[L7Rule, ...]
    backend: Word | None

    @property
    def searches_file_types(self) -> bool:
        """Whether a rule needs the type of file by itself."""
        return any(r.type is L7RuleType.FILE_TYPE and r.compare_type is L7Comparison.REGEX for r in self.rules)


def policies(tree: Tree, listener: Listener, backends: Mapping[str, Word]) -> tuple[Policy, ...]:
    """
    A listener's policies in the order in which haproxy should have them.

    @param backends: the names of the sections of its pools, by the pools' ids.
    @raise Unrenderable: haproxy can't do what a rule asks.
    """
    found = sorted(in_force(tree, listener), key=lambda policy: _STAGES[policy.action])
    if found and listener.protocol not in (Protocol.HTTP, Protocol.TERMINATED_HTTPS):
        raise Unrenderable(f"A listener of {listener.protocol} can't have L7 policies.")
    return tuple(
        Policy(policy=policy, rules=_rules(tree, listener, policy), backend=_backend(policy, backends))
        for policy in found
    )


def _rules(tree: Tree, listener: Listener, policy: L7Policy) -> tuple[L7Rule, ...]:
    rules = tuple(rule for rule in tree.rules_of(policy.id) if rule.admin_state_up)
    if len(rules) > MOST_RULES:
        raise Unrenderable(f"L7 policy {policy.id} has {len(rules)} rules; {MOST_RULES} are possible.")
    needing = next((rule.type for rule in rules if rule.type in handshake.RULES), None)
    if needing is not None and listener.protocol is not Protocol.TERMINATED_HTTPS:
        raise Unrenderable(f"Rules of type {needing} need a listener that terminates TLS.")
    return rules


def _backend(policy: L7Policy, backends: Mapping[str, Word]) -> Word | None:
    if policy.action is not L7Action.REDIRECT_TO_POOL:
        return None
    backend = backends.get(policy.redirect_pool_id or "")
    if backend is None:
        raise Unrenderable(f"L7 policy {policy.id} has no pool to redirect to.")
    return backend
