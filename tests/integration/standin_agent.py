"""
A stand-in for the amphora's agent: it runs until it is told to end, and starts a child that outlives it.

C{python standin_agent.py --config <directory>/agent.toml}; with the word "stubborn" in that file neither heeds SIGTERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ENDLESS = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"


def main() -> None:
    directory = Path(sys.argv[sys.argv.index("--config") + 1]).parent
    stubborn = "stubborn" in (directory / "agent.toml").read_text()
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = directory / "child"
    if not child.exists():
        program = STUBBORN if stubborn else ENDLESS
        arguments = [sys.executable, "-c", program, "-f", f"{directory}/load_balancers/1/haproxy.cfg"]
        child.write_text(str(subprocess.Popen(arguments, start_new_session=True).pid))
    sys.stdout.write(f"agent {os.getpid()}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
