"""Who keeps tenants' certificates, made from the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from octavia_tx.cloud.certificates import CertificateManager
from octavia_tx.cloud.keyring import FILE, Keyring
from octavia_tx.cloud.threads import Threads
from octavia_tx.config import Settings
from octavia_tx.db.database import Database
from octavia_tx.db.vault import Vault
from octavia_tx.errors import SettingsError
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.resources import entered

if TYPE_CHECKING:
    from octavia_tx.cloud.validation import Credentials

_READERS = 8  # of barbican's secrets at once


@frozen
class Kept:
    """
    @ivar manager: who is asked for what tenants refer to; C{None}: nobody, since no amphora wants to know.
    @ivar vault: the embedded store; C{None}: there's another.
    """

    manager: ICertificateManager | None
    vault: Vault | None


def vault(settings: Settings, database: Database, state: Path) -> Vault:
    """The embedded store; its keys are made at the first start."""
    given = settings.certificates.key_file
    return Vault(database, Keyring.load_or_create(Path(given) if given else state / FILE))


async def barbican(
    reactor: Any, settings: Settings, credentials: Credentials, stack: AsyncExitStack
) -> ICertificateManager:
    """
    Barbican.

    @param credentials: our own.
    @raise SettingsError: openstacksdk isn't installed.
    """
    # It takes time to import and memory: whoever doesn't use it doesn't pay for it.
    try:
        from openstack.connection import Connection

        from octavia_tx.cloud.barbican import BarbicanSource
    except ImportError as error:
        problem = "certificates.manager: barbican is asked by openstacksdk: pip install 'octavia-tx[openstack]'"
        raise SettingsError((problem,)) from error
    session = credentials.session()
    stack.callback(session.session.close)
    endpoint = settings.certificates.endpoint
    override: dict[str, Any] = {"key_manager_endpoint_override": endpoint} if endpoint else {}
    cloud = Connection(session=session, region_name=settings.keystone.region_name or None, **override)
    stack.callback(cloud.close)
    threads = await entered(stack, Threads(reactor, _READERS, "barbican"))
    return CertificateManager(BarbicanSource(threads, cloud))
