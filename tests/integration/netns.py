"""Network namespaces that a test makes, and sockets in them. Needs root."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from attrs import frozen
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.trial.unittest import TestCase
from twisted.web.client import URI, Agent
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

_PROGRAMS = ("ip", "nft", "nsenter", "sysctl")
PATIENCE = 0.7  # seconds; who is kept out isn't told so
_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def obstacle() -> str | None:
    """Why there can be no such test here."""
    if os.geteuid() != 0:
        return "Interfaces are plugged by root alone: run this test as root."
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"These programs aren't installed: {', '.join(missing)}." if missing else None


def ip(*arguments: str) -> str:
    """Have C{ip} do something."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"ip {' '.join(arguments)}: {done.stderr}")
    return done.stdout


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that are made meanwhile are in that namespace, for as long as they live."""
    here, there = (os.open(path, os.O_RDONLY) for path in ("/proc/self/ns/net", f"/run/netns/{namespace}"))
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(here)
    finally:
        os.close(here)
        os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def make(case: TestCase, what: str) -> str:
    """A namespace, gone when the test is over."""
    name = named(case, what)
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    return name


def named(case: TestCase, what: str) -> str:
    """The name of a namespace that may come to be, gone when the test is over."""
    name = f"oxt-{uuid4().hex[:8]}-{what}"
    case.addCleanup(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
    return name


def cable(one: str, mac: str, other: str, name: str, *addresses: str) -> None:
    """
    A cable between two namespaces.

    @param mac: of its end in the first one, which is down and has no address.
    @param name: of its end in the other one, which is up and has these addresses.
    """
    near = f"n{uuid4().hex[:8]}"
    ip("-n", one, "link", "add", near, "address", mac, "type", "veth", "peer", "name", name, "netns", other)
    for each in addresses:
        ip("-n", other, "address", "add", each, "dev", name, *(("nodad",) if ":" in each else ()))
    ip("-n", other, "link", "set", name, "up")


@implementer(IAgentEndpointFactory)
@frozen
class _Within:
    namespace: str
    tls: Any
    source: str | None

    def endpointForURI(self, uri: URI) -> Any:
        host = uri.host.decode().strip("[]")
        bind = (self.source, 0) if self.source else None
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        endpoint: Any = _Inside(self.namespace, kind(reactor, host, uri.port, PATIENCE, bind))
        return wrapClientTLS(self.tls, endpoint) if uri.scheme == b"https" else endpoint


@frozen
class _Inside:
    namespace: str
    endpoint: Any

    def connect(self, factory: Any) -> Any:
        with inside(self.namespace):
            return self.endpoint.connect(factory)


def browser(namespace: str, source: str | None = None, tls: Any = None) -> Agent:
    """An HTTP client in a namespace. C{source}: the address that it has."""
    return Agent.usingEndpointFactory(reactor, _Within(namespace, tls, source))
