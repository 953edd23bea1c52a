"""The embedded store of tenants' secrets, for those without another. Payloads leave it sealed, or as asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import evolve

from octavia_tx.db.database import Database
from octavia_tx.db.repository import Repository
from octavia_tx.db.rows import rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict
from octavia_tx.model.references import Consumer, Stored
from octavia_tx.model.vault import Container, Secret

secrets = Repository("secret", Secret)
containers = Repository("secret_container", Container, find="vault.containers", keeps=frozenset({"type"}))


class Seal(Protocol):
    """Encrypts what is stored."""

    def close(self, label: str, payload: bytes) -> str:
        """A payload as it is stored, to be opened by the same label alone."""

    def open(self, label: str, sealed: str) -> bytes:
        """
        The payload.

        @raise CloudError: none of the keys opens it.
        """


class Vault:
    """@param seal: with keys that aren't in the database."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def filled(self, secret: Secret, payload: bytes, content_type: str) -> Secret:
        """The same secret with a payload, not written yet."""
        return evolve(secret, sealed=self._seal.close(secret.id, payload), content_type=content_type)

    def opened(self, secret: Secret) -> bytes | None:
        """A secret's payload, if it has any."""
        return None if secret.sealed is None else self._seal.open(secret.id, secret.sealed)

    async def payload(self, id: str, project_id: str) -> bytes | None:
        """A secret's payload; C{None} where that project has no such, or it has none yet."""
        async with self._database.transaction(read_only=True) as tx:
            found = await secrets.get(tx, id)
        return None if found is None or found.project_id != project_id else self.opened(found)

    async def container(self, id: str, project_id: str) -> dict[str, str] | None:
        """The ids of a container's secrets, by the names that they have there; C{None}: that project has no such."""
        async with self._database.transaction(read_only=True) as tx:
            found = await containers.get(tx, id)
        if found is None or found.project_id != project_id:
            return None
        return {held.name: held.secret_id for held in found.secrets}

    async def reseal(self) -> int:
        """Seal everything with the newest key, so that older ones may go; how much that was."""
        async with self._database.transaction(read_only=True) as tx:
            ids = [secret.id for secret in await secrets.find(tx) if secret.sealed is not None]
        for id in ids:
            async with self._database.transaction() as tx:
                await secrets.lock(tx, id)
                found = await secrets.get(tx, id)
                if found is not None and found.sealed is not None:
                    sealed = self._seal.close(id, self._seal.open(id, found.sealed))
                    await secrets.update(tx, evolve(found, sealed=sealed))
        return len(ids)

    async def register(self, stored: Stored, consumer: Consumer) -> None:
        """Note who uses it."""
        async with self._database.transaction() as tx:
            await register(tx, stored.id, consumer)

    async def unregister(self, stored: Stored, consumer: Consumer) -> None:
        """Note who uses it no more."""
        async with self._database.transaction() as tx:
            await unregister(tx, stored.id, consumer)


async def insert_container(tx: Transaction, container: Container) -> None:
    """
    Write a new one.

    @raise Conflict: one of its secrets isn't there any more.
    """
    await containers.insert(tx, container)
    await tx.execute("vault.hold", container_id=container.id, rows=rows(container.secrets))


async def remove_secret(tx: Transaction, secret: Secret) -> None:
    """
    Delete it, and out of all containers.

    @raise Conflict: a load balancer uses it, by itself or in a container.
    """
    holding = [str(each["id"]) for each in await tx.fetch("vault.containers_of", id=secret.id)]
    named = [Stored("secrets", secret.id), *(Stored("containers", id) for id in holding)]
    await _check_unused(tx, f"Secret {secret.id}", secret.project_id, named)
    await tx.execute("vault.forget_consumers", id=secret.id)
    await secrets.remove(tx, secret.id)


async def remove_container(tx: Transaction, container: Container) -> None:
    """
    Delete it; its secrets stay.

    @raise Conflict: a load balancer uses it.
    """
    named = [Stored("containers", container.id)]
    await _check_unused(tx, f"Container {container.id}", container.project_id, named)
    await tx.execute("vault.forget_consumers", id=container.id)
    await containers.remove(tx, container.id)


async def _check_unused(tx: Transaction, what: str, project_id: str, named: Iterable[Stored]) -> None:
    endings = [f"%{each.kind}/{each.id}" for each in named]
    users = await tx.fetch("vault.users", project_id=project_id, endings=endings)
    if users:
        told = ", ".join("{kind} {id} of load balancer {load_balancer_id}".format(**each) for each in users[:5])
        raise Conflict(f"{what} is used by {told}. Change or delete that first.")


async def consumers(tx: Transaction, id: str) -> tuple[Consumer, ...]:
    """Who says that they use a secret or container."""
    return tuple(Consumer(**each) for each in await tx.fetch("vault.consumers", id=id))


async def register(tx: Transaction, id: str, consumer: Consumer) -> None:
    """Note who uses a secret or container. Noted already: no error."""
    values = {"service": consumer.service, "kind": consumer.kind, "user_id": consumer.id}
    await tx.execute("vault.register", id=id, **values)


async def unregister(tx: Transaction, id: str, consumer: Consumer) -> None:
    """Forget who uses a secret or container. Not noted: no error."""
    values = {"service": consumer.service, "kind": consumer.kind, "user_id": consumer.id}
    await tx.execute("vault.unregister", id=id, **values)
