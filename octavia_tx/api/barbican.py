"""How barbican shows secrets and containers of them, and what it takes: as JSON."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from octavia_tx.api.codec import Field, Fields, Nested
from octavia_tx.api.shapes import INTEGER, LINK, MOMENT, TEXT, Schema, a_list, an_object, nullable, with_keys
from octavia_tx.api.types import Integer, ListOf, OneOf, Text
from octavia_tx.errors import InvalidInput, MissingField
from octavia_tx.model.references import Consumer
from octavia_tx.model.vault import Container, Secret

Shape = dict[str, Any]

LARGEST: Final = 256 * 1024  # bytes of a payload
BINARY: Final = "application/octet-stream"
_TEXTS: Final = ("text/plain", "text/plain;charset=utf-8", "text/plain; charset=utf-8")
_BINARIES: Final = (BINARY, "application/pkcs8", "application/pkix-cert", "application/x-pkcs12")
MEDIA: Final = (_TEXTS[0], *_BINARIES)


@frozen
class _Payload:
    """A secret's content; no complaint repeats it."""

    accepted: str = f"a text of at most {LARGEST} bytes, in base64 where payload_content_encoding says so"
    schema: Schema = {"type": "string", "minLength": 1, "maxLength": 2 * LARGEST}

    def decode(self, given: Any, where: str) -> str:
        if not isinstance(given, str) or not given or len(given) > 2 * LARGEST:
            raise InvalidInput(where, "what can't be stored", self.accepted)
        return given


SECRET: Final = Fields(
    "secret",
    (
        Field("algorithm", Text()),
        Field("bit_length", Integer(1)),
        Field("mode", Text()),
        Field("name", Text(), default=""),
        Field("payload", _Payload()),
        Field("payload_content_encoding", OneOf(("base64",))),
        Field("payload_content_type", OneOf((*_TEXTS, *_BINARIES))),
        Field(
            "secret_type",
            OneOf(("opaque", "certificate", "private", "public", "passphrase", "symmetric")),
            default="opaque",
        ),
    ),
)
_HELD: Final = Fields("held", (Field("name", Text(), default=""), Field("secret_ref", Text(512), required=True)))
CONTAINER: Final = Fields(
    "container",
    (
        Field("name", Text(), default=""),
        Field("secret_refs", ListOf(Nested(_HELD)), default=()),
        Field("type", OneOf(("certificate", "rsa", "generic")), required=True),
    ),
)
CONTAINERS_CONSUMER: Final = Fields(
    "container_consumer", (Field("name", Text(), required=True), Field("URL", Text(512), required=True))
)
SECRETS_CONSUMER: Final = Fields(
    "secret_consumer",
    tuple(Field(name, Text(), required=True) for name in ("service", "resource_type", "resource_id")),
)
HELD_NAMES: Final = {
    "certificate": ("certificate", "private_key", "private_key_passphrase", "intermediates"),
    "rsa": ("public_key", "private_key", "private_key_passphrase"),
}
"""What the secrets in a container of a type may be called; in others, anything."""

_COMMON = an_object(name=TEXT, status=TEXT, created=MOMENT, updated=MOMENT, creator_id=TEXT)
SECRET_SHAPE: Final = with_keys(
    _COMMON,
    frozenset({"content_types"}),
    secret_ref=TEXT,
    secret_type=TEXT,
    algorithm=nullable(TEXT),
    bit_length=nullable(INTEGER),
    mode=nullable(TEXT),
    expiration={"type": "null"},
    content_types=an_object(default=TEXT),
)
_CONSUMERS = a_list({"type": "object", "additionalProperties": TEXT})
CONTAINER_SHAPE: Final = with_keys(
    _COMMON,
    container_ref=TEXT,
    type=TEXT,
    secret_refs=a_list(an_object(name=TEXT, secret_ref=TEXT)),
    consumers=_CONSUMERS,
)
SECRET_WITH_CONSUMERS: Final = with_keys(SECRET_SHAPE, consumers=_CONSUMERS)
CONSUMERS: Final = an_object(consumers=_CONSUMERS, total=INTEGER)
VERSION: Final = an_object(
    id=TEXT,
    status=TEXT,
    min_version=TEXT,
    max_version=TEXT,
    links=a_list(LINK),
    **{"media-types": a_list({"type": "object"})},
)
FAULT: Final = an_object(code=INTEGER, title=TEXT, description=TEXT)


