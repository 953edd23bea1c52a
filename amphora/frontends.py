"""The frontends of a configuration."""

from __future__ import annotations

import re
from typing import Final

_FRONTEND: Final = re.compile(
    r"^[ \t]*frontend[ \t]+(\S+).*\n(?:(?:[ \t].*)?\n)*?(?:[ \t]+mode[ \t]+(\S+)|(?=\S)|\Z)", re.MULTILINE
)


def frontends(text: str) -> dict[str, str]:
    """By their names, C{HTTP} or C{TCP}."""
    return {name: (mode or "tcp").upper() for name, mode in _FRONTEND.findall(text)}
