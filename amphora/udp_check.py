"""
C{python -m amphora.udp_check ADDRESS PORT}: whether anything says that nobody listens for UDP there.

keepalived runs it for members of UDP listeners, by the path that configurations of OpenStack's controllers name.
"""

from __future__ import annotations

import shlex
import socket
import sys
from pathlib import Path
from typing import Final

from amphora import durable

PLACE: Final = Path("lvs", "check", "udp_check.sh")
PATIENCE: Final = 1.0  # seconds until no answer is a good one


def place(directory: Path) -> None:
    """Put it where keepalived finds it, in the agent's directory."""
    path = directory / PLACE
    durable.make_directory(path.parent)
    command = shlex.join((sys.executable, "-m", __name__))
    durable.write(path, f'#!/bin/sh\nexec {command} "$@"\n'.encode())
    path.chmod(0o700)


def answers(address: str, port: int, patience: float = PATIENCE) -> bool:
    """Whether there's no refusal: most say nothing to what isn't of their protocol."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(patience)
        try:
            asking.connect((address, port))
            asking.send(b"\0")
            asking.recv(1)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(not answers(sys.argv[1], int(sys.argv[2])))
