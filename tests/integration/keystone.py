"""
A real keystone for tests: one for each trial process, started by the first test that needs it and ended with the
process.

It runs out of a virtual environment of its own, which C{make .venv/.keystone} makes beside that of the tests.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import requests

from octavia_tx.cloud.validation import Credentials
from tests.integration.openstack_server import started
from tests.integration.postgres import fastest_directory

VENV = Path(sys.prefix)
PYTHON = VENV / "keystone" / "bin" / "python"
INSTALLED = VENV / ".keystone"
SERVER = Path(__file__).with_name("keystone_server.py")
PASSWORD = "secret"
REGION = "RegionOne"
LIFETIME = 3600
"""Seconds for which a token lasts, unless L{Keystone.lifetime} says otherwise."""

TENANT, OTHER, EMPTY, SERVICES = "tenant", "other", "empty", "services"
"""Projects; nobody has a role in C{EMPTY}."""

LOAD_BALANCER_ROLES = ("observer", "member", "global_observer", "quota_admin", "admin")
"""Each is a role C{load-balancer_...}, and a user of that name has it in C{TENANT}."""

USERS: dict[str, tuple[tuple[str, str], ...]] = {
    "member": (("member", TENANT),),
    "reader": (("reader", TENANT),),
    "other-member": (("member", OTHER),),
    "system-reader": (("reader", "system"),),
    "domain-reader": (("reader", "domain"),),
    "nobody": (),
    "service": (("service", SERVICES),),
    **{f"load-balancer_{name}": ((f"load-balancer_{name}", TENANT),) for name in LOAD_BALANCER_ROLES},
}
"""Who has which role where. Beside them C{admin} has all that keystone gives its first user, in project and system."""

Json = dict[str, Any]


class Keystone:
    """
    One in a temporary directory.

    @ivar url: its version 3.
    @ivar projects: their ids by name.
    @ivar users: their ids by name.
    """

    def __init__(self) -> None:
        self.projects: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self._directory = Path(tempfile.mkdtemp(prefix="otx-keystone-", dir=fastest_directory()))
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._http = requests.Session()
        self._http.trust_env = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v3"

    @property
    def credentials(self) -> Credentials:
        """Those of a service that may ask about tokens."""
        return Credentials(auth_url=self.url, username="service", password=PASSWORD, project_name=SERVICES)

    # Its life.

    def start(self) -> None:
        """
        Start it, again on the same port and with all that it knew, and wait until it answers.

        Not in a thread that ends before the process does: it ends with that.
        """
        # It takes its directory along when this process is killed.
        self._process, self._port = started(PYTHON, SERVER, self._directory, str(self._port))

    def stop(self) -> None:
        """End it at once, its connections too."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def remove(self) -> None:
        """Stop it, and leave nothing of it."""
        self.stop()
        self._http.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def populate(self) -> None:
        """Make the projects, users and roles."""
        token = self.token("admin", system=True)
        roles = {role["name"]: role["id"] for role in self._call("GET", "/roles", token)["roles"]}
        for name in LOAD_BALANCER_ROLES:
            full = f"load-balancer_{name}"
            # As an operator may write it: names are the same in any case.
            given = {"name": full.replace("load-balancer", "Load-Balancer")}
            roles[full] = self._call("POST", "/roles", token, {"role": given})["role"]["id"]
        for name in (TENANT, OTHER, EMPTY, SERVICES):
            given = {"name": name, "domain_id": "default"}
            self.projects[name] = self._call("POST", "/projects", token, {"project": given})["project"]["id"]
        for name, held in USERS.items():
            given = {"name": name, "domain_id": "default", "password": PASSWORD}
            user = self.users[name] = self._call("POST", "/users", token, {"user": given})["user"]["id"]
            for role, where in held:
                places = {"system": "system", "domain": "domains/default"}
                place = places.get(where) or f"projects/{self.projects[where]}"
                self._call("PUT", f"/{place}/users/{user}/roles/{roles[role]}", token)
        for kind, found in (("users", self.users), ("projects", self.projects)):
            (first,) = self._call("GET", f"/{kind}?name=admin", token)[kind]
            found["admin"] = first["id"]

    # What tests ask of it.

    def token(self, user: str, project: str | None = None, *, system: bool = False, domain: bool = False) -> str:
        """A new token of a user: of a project by its name, of the system, of the domain, or of no scope."""
        identity = {"name": user, "domain": {"id": "default"}, "password": PASSWORD}
        scope: Json | str = "unscoped"
        if project is not None:
            scope = {"project": {"name": project, "domain": {"id": "default"}}}
        elif system:
            scope = {"system": {"all": True}}
        elif domain:
            scope = {"domain": {"id": "default"}}
        return self._authenticate({"methods": ["password"], "password": {"user": identity}}, scope)

    def application_credential(
        self, user: str, project: str, name: str, access_rules: tuple[Json, ...] = ()
    ) -> tuple[str, str]:
        """The id and the secret of a new application credential of a user in a project."""
        token, given = self.token(user, project), {"name": name, "access_rules": access_rules}
        answer = self._call(
            "POST", f"/users/{self.users[user]}/application_credentials", token, {"application_credential": given}
        )["application_credential"]
        return answer["id"], answer["secret"]

    def token_by(self, application_credential: tuple[str, str]) -> str:
        """A new token got with an application credential."""
        identifier, secret = application_credential
        given = {"id": identifier, "secret": secret}
        return self._authenticate({"methods": ["application_credential"], "application_credential": given}, None)

    @contextlib.contextmanager
    def lifetime(self, seconds: int) -> Iterator[None]:
        """Tokens that are issued meanwhile last so long."""
        self._set_lifetime(seconds)
        try:
            yield
        finally:
            self._set_lifetime(LIFETIME)

    def enter(self, kind: str, url: str) -> Callable[[], None]:
        """Put a service into the catalog; gives what takes it out again."""

        def admin() -> str:
            return self.token("admin", system=True)

        service = self._call("POST", "/services", admin(), {"service": {"type": kind, "name": kind}})["service"]["id"]
        endpoint = {"service_id": service, "interface": "public", "url": url, "region_id": REGION}
        self._call("POST", "/endpoints", admin(), {"endpoint": endpoint})

        def leave() -> None:
            self._call("DELETE", f"/services/{service}", admin())

        return leave

    def revoke(self, token: str) -> None:
        """Make a token invalid, at its own wish."""
        self._call("DELETE", "/auth/tokens", token, subject=token)

    def set_password(self, user: str, password: str) -> None:
        """Change a user's password, which ends all of the user's tokens too."""
        admin = self.token("admin", system=True)
        self._call("PATCH", f"/users/{self.users[user]}", admin, {"user": {"password": password}})

    def _set_lifetime(self, seconds: int) -> None:
        self._http.put(f"http://127.0.0.1:{self._port}/lifetime", data=str(seconds), timeout=10).raise_for_status()

    def _authenticate(self, identity: Json, scope: Json | str | None) -> str:
        asked = {"auth": {"identity": identity, **({"scope": scope} if scope is not None else {})}}
        answer = self._http.post(f"{self.url}/auth/tokens", json=asked, timeout=10)
        answer.raise_for_status()
        return answer.headers["X-Subject-Token"]

    def _call(self, method: str, path: str, token: str, body: Json | None = None, subject: str = "") -> Json:
        headers = {"X-Auth-Token": token, **({"X-Subject-Token": subject} if subject else {})}
        answer = self._http.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=10)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}


_shared: list[Keystone] = []


def shared_keystone() -> Keystone:
    """
    This process's keystone, running.

    @raise SkipTest: it isn't installed.
    """
    if not INSTALLED.exists():
        raise SkipTest("There's no keystone for tests: run make .venv/.keystone")
    if not _shared:
        keystone = Keystone()
        atexit.register(keystone.remove)
        keystone.start()
        keystone.populate()
        _shared.append(keystone)
    return _shared[0]
