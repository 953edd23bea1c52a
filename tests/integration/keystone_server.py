"""
A whole keystone in one process: C{keystone_server.py DIRECTORY PORT}, run by the Python that has keystone.

Makes its database and its first user, unless the directory holds them, listens on loopback and writes the port to its
output.
C{PUT /lifetime} with a number of seconds says how long tokens last that are issued from then on.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # of what keystone imports

CONFIGURATION = """
[DEFAULT]
log_file = {0}/log
[database]
connection = sqlite:///{0}/keystone.sqlite
[fernet_tokens]
key_repository = {0}/keys
[fernet_receipts]
key_repository = {0}/keys
[credential]
key_repository = {0}/keys
[cache]
enabled = true
backend = oslo_cache.dict
[identity]
password_hash_rounds = 4
"""


def make_keys(directory: Path) -> None:
    """What keystone-manage does for each kind of key, at once: one to be next, one in use."""
    directory.mkdir(mode=0o700)
    for name in ("0", "1"):
        (directory / name).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))


def manage(configuration: Path, *arguments: str) -> None:
    """keystone-manage, in a child: it can be run once in a process, and importing it takes longest."""
    from keystone.cmd import cli

    child = os.fork()
    if child == 0:
        try:
            cli.main(["keystone-manage", "--config-file", str(configuration), *arguments])
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit(f"keystone-manage {arguments[0]} failed")


class Application:
    """keystone, and beside it what tests need of it."""

    wrapped: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/lifetime":
            return self.wrapped(environ, start_response)
        from keystone.conf import CONF

        seconds = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        CONF.set_override("expiration", int(seconds), group="token")
        start_response("204 No Content", [])
        return []


def main(directory: Path, port: int) -> None:
    """Serve until killed. SIGTERM says that the tests were: nobody else removes the directory then."""

    def give_up(*_signal: object) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    sys.argv[1:] = []  # keystone would read them
    configuration = directory / "keystone.conf"
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(configuration)
    from keystone.server.wsgi import initialize_public_application
    from werkzeug.serving import WSGIRequestHandler, make_server

    WSGIRequestHandler.disable_nagle_algorithm = True
    application = Application()
    server = make_server("127.0.0.1", port, application, threaded=True)
    if not configuration.exists():
        make_keys(directory / "keys")
        configuration.write_text(CONFIGURATION.format(directory))
        url = f"http://127.0.0.1:{server.server_port}/v3"
        manage(configuration, "db_sync")
        manage(
            configuration,
            *("bootstrap", "--bootstrap-password", "secret", "--bootstrap-region-id", "RegionOne"),
            *("--bootstrap-public-url", url, "--bootstrap-internal-url", url, "--bootstrap-admin-url", url),
        )
    application.wrapped = initialize_public_application()
    os.write(1, b"%d\n" % server.server_port)
    server.serve_forever()


main(Path(sys.argv[1]), int(sys.argv[2]))
