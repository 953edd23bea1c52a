"""
From the model's values to rows, as JSON that PostgreSQL unpacks by column name.

So a statement writes any number of rows in one round trip, and tenants' strings reach SQL in a single quoted place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import AttrsInstance, asdict

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def is_identifier(text: str) -> bool:
    """Whether this could be an object's id at all; what isn't a UUID names nothing, and PostgreSQL refuses it."""
    return _UUID.fullmatch(text) is not None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else asdict(value)


def rows(values: Iterable[AttrsInstance]) -> str:
    """Values as a JSON array of objects."""
    return json.dumps([_fields(value) for value in values], default=_plain)


def columns(given: Mapping[str, Any]) -> str:
    """Some columns as a JSON object."""
    return json.dumps(given, default=_plain)


def _fields(value: AttrsInstance) -> dict[str, Any]:
    return asdict(value, recurse=False)
