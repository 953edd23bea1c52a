"""
What haproxy reads before a configuration that another system's controllers wrote.

Of a user, a group and a file of servers' states, haproxy goes by what it reads first. So it stays who the agent is
where that isn't root, whatever the configuration says, and has what the agent needs for its reloads (see
L{amphora.hold} and L{amphora.server_states}).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from amphora import durable
from amphora.hold import SOCKET
from amphora.server_states import STATES

FILE: Final = "preamble.cfg"
REPEATED: Final = " already specified. Continuing."  # of what the configuration says once more


def preamble(uid: int, gid: int, nobody: int | None) -> str:
    """
    The text.

    @param uid: the agent's user; so is C{gid} its group.
    @param nobody: the group of the user that configurations name, who has none there; C{None}: there's no such user.
    """
    group = [] if nobody is None else [f"gid {nobody}"]
    identity = [f"uid {uid}", f"gid {gid}"] if uid else group
    lines = (
        *("global", *identity, f"stats socket unix@{SOCKET} mode 600 level admin", f"server-state-file {STATES}"),
        # Their limits of connections are for machines that may open as many files: fewer are better than none.
        "no strict-limits",
    )
    return "\n    ".join(lines) + "\n"


def place(directory: Path, text: str) -> Path | None:
    """Put it where haproxy reads it, in the agent's directory. There's no text: no file."""
    if not text:
        return None
    path = directory / FILE
    durable.write(path, text.encode())
    return path
