"""
A whole barbican in one process: C{barbican_server.py DIRECTORY KEYSTONE}, run by the Python that has barbican.

It keeps its secrets in the directory, believes the tokens of that keystone, listens on loopback and writes the port to
its output.
"""

from __future__ import annotations

import base64
import os
import sys
import warnings
from pathlib import Path
from wsgiref.simple_server import make_server

warnings.simplefilter("ignore")  # of what barbican imports

CONFIGURATION = """
[DEFAULT]
host_href =
log_file = {0}/log
db_auto_create = true
[database]
connection = sqlite:///{0}/barbican.sqlite
[oslo_policy]
policy_file = {0}/policy.yaml
[simple_crypto_plugin]
kek = {2}
[keystone_authtoken]
auth_type = password
auth_url = {1}
www_authenticate_uri = {1}
username = service
password = secret
project_name = services
user_domain_id = default
project_domain_id = default
"""
# As barbican's own paste file has them, but for what a browser or a proxy needs.
PIPELINES = """
[composite:main]
use = egg:Paste#urlmap
/: versions
/v1: api
[pipeline:versions]
pipeline = microversion versionapp
[pipeline:api]
pipeline = authtoken context microversion apiapp
[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app
[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
"""


def main(directory: Path, keystone: str) -> None:
    """Serve until killed."""
    # Each of its modules reads the configuration anew, from where a user's is.
    os.environ["HOME"] = str(directory)
    configuration, pipelines = directory / ".barbican" / "barbican.conf", directory / "paste.ini"
    configuration.parent.mkdir()
    configuration.write_text(
        CONFIGURATION.format(directory, keystone, base64.urlsafe_b64encode(os.urandom(32)).decode())
    )
    pipelines.write_text(PIPELINES)
    (directory / "policy.yaml").write_text("{}\n")
    from paste import deploy

    server = make_server("127.0.0.1", 0, deploy.loadapp(f"config:{pipelines}"))
    os.write(1, b"%d\n" % server.server_port)
    server.serve_forever()


main(Path(sys.argv[1]), sys.argv[2])
