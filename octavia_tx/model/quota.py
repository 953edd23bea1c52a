"""How many objects of each kind a project may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

UNLIMITED: Final = -1
KINDS: Final = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")


@frozen(kw_only=True)
class Quota:
    """
    A project's limits, by kind.

    Each is C{None} where the system's own holds, C{-1} for any number.
    """

    project_id: str
    load_balancer: int | None = None
    listener: int | None = None
    pool: int | None = None
    member: int | None = None
    health_monitor: int | None = None
    l7policy: int | None = None
    l7rule: int | None = None

    def over(self, defaults: Mapping[str, int]) -> dict[str, int]:
        """The limits that hold, given the system's."""
        own = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: defaults.get(kind, UNLIMITED) if limit is None else limit for kind, limit in own.items()}
