"""People whom a real keystone knows, each with the C{openstack} client and openstacksdk."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import openstack
from twisted.internet.threads import deferToThread

from tests.integration.keystone import PASSWORD, REGION, SERVICES, TENANT, USERS, Keystone, shared_keystone
from tests.journey.client import OpenStackClient
from tests.journey.sdk import SdkCase

BY_CREDENTIAL = "by-credential"
"""The member of C{TENANT} once more, known by an application credential."""
OF_SYSTEM = "admin-of-system"
"""The administrator without a project: the client is told C{--os-system-scope all}."""


def new(name: str) -> str:
    """A name that nothing has, for what keystone keeps from one test to the next."""
    return f"{name}-{uuid.uuid4()}"


class PeopleCase(SdkCase):
    """
    Has C{self.keystone}, in whose catalog the system that L{begin} starts stands, with its network.

    @cvar by_credential: whether our service is known to keystone by an application credential instead of a password.
    """

    by_credential = False

    def setUp(self) -> None:
        super().setUp()
        self.keystone: Keystone = shared_keystone()
        self.system.settings = {**self.settings, "OCTAVIA_TX_API__AUTH": "keystone", **self._credentials()}

    def _credentials(self) -> dict[str, str]:
        said = {"AUTH_URL": self.keystone.url, "USERNAME": "service", "PASSWORD": PASSWORD, "PROJECT_NAME": SERVICES}
        if self.by_credential:
            identifier, secret = self.keystone.application_credential("service", SERVICES, new("octavia-tx"))
            said = {"AUTH_URL": self.keystone.url, "APPLICATION_CREDENTIAL_ID": identifier}
            said["APPLICATION_CREDENTIAL_SECRET"] = secret
        return {f"OCTAVIA_TX_KEYSTONE__{name}": value for name, value in said.items()}

    async def begin(self, *back_ends: str) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        for kind, path in (("load-balancer", ""), ("network", "/network")):
            self.addCleanup(self.keystone.enter(kind, f"{self.tenant.endpoint}{path}"))
        self._clouds = self._described()
        for name in back_ends:
            await self.system.start_back_end(name)

    def _described(self) -> dict[str, dict[str, Any]]:
        """What C{clouds.yaml} says of each person: who they are, and for which project."""
        clouds = {name: self._cloud(name, held[0][1]) for name, held in USERS.items() if held}
        clouds |= {"admin": self._cloud("admin", "admin"), OF_SYSTEM: self._cloud("admin")}
        identifier, secret = self.keystone.application_credential("member", TENANT, new("member"))
        auth = {"application_credential_id": identifier, "application_credential_secret": secret}
        clouds[BY_CREDENTIAL] = {
            "auth_type": "v3applicationcredential",
            "auth": {"auth_url": self.keystone.url, **auth},
            "region_name": REGION,
        }
        return clouds

    def _cloud(self, user: str, project: str | None = None) -> dict[str, Any]:
        domains = {"user_domain_id": "default", **({"project_domain_id": "default"} if project else {})}
        auth = {"auth_url": self.keystone.url, "username": user, "password": PASSWORD, **domains}
        if project:
            auth["project_name"] = project
        return {"auth_type": "password", "auth": auth, "region_name": REGION}

    def client_of(self, name: str) -> OpenStackClient:
        """The command-line client of a person."""
        return OpenStackClient(self.system.directory / "home", json.dumps({"clouds": self._clouds}), name)

    async def connected(self, **described: Any) -> Any:
        """The SDK's load balancers, for who is described."""

        def connect() -> tuple[Any, Any]:
            cloud = openstack.connect(load_yaml_config=False, load_envvars=False, **described)
            return cloud, cloud.load_balancer

        cloud, service = await deferToThread(connect)
        self.addCleanup(cloud.close)
        return service

    async def service_of(self, name: str) -> Any:
        """The SDK's load balancers of a person."""
        described = self._clouds[name]
        if name == OF_SYSTEM:
            described = {**described, "auth": {**described["auth"], "system_scope": "all"}}
        return await self.connected(**described)

    async def fails(self, kind: type[Exception], verb: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        """A call of the SDK that has to fail so; gives what it says."""
        try:
            done = await self.call(verb, *arguments, **named)
        except kind as error:
            return str(error)
        raise self.failureException(f"It succeeded: {done}")
