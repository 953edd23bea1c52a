"""
A whole Swift in one process: C{swift_server.py DIRECTORY KEYSTONE}, run by the Python that has Swift.

Account, container and object server with one device in the directory, and a proxy that takes temporary URLs and
keystone's tokens. It listens on loopback and writes the proxy's port to its output. Access rules of application
credentials hold.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # of what Swift imports
KINDS = ("account", "container", "object")

COMMON = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
"""
SERVER = """
[DEFAULT]
swift_dir = {directory}
devices = {directory}
mount_check = false
disable_fallocate = true
log_facility = LOG_LOCAL7
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[DEFAULT]
swift_dir = {directory}
[pipeline:main]
pipeline = catch_errors tempurl authtoken keystoneauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:tempurl]
use = egg:swift#tempurl
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
auth_url = {keystone}
auth_type = password
username = service
password = secret
project_name = services
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
service_type = object-store
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = member
"""


def main(directory: Path, keystone: str) -> None:
    """Serve until killed. SIGTERM says that the tests were: nobody else removes the directory then."""

    def give_up(*_signal: object) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    (directory / "swift.conf").write_text(COMMON)
    (directory / "device").mkdir()
    from swift.common import utils

    utils.set_swift_dir(str(directory))
    utils.eventlet_monkey_patch()
    import eventlet
    from eventlet import wsgi
    from swift.common.ring import RingBuilder
    from swift.common.storage_policy import reload_storage_policies
    from swift.common.wsgi import loadapp

    reload_storage_policies()
    sockets = {kind: eventlet.listen(("127.0.0.1", 0)) for kind in KINDS}
    for kind, socket in sockets.items():
        builder = RingBuilder(4, 1, 0)
        port = socket.getsockname()[1]
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "device", "weight": 1}
        builder.add_dev({**device, "replication_ip": "127.0.0.1", "replication_port": port})
        builder.rebalance()
        builder.get_ring().save(str(directory / f"{kind}.ring.gz"))

    def serve(kind: str, socket: Any, text: str) -> None:
        path = directory / f"{kind}-server.conf"
        path.write_text(text)
        application = loadapp(str(path))
        with open(os.devnull, "w") as nowhere:
            wsgi.server(socket, application, nowhere, protocol=_protocol())

    for kind, socket in sockets.items():
        eventlet.spawn(serve, kind, socket, SERVER.format(directory=directory, kind=kind))
    proxy = eventlet.listen(("127.0.0.1", 0))
    os.write(1, b"%d\n" % proxy.getsockname()[1])
    serve("proxy", proxy, PROXY.format(directory=directory, keystone=keystone))


def _protocol() -> Any:
    from swift.common.wsgi import SwiftHttpProtocol

    return SwiftHttpProtocol


main(Path(sys.argv[1]), sys.argv[2])
