"""Who may do what, as the table says it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import neighbours
from octavia_tx.api.policy import ADMIN, KEEP, PUBLIC, READ, READ_KEPT, READ_QUOTA, RULES, WRITE, WRITE_QUOTA, Rule
from octavia_tx.api.root import served
from octavia_tx.errors import Forbidden
from octavia_tx.model.caller import Caller

OWN, ALL = "own", "all"
KEYS = ("GET key-manager", "GET key-manager/v1")
# By rule, in which projects each role suffices.
EXPECTED: dict[str, dict[Rule, str]] = {
    "reader": {READ: OWN, READ_QUOTA: OWN, READ_KEPT: OWN},
    "load-balancer_observer": {READ: OWN, READ_QUOTA: OWN, READ_KEPT: OWN},
    "member": {READ: OWN, READ_QUOTA: OWN, WRITE: OWN, READ_KEPT: OWN, KEEP: OWN},
    "load-balancer_member": {READ: OWN, READ_QUOTA: OWN, WRITE: OWN, READ_KEPT: OWN, KEEP: OWN},
    "load-balancer_global_observer": {READ: ALL, READ_QUOTA: ALL},
    "load-balancer_quota_admin": {READ_QUOTA: ALL, WRITE_QUOTA: ALL},
    "admin": {**dict.fromkeys((READ, READ_QUOTA, WRITE, WRITE_QUOTA, ADMIN), ALL), READ_KEPT: OWN, KEEP: OWN},
    "load-balancer_admin": {
        **dict.fromkeys((READ, READ_QUOTA, WRITE, WRITE_QUOTA, ADMIN), ALL),
        READ_KEPT: OWN,
        KEEP: OWN,
    },
    "service": {},
    "": {},
}
RULES_THERE_ARE = (READ, READ_QUOTA, WRITE, WRITE_QUOTA, ADMIN, READ_KEPT, KEEP)


def caller(*roles: str, system: bool = False) -> Caller:
    """Someone with these roles in project C{p}, or in the system."""
    return Caller(project_id=None if system else "p", roles=frozenset(roles), system=system)


class RuleTests(SynchronousTestCase):
    """Each rule for each role."""

    def permitted(self, rule: Rule, who: Caller, project: str | None) -> bool:
        try:
            rule.permit(who, project)
        except Forbidden:
            return False
        return True

    def test_each_role_may_do_what_it_is_for_and_no_more(self) -> None:
        for role, expected in EXPECTED.items():
            who = caller(role)
            for rule in RULES_THERE_ARE:
                where = expected.get(rule)
                self.assertEqual(rule.at_all(who), where is not None, (role, rule))
                self.assertEqual(rule.everywhere(who), where == ALL, (role, rule))
                self.assertEqual(self.permitted(rule, who, "p"), where is not None, (role, rule))
                self.assertEqual(self.permitted(rule, who, "q"), where == ALL, (role, rule))
                self.assertEqual(self.permitted(rule, who, None), where == ALL, (role, rule))

    def test_the_systems_reader_sees_all_and_changes_nothing(self) -> None:
        who = caller("reader", system=True)
        self.assertTrue(READ.everywhere(who))
        self.assertFalse(WRITE.at_all(who))
        self.assertTrue(ADMIN.everywhere(caller("admin", system=True)))
        self.assertFalse(self.permitted(WRITE, caller("member", system=True), None))

    def test_nobody_needs_a_role_for_what_is_public(self) -> None:
        self.assertTrue(PUBLIC.at_all(Caller(project_id=None)))
        self.assertFalse(READ.at_all(Caller(project_id=None)))


class TableTests(SynchronousTestCase):
    """The table and what is served."""

    def test_each_rule_is_some_routes(self) -> None:
        all_of_it = (*served(), *neighbours.networks(any_id=False), *neighbours.networks(any_id=True))
        beside = (*neighbours.key_manager(), *neighbours.identity())
        used = {f"{each.route.method} {each.route.path}" for each in (*all_of_it, *beside)}
        self.assertEqual(used - RULES.keys(), set())
        self.assertEqual(RULES.keys() - used, set())

    def test_nothing_is_public_but_discovery_and_the_description(self) -> None:
        public = {name for name, rule in RULES.items() if rule.public}
        self.assertLessEqual(public, {"GET versions", "GET openapi.json", "GET network", "GET network/v2.0", *KEYS})