def version(url: str) -> Shape:
    """The only version of barbican's API, below an URL."""
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": "1.0",
        "max_version": "1.1",
        "links": [{"rel": "self", "href": f"{url}/v1/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}],
    }


def payload(values: dict[str, Any]) -> tuple[bytes, str] | None:
    """
    The content and its type, of the values of a new secret, if they have any.

    @raise MissingField: its type isn't told.
    @raise InvalidInput: it can't be decoded, or is too large.
    """
    given, media = values.pop("payload"), values.pop("payload_content_type")
    coding = values.pop("payload_content_encoding")
    if given is None:
        return None
    if media is None:
        raise MissingField("secret.payload_content_type", "text/plain, or application/octet-stream")
    if media not in _TEXTS and coding is None:
        raise MissingField("secret.payload_content_encoding", f"base64, for a payload of the type {media}")
    return decoded(given.encode("utf-8", "surrogatepass"), coding, media), media_of(media)


def media_of(given: str | None) -> str:
    """
    A content's type as it is remembered.

    @raise InvalidInput: it isn't one that can be stored.
    """
    known = _TEXTS[0] if given in _TEXTS else given or BINARY
    if known not in MEDIA:
        raise InvalidInput("header Content-Type", given, f"one of {', '.join(MEDIA)}")
    return known


def decoded(given: bytes, coding: str | None, media: str | None) -> bytes:
    """
    A content as it is stored.

    @raise InvalidInput: it isn't what it is said to be, or too large.
    """
    try:
        content = b64decode(given, validate=True) if coding == "base64" else given
        if media in _TEXTS:
            content.decode()
    except (Error, ValueError):
        accepted = "base64, and UTF-8 where it is a text, as its type and encoding say"
        raise InvalidInput("secret.payload", "what can't be decoded", accepted) from None
    if not 0 < len(content) <= LARGEST:
        raise InvalidInput("secret.payload", f"{len(content)} bytes", f"1 to {LARGEST} bytes")
    return content


def consumer(values: dict[str, str]) -> Consumer:
    """Who uses a secret or container, in the words of either."""
    if "URL" in values:
        kind, _, identifier = values["URL"].rpartition("/")
        return Consumer(service=values["name"], kind=kind, id=identifier)
    return Consumer(service=values["service"], kind=values["resource_type"], id=values["resource_id"])


def of_container(value: Consumer) -> Shape:
    """Who uses a container."""
    return {"name": value.service, "URL": f"{value.kind}/{value.id}" if value.kind else value.id}


def of_secret(value: Consumer) -> Shape:
    """Who uses a secret."""
    return {"service": value.service, "resource_type": value.kind, "resource_id": value.id}


def secret(value: Secret, url: str) -> Shape:
    """A secret, and nothing of what it holds."""
    own: Shape = {
        "secret_ref": secret_ref(value.id, url),
        "secret_type": value.secret_type,
        "algorithm": value.algorithm,
        "bit_length": value.bit_length,
        "mode": value.mode,
        "expiration": None,
    }
    content = {} if value.content_type is None else {"content_types": {"default": value.content_type}}
    return {**_common(value), **own, **content}


def container(value: Container, consumers: tuple[Consumer, ...], url: str) -> Shape:
    """A container."""
    held = [{"name": each.name, "secret_ref": secret_ref(each.secret_id, url)} for each in value.secrets]
    own: Shape = {
        "container_ref": container_ref(value.id, url),
        "type": value.type,
        "secret_refs": held,
        "consumers": [of_container(each) for each in consumers],
    }
    return {**_common(value), **own}


def secret_ref(id: str, url: str) -> str:
    """A secret's reference."""
    return f"{url}/v1/secrets/{id}"


def container_ref(id: str, url: str) -> str:
    """A container's reference."""
    return f"{url}/v1/containers/{id}"


def _common(value: Secret | Container) -> Shape:
    return {
        "name": value.name,
        "status": "ACTIVE",
        "created": _moment(value.created_at),
        "updated": _moment(value.updated_at or value.created_at),
        "creator_id": "",
    }


def _moment(at: datetime) -> str:
    return at.isoformat()[:19]
