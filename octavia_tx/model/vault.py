"""What tenants keep in the embedded store: secrets, and containers that put several together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import field, frozen

from octavia_tx.model.resources import DERIVED


@frozen(kw_only=True, slots=False)
class Secret:
    """
    @ivar content_type: of the payload; C{None} as long as there's none.
    @ivar sealed: the payload, encrypted. It is in no C{repr}.
    """

    id: str
    project_id: str
    name: str = ""
    secret_type: str = "opaque"
    algorithm: str | None = None
    bit_length: int | None = None
    mode: str | None = None
    content_type: str | None = None
    sealed: str | None = field(default=None, repr=False)
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True)
class Held:
    """A secret in a container, by the name that it has there."""

    name: str
    secret_id: str


def _held(given: Iterable[Any] | None) -> tuple[Held, ...]:
    return tuple(each if isinstance(each, Held) else Held(**each) for each in given or ())


@frozen(kw_only=True, slots=False)
class Container:
    """@ivar secrets: those that are there still."""

    id: str
    project_id: str
    name: str = ""
    type: str
    created_at: datetime
    updated_at: datetime | None = None
    secrets: tuple[Held, ...] = field(default=(), converter=_held, metadata={DERIVED: True})
