"""A real service of OpenStack's for tests, out of a virtual environment of its own."""

from __future__ import annotations

import select
import shutil
import subprocess
from pathlib import Path


def started(
    python: Path, server: Path, directory: Path, *arguments: str, signal: str = "TERM"
) -> tuple[subprocess.Popen[bytes], int]:
    """
    Start a service, and wait until it tells the port at which it answers. Gives both.

    Not in a thread that ends before the process does: it ends with that, even when that is killed.

    @param signal: by which it is told to end then.
    @raise RuntimeError: it doesn't answer, and says why; nothing of it runs.
    """
    bound = ["setpriv", "--pdeathsig", signal, "--"] if shutil.which("setpriv") else []
    with open(directory / "output", "ab") as output:
        process = subprocess.Popen(
            [*bound, python, "-I", server, directory, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    port = process.stdout.readline() if ready else b""
    if not port:
        process.kill()
        process.communicate()
        raise RuntimeError((directory / "output").read_text()[-3000:])
    return process, int(port)
