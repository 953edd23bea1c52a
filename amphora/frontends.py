"""The frontends of a configuration."""

from __future__ import annotations

from typing import Final

_TERMINATED: Final = "TERMINATED_HTTPS"


def frontends(text: str) -> dict[str, str]:
    """By their names, C{HTTP} or C{TCP}, or C{TERMINATED_HTTPS} where they speak TLS with their clients."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        words = line.split()
        if words and not line[0].isspace():
            name = words[1] if words[0] == "frontend" and len(words) > 1 else ""
            if name:
                found[name] = "TCP"
        elif name and words[:1] == ["bind"] and "ssl" in words:
            found[name] = _TERMINATED
        elif name and words[:1] == ["mode"] and len(words) > 1 and found[name] != _TERMINATED:
            found[name] = words[1].upper()
    return found
