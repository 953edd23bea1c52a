"""Clients and members that speak TLS, with OpenSSL by Python's own module, each in a thread."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.model.certificates import Issued

PATIENCE: Final = 5.0  # seconds
GET: Final = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"
# The same by HTTP/2: the preface, SETTINGS, and HEADERS (RFC 9113; RFC 7541, appendix A) of stream 1.
_HEADERS: Final = b"\x82\x87\x84\x41\x0fwww.example.com"
GET_H2: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + b"\0\0\0\x04\0\0\0\0\0"
    + len(_HEADERS).to_bytes(3, "big")
    + b"\x01\x05\0\0\0\x01"
    + _HEADERS
)


@frozen
class Heard:
    """What a client saw of a connection."""

    version: str
    cipher: str
    alpn: str | None
    host: str
    answer: bytes

    @property
    def status(self) -> int:
        return int(self.answer.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.answer.partition(b"\r\n\r\n")[2]


def write_pem(case: TestCase, *parts: bytes) -> str:
    """A file, since Python's module reads nothing else."""
    path = Path(case.mktemp())
    path.write_bytes(b"".join(parts))
    return str(path)


class Client:
    """
    A client that trusts anybody.

    @ivar context: how it speaks.
    """

    def __init__(self, case: TestCase, own: Issued | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        if own is not None:
            self.context.load_cert_chain(write_pem(case, own.pem, own.key_pem()))

    def ask(
        self, address: str, port: int, name: str = "www.example.com", request: bytes = GET
    ) -> Deferred[Heard | None]:
        """What it hears; C{None}: it was refused."""
        asked: Deferred[Heard | None] = deferToThread(self._ask, address, port, name, request)
        return asked

    def _ask(self, address: str, port: int, name: str, request: bytes) -> Heard | None:
        with socket.create_connection((address, port), PATIENCE) as plain:
            try:
                with self.context.wrap_socket(plain, server_hostname=name) as secured:
                    secured.sendall(request)
                    answer = b""
                    while not ends(answer) and (more := secured.recv(65536)):
                        answer += more
                    host = host_of(ssl.DER_cert_to_PEM_cert(secured.getpeercert(True) or b""))
                    version, cipher = secured.version() or "", (secured.cipher() or ("",))[0]
                    heard = Heard(version, cipher, secured.selected_alpn_protocol(), host, answer)
            except (ssl.SSLError, ConnectionError):
                return None
        return heard if answer else None


def frames(received: bytes) -> list[tuple[int, int, bytes]]:
    """The kind, flags and payload of each frame of HTTP/2."""
    found = []
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        found.append((received[3], received[4], received[9 : 9 + length]))
        received = received[9 + length :]
    return found


def ends(received: bytes) -> bool:
    """Whether this is HTTP/2, and a stream has ended."""
    if received.startswith(b"HTTP/1."):
        return False
    return any(kind in (0, 1) and flags & 1 for kind, flags, _ in frames(received))


def host_of(pem: str) -> str:
    """The host that a certificate is for."""
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


class TlsMember:
    """
    A member behind TLS: answers how it was spoken to, as JSON. Gone when the test is over.

    @ivar context: how it speaks.
    """

    def __init__(self, case: TestCase, own: Issued, clients: Issued | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(write_pem(case, own.pem, own.key_pem()))
        self.context.set_alpn_protocols(["http/1.1"])
        if clients is not None:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(cadata=clients.pem.decode())
        self.context.sni_callback = self._named
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()

        def stop() -> Deferred[Any]:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            return deferToThread(thread.join, PATIENCE)

        case.addCleanup(stop)

    def _named(self, secured: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        secured.name_asked = name  # type: ignore[attr-defined]

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            plain.settimeout(PATIENCE)
            with plain, suppress(OSError), self.context.wrap_socket(plain, server_side=True) as secured:
                self._answer(secured)

    def _answer(self, secured: ssl.SSLSocket) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (more := secured.recv(65536)):
            received += more
        if not received:
            return
        subject: Any = (secured.getpeercert() or {}).get("subject", ())
        told = {
            "version": secured.version(),
            "cipher": (secured.cipher() or ("",))[0],
            "alpn": secured.selected_alpn_protocol(),
            "name": getattr(secured, "name_asked", None),
            "client": next((value for ((key, value),) in subject if key == "commonName"), None),
        }
        body = json.dumps(told).encode()
        secured.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
