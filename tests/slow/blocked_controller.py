"""
C{twistd octavia-controller} that reaches no agent, as if a firewall stood before their port: it asks at another one.

C{python blocked_controller.py TWISTD-ARGUMENTS}
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run

from octavia_tx.wire import rest

NOBODY = 9


def main() -> None:
    rest.AGENT_PORT = NOBODY  # type: ignore[misc]
    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
