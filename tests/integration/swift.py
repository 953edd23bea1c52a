"""
A real Swift for tests: one for each trial process, which asks that process's keystone about tokens.

It runs out of a virtual environment of its own, which C{make .venv/.swift} makes beside that of the tests.
"""

from __future__ import annotations

import atexit
import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

import requests

from tests.integration.keystone import TENANT, Keystone, shared_keystone
from tests.integration.openstack_server import started
from tests.integration.postgres import fastest_directory

VENV = Path(sys.prefix)
PYTHON = VENV / "swift" / "bin" / "python"
INSTALLED = VENV / ".swift"
SERVER = Path(__file__).with_name("swift_server.py")
CONTAINER = "lb-logs"
KEY = "a key of the account's"


class Swift:
    """
    One in a temporary directory, with an account for the project C{TENANT} that has a container and a key.

    @ivar account: its path.
    """

    def __init__(self, keystone: Keystone) -> None:
        self.keystone = keystone
        self.account = f"/v1/AUTH_{keystone.projects[TENANT]}"
        self._directory = Path(tempfile.mkdtemp(prefix="otx-swift-", dir=fastest_directory()))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._http = requests.Session()
        self._http.trust_env = False

    @property
    def url(self) -> str:
        """The container's."""
        return f"http://127.0.0.1:{self._port}{self.account}/{CONTAINER}"

    def start(self) -> None:
        """Start it, and wait until it answers. Not in a thread that ends before the process does."""
        try:
            self._process, self._port = started(PYTHON, SERVER, self._directory, self.keystone.url)
        except RuntimeError:
            self.remove()
            raise

    def populate(self) -> None:
        """Make the container, and give the account its key."""
        self._call("POST", self.url.rpartition("/")[0], {"X-Account-Meta-Temp-URL-Key": KEY})
        self._call("PUT", self.url)

    def objects(self, prefix: str = "") -> dict[str, str]:
        """What the container holds, decompressed, by the objects' names without the prefix."""
        names = self._call("GET", f"{self.url}?prefix={prefix}").text.split()
        return {
            name.removeprefix(prefix): gzip.decompress(self._call("GET", f"{self.url}/{name}").content).decode()
            for name in names
        }

    def pause(self, stopped: bool) -> None:
        """Have it answer nothing, or again."""
        assert self._process is not None
        self._process.send_signal(19 if stopped else 18)

    def remove(self) -> None:
        """End it, and leave nothing of it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self._http.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _call(self, method: str, url: str, headers: dict[str, str] | None = None) -> requests.Response:
        token = {"X-Auth-Token": self.keystone.token("member", TENANT)}
        answer = self._http.request(method, url, headers={**token, **(headers or {})}, timeout=10)
        answer.raise_for_status()
        return answer


_shared: list[Swift] = []


def shared_swift() -> Swift:
    """
    This process's Swift, running.

    @raise SkipTest: it isn't installed, or there's no keystone.
    """
    if not INSTALLED.exists():
        raise SkipTest("There's no Swift for tests: run make .venv/.swift")
    if not _shared:
        swift = Swift(shared_keystone())
        atexit.register(swift.remove)
        swift.start()
        swift.populate()
        _shared.append(swift)
    return _shared[0]
