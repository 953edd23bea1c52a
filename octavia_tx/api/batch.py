"""A batch of members held against those that a pool has: which are new, which change, which go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from octavia_tx.api.changes import pending
from octavia_tx.api.ground import leaving
from octavia_tx.api.trees import Planter, with_status
from octavia_tx.errors import InvalidInput
from octavia_tx.model import validation
from octavia_tx.model.resources import Member, Pool

_ALWAYS = ("admin_state_up", "backup", "weight")
_IF_GIVEN = ("monitor_address", "monitor_port", "name", "tags")


@frozen
class Batch:
    """What makes a pool's members those of a list."""

    new: tuple[Member, ...]
    changed: tuple[Member, ...]
    gone: tuple[Member, ...]


def replace(
    planter: Planter,
    pool: Pool,
    present: Iterable[Member],
    wanted: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    additive: bool,
) -> Batch:
    """
    Compare by address and port. Of a member that stays, what the list doesn't mention keeps its value, but for
    admin_state_up, backup and weight, which are then the default.

    @param wanted: for each member its values, all of them, and what was given of them.
    @param additive: none goes.
    @raise InvalidInput: two of one address and port, or a value that can't change.
    """
    here = {(m.address, m.protocol_port): m for m in present if not leaving(m)}
    described = planter.members((values for values, _ in wanted), pool, "members")
    new: list[Member] = []
    changed: list[Member] = []
    for at, (member, (values, given)) in enumerate(zip(described, wanted, strict=True)):
        old = here.pop((member.address, member.protocol_port), None)
        if old is None:
            new.append(member)
            continue
        if values["subnet_id"] not in (None, old.subnet_id):
            raise InvalidInput(f"members[{at}].subnet_id", values["subnet_id"], f"{old.subnet_id}, as it is")
        names = (*_ALWAYS, *(name for name in _IF_GIVEN if name in given))
        after = evolve(old, **{name: values[name] for name in names})
        if after != old:
            validation.check_member(after, planter.load_balancer, f"members[{at}]")
            changed.append(with_status(pending(after, planter.load_balancer, updated_at=planter.now), pool))
    return Batch(tuple(new), tuple(changed), () if additive else tuple(here.values()))
