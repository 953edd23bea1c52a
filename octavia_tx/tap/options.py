"""What all daemons' command lines share: C{--config}, and how a daemon that can't start says so."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger, globalLogPublisher
from twisted.python import usage
from twisted.python.failure import Failure

from octavia_tx import tracing
from octavia_tx.config import Settings
from octavia_tx.errors import OctaviaError, SettingsError
from octavia_tx.settings_file import load

_log = Logger()


class DaemonOptions(usage.Options):
    """
    Options of a daemon. After parsing, C{settings} holds the checked settings.

    Bad settings end the process with exit code 1 and one line for each.
    """

    optParameters: list[list[Any]] = [
        ["config", "c", None, "TOML file with the settings. Each can be overridden by OCTAVIA_TX_SECTION__KEY."],
    ]
    settings: Settings

    def postOptions(self) -> None:
        """Read and check the settings. From here on, log events tell their requests: those who write come later."""
        globalLogPublisher.addObserver(tracing.mark)
        file = Path(self["config"]).absolute() if self["config"] else None
        try:
            self.settings = load(file, os.environ)
        except SettingsError as error:
            raise SystemExit("\n".join(["Settings that can't be used:", *(f"  {p}" for p in error.problems)])) from None

    def arguments(self) -> list[str]:
        """What another process of the same settings, in whatever directory, is to be given."""
        return ["--config", str(Path(self["config"]).absolute())] if self["config"] else []


def _complain(sentence: str) -> None:
    print(f"can't start: {sentence}", file=sys.stderr)  # noqa: T201


def fatal(reactor: IReactorCore, failure: Failure, tell: Callable[[str], None] = _complain) -> None:
    """
    End the daemon with exit code 1: an expected error as its sentence, any other with its traceback.

    @param tell: takes the sentence to who started us.
    """
    if failure.check(OctaviaError):
        _log.critical("can't start: {reason}", reason=failure.getErrorMessage())
        tell(failure.getErrorMessage())
    else:
        _log.failure("can't start", failure)
        failure.printTraceback(file=sys.stderr)
    # twistd knows no exit code of ours; what is registered last runs first, and ends the process.
    atexit.register(_exit_with_failure)
    reactor.callWhenRunning(reactor.stop)  # what fails at once fails before the reactor runs


def _exit_with_failure() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
