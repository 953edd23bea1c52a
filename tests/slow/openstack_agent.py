"""
OpenStack's own agent, asked things: C{openstack_agent.py DIRECTORY HAPROXY ADDRESS}, run as root, by the Python that
has octavia.

Reads C{[[method, path, body, content type], ...]} from its input, and writes C{[[status, headers, body], ...]}. It has
namespaces of its own, so that nothing is left of what it does.

Its load balancer C{22222222-…} is there, with a configuration, and an interface with the address.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

LB = "22222222-2222-4222-8222-222222222222"
NAMESPACE = "amphora-haproxy"
CONFIGURATION = """
global
    stats socket /nowhere
frontend 33333333-3333-4333-8333-333333333333
    mode http
"""


def prepare(directory: Path, haproxy: str, address: str) -> None:
    """What its image has: a namespace for traffic, haproxy, and packages of which it asks the versions."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    subprocess.run(["ip", "-n", NAMESPACE, "link", "add", "eth1", "type", "veth", "peer", "name", "peer"], check=True)
    subprocess.run(["ip", "-n", NAMESPACE, "address", "add", f"{address}/32", "dev", "eth1"], check=True)
    programs = directory / "bin"
    programs.mkdir()
    (programs / "haproxy").symlink_to(haproxy)
    for name in ("dpkg-query", "rpm"):
        (programs / name).write_text("#!/bin/sh\nprintf 2.6.12-1\n")
        (programs / name).chmod(0o755)
    os.environ["PATH"] = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
    there = directory / "base" / LB
    there.mkdir(parents=True)
    (there / "haproxy.cfg").write_text(CONFIGURATION)


def main(directory: Path, haproxy: str, address: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepare(directory, haproxy, address)
    warnings.simplefilter("ignore")
    from octavia.amphorae.backends.agent.api_server.server import Server
    from octavia.common import config  # noqa: F401 - its options
    from oslo_config import cfg

    cfg.CONF([], project="octavia")
    for name, path in (("base_path", "base"), ("base_cert_dir", "certs")):
        cfg.CONF.set_override(name, str(directory / path), "haproxy_amphora")
    (directory / "interfaces").mkdir()
    cfg.CONF.set_override("agent_server_network_dir", str(directory / "interfaces"), "amphora_agent")
    client = Server(None).app.test_client()
    told = []
    for method, path, body, kind in json.load(sys.stdin):
        answer = client.open(path, method=method, data=body.encode("latin-1"), content_type=kind)
        told.append([answer.status_code, dict(answer.headers), answer.get_data(as_text=True)])
    json.dump(told, answers)
    answers.close()


main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
