"""Events: what changed its status, and where that stands among all of them."""

from __future__ import annotations

import re
from datetime import datetime

from attrs import frozen

_PLACE = re.compile(r"([0-9]{1,20})-([0-9]{1,19})", re.ASCII)
_LARGEST = (2**64 - 1, 2**63 - 1)


@frozen(order=True)
class Place:
    """
    Where an event stands: its transaction's number, and its own. Readers have all that comes before it.

    As text, C{745-12}.
    """

    transaction: int
    number: int

    def __str__(self) -> str:
        return f"{self.transaction}-{self.number}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place that a text means, or C{None} where it means none."""
        found = _PLACE.fullmatch(text)
        if found is None:
            return None
        place = cls(int(found[1]), int(found[2]))
        return place if place.transaction <= _LARGEST[0] and place.number <= _LARGEST[1] else None


BEGINNING = Place(0, 0)
"""Before all events."""


@frozen(kw_only=True)
class Event:
    """
    One change of an object's status.

    @ivar kind: of the object, as its table is called.
    @ivar provisioning_status: of an amphora, its state in its life; C{DELETED} when the object went.
    @ivar error: what was wrong with the object from then on, or missing.
    """

    place: Place
    at: datetime
    kind: str
    object_id: str
    load_balancer_id: str | None = None
    project_id: str | None = None
    provisioning_status: str | None = None
    operating_status: str | None = None
    error: str | None = None


KINDS = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule", "amphora")
"""The kinds of objects of which events tell."""


@frozen(kw_only=True)
class Known:
    """
    What is known of an object, there still or gone.

    @ivar last_error: the newest that went wrong with it; of an object that is pending or failed, what keeps its load
        balancer from being applied. C{last_error_at}: when.
    @ivar step: what its load balancer's controller does, or failed at.
    """

    kind: str
    id: str
    load_balancer_id: str | None
    project_id: str | None
    provisioning_status: str | None
    operating_status: str | None
    last_error: str | None
    last_error_at: datetime | None
    step: str | None
