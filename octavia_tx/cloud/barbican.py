"""
Tenants' certificates in barbican, read with credentials of our own.

openstacksdk blocks, and so runs in threads. Nothing of a payload is in what is raised or logged here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, NotFoundException, SDKException, raise_from_response
from twisted.logger import Logger

from octavia_tx.cloud.threads import Threads
from octavia_tx.errors import CloudError, Forbidden
from octavia_tx.model.references import Consumer, Stored

_MALFORMED: Final = (LookupError, ValueError, TypeError, AttributeError)
_T = TypeVar("_T")


def _remedy(user_id: str | None) -> str:
    """
    What a tenant does so that we may read.

    @param user_id: ours: an ACL knows no names.
    """
    return (
        f"Let the load-balancing service read it: openstack acl user add --user {user_id or 'ITS-USERS-ID'} REFERENCE, "
        "and for a container each of its secrets, too."
    )


class BarbicanSource:
    """
    A L{Source<octavia_tx.cloud.certificates.Source>}. Whose secrets we may read is barbican's to say, by their ACLs.

    @param cloud: with credentials of ours.
    """

    log = Logger()

    def __init__(self, threads: Threads, cloud: Connection) -> None:
        self._threads = threads
        self._cloud = cloud

    async def payload(self, id: str, project_id: str) -> bytes | None:
        """What a secret holds, as bytes."""

        def read(keeper: Any) -> bytes | None:
            # The SDK's own get_secret takes a refusal for a secret, and its text for the payload.
            types = _got(keeper, f"/secrets/{id}").json().get("content_types")
            if types is None:
                return None
            content: bytes = _got(keeper, f"/secrets/{id}/payload", types["default"]).content
            return content

        return await self._ask(read)

    async def container(self, id: str, project_id: str) -> dict[str, str] | None:
        """A container's secrets."""

        def read(keeper: Any) -> dict[str, str]:
            held = _got(keeper, f"/containers/{id}").json()["secret_refs"]
            return {each["name"]: each["secret_ref"].rstrip("/").rpartition("/")[2] for each in held}

        return await self._ask(read)

    async def register(self, stored: Stored, consumer: Consumer) -> None:
        """Barbican takes the same consumer any number of times."""
        await self._tell("POST", stored, consumer)

    async def unregister(self, stored: Stored, consumer: Consumer) -> None:
        """One that barbican doesn't know is 404."""
        await self._tell("DELETE", stored, consumer)

    async def _tell(self, method: str, stored: Stored, consumer: Consumer) -> None:
        """Secrets have consumers from barbican's 1.1 on; an older one answers 404, and isn't told."""
        body, url = _described(stored, consumer), f"/{stored.kind}/{stored.id}/consumers"
        version = "1.1" if stored.kind == "secrets" else None

        def tell(keeper: Any) -> None:
            raise_from_response(keeper.request(url, method, json=body, microversion=version))

        try:
            await self._ask(tell)
        except Forbidden:
            # It is of use to its owner alone, and they don't want it.
            self.log.info("Barbican may not be told of the use of {kind} {id}", kind=stored.kind, id=stored.id)

    async def _ask(self, question: Callable[[Any], _T]) -> _T | None:
        return await self._threads.call(self._in_thread, question)

    def _in_thread(self, question: Callable[[Any], _T]) -> _T | None:
        try:
            return question(self._cloud.key_manager)
        except NotFoundException:
            return None
        except ForbiddenException:
            # Whoever was refused has a token, which says who we are.
            raise Forbidden(_remedy(self._cloud.session.get_user_id())) from None
        except (SDKException, ClientException) as error:
            status = getattr(error, "http_status", None)
            told = f"It answered {status}." if status else f"It doesn't answer ({type(error).__name__})."
            raise CloudError(f"Barbican can't tell now what is stored there. {told}") from None
        except _MALFORMED:
            raise CloudError("Barbican answered something else than a secret or container.") from None


def _got(keeper: Any, path: str, media: str = "application/json") -> Any:
    """
    An answer.

    @raise HttpException: it is none of success.
    """
    answer = keeper.get(path, headers={"Accept": media})
    raise_from_response(answer)
    return answer


def _described(stored: Stored, consumer: Consumer) -> dict[str, str]:
    """A consumer in barbican's words, which differ between the two kinds."""
    if stored.kind == "containers":
        return {"name": consumer.service, "URL": f"{consumer.kind}/{consumer.id}"}
    return {"service": consumer.service, "resource_type": consumer.kind, "resource_id": consumer.id}
