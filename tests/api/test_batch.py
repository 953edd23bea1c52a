"""A pool's members made those of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api.batch import Batch, replace
from octavia_tx.api.members import FIELDS
from octavia_tx.api.trees import Planter
from octavia_tx.errors import InvalidInput
from octavia_tx.model.resources import LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ProvisioningStatus
from tests.api.test_trees import fresh_ids

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BALANCER = LoadBalancer(id="lb", project_id="p", revision=5, vip_address="192.0.2.1", created_at=NOW)
POOL = Pool(id="p", project_id="p", load_balancer_id="lb", protocol="HTTP", lb_algorithm="ROUND_ROBIN", created_at=NOW)


def at(number: int, **fields: Any) -> dict[str, Any]:
    """A member in a body."""
    return {"address": f"192.0.2.{number + 10}", "protocol_port": 80, **fields}


def here(number: int, status: str = "ACTIVE", **fields: Any) -> Member:
    """A member that the pool has."""
    return Member(
        id=str(number),
        project_id="p",
        load_balancer_id="lb",
        pool_id="p",
        provisioning_status=status,
        created_at=NOW,
        **at(number, **fields),
    )


def batch(present: list[Member], *given: dict[str, Any], additive: bool = False) -> Batch:
    """Bring them together."""
    wanted = [(FIELDS.create(g), g) for g in given]
    return replace(Planter(BALANCER, NOW, fresh_ids()), POOL, present, wanted, additive=additive)


class ReplaceTests(SynchronousTestCase):
    """Compared by address and port."""

    @given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.booleans())
    def test_new_ones_come_and_others_go(self, present: set[int], wanted: set[int], additive: bool) -> None:
        made = batch([here(n) for n in present], *map(at, wanted), additive=additive)
        self.assertEqual({m.address for m in made.new}, {at(n)["address"] for n in wanted - present})
        self.assertEqual({m.id for m in made.gone}, set() if additive else {str(n) for n in present - wanted})
        self.assertEqual(made.changed, ())

    def test_what_differs_changes_and_the_rest_stays(self) -> None:
        kept = here(1, weight=5, name="kept", backup=True, monitor_port=8080)
        (changed,) = batch([kept], at(1, weight=7)).changed
        self.assertEqual((changed.id, changed.weight, changed.name, changed.monitor_port), ("1", 7, "kept", 8080))
        self.assertEqual(changed.backup, False)
        self.assertEqual((changed.provisioning_status, changed.revision), (ProvisioningStatus.PENDING_UPDATE, 5))

    def test_one_on_its_way_out_is_replaced_by_a_new_one(self) -> None:
        made = batch([here(1, "PENDING_DELETE")], at(1))
        self.assertEqual((len(made.new), made.gone), (1, ()))

    def test_the_same_place_twice_is_refused(self) -> None:
        error = self.assertRaises(InvalidInput, batch, [], at(1), at(2), at(1))
        self.assertEqual(error.field, "members[2]")

    def test_a_members_subnet_stays(self) -> None:
        error = self.assertRaises(InvalidInput, batch, [here(1)], at(1, subnet_id="0" * 32))
        self.assertEqual(error.field, "members[0].subnet_id")

    def test_the_vip_is_no_member(self) -> None:
        error = self.assertRaises(InvalidInput, batch, [], at(-9))
        self.assertEqual(error.field, "members[0].address")
