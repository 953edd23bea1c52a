"""A provider that another installed package brings, beside our own, in the real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes
from tests.integration.system import SystemCase

_PROJECT = """
    [build-system]
    requires = ["setuptools>=61"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "acme-load-balancers"
    version = "1.0"

    [project.entry-points."octavia_tx.provider_drivers"]
    acme = "acme_load_balancers:Acme"

    [tool.setuptools]
    py-modules = ["acme_load_balancers"]
"""
# As its author would write it: a file for each load balancer that it provides.
_MODULE = """
    import json
    from contextlib import suppress
    from pathlib import Path

    from twisted.internet.defer import CancelledError, Deferred
    from zope.interface import implementer

    from octavia_tx.driver.options import FLAVOR_DATA, ZONE_DATA, Options
    from octavia_tx.errors import IncompatibleConfiguration, SettingsError
    from octavia_tx.interfaces import IProviderDriver

    FLAVOR = Options(FLAVOR_DATA, "Of ACME's flavors", {"rack": {"type": "string", "description": "A rack, a text."}})
    ZONE = Options(ZONE_DATA, "Of ACME's zones", {})


    @implementer(IProviderDriver)
    class Acme:
        name = "acme"
        description = "Load balancers by ACME."
        amphorae = False
        immediate = False
        flavor_schema = FLAVOR.schema
        availability_zone_schema = ZONE.schema

        def __init__(self, settings):
            if "directory" not in settings:
                raise SettingsError(("directory: missing. Accepted: a directory",))
            self.directory = Path(settings["directory"])

        async def validate_flavor(self, data):
            FLAVOR.judge(data)

        async def validate_availability_zone(self, data):
            ZONE.judge(data)

        async def check(self, tree, terms):
            if tree.load_balancer.name == "for ever":
                (self.directory / "asked").touch()
                while True:
                    with suppress(CancelledError):
                        await Deferred()
            for listener in tree.listeners:
                if listener.protocol != "TCP":
                    raise IncompatibleConfiguration(f"listener.protocol with the value {listener.protocol}.")
            return {}

        async def provide(self, tree, terms):
            told = {"revision": tree.load_balancer.revision, "rack": terms.flavor.get("rack")}
            (self.directory / tree.load_balancer.id).write_text(json.dumps(told))

        async def withdraw(self, load_balancer_id):
            (self.directory / load_balancer_id).unlink(missing_ok=True)
"""


class ThirdPartyProvider(SystemCase):
    """@ivar directory: of the distribution's source, of its installation, and of what the provider provides."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory(prefix="octavia-tx-acme-")
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.source, self.installed, self.box = (self.directory / name for name in ("source", "installed", "box"))
        for each in (self.source, self.box):
            each.mkdir()
        (self.source / "pyproject.toml").write_text(textwrap.dedent(_PROJECT))
        (self.source / "acme_load_balancers.py").write_text(textwrap.dedent(_MODULE))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--target", str(self.installed), str(self.source)], capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.system.settings = {
            "PYTHONPATH": str(self.installed),
            "OCTAVIA_TX_PROVIDERS__ENABLED": "amphora,acme",
            "OCTAVIA_TX_PROVIDER__ACME__DIRECTORY": str(self.box),
        }

    async def test_it_stands_beside_ours_and_provides_what_names_it(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        _code, listed = await self.tenant.call("GET", "/providers")
        self.assertEqual(
            listed["providers"],
            [
                {"name": "amphora", "description": "The Octavia Amphora driver."},
                {"name": "acme", "description": "Load balancers by ACME."},
            ],
        )
        profile = await self.tenant.create(
            "/flavorprofiles", "flavorprofile", name="rack7", provider_name="acme", flavor_data='{"rack": "7"}'
        )
        flavor = await self.tenant.create("/flavors", "flavor", name="rack7", flavor_profile_id=profile["id"])
        named = await self.tenant.create(
            "/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=IPV4_SUBNET_ID, provider="acme"
        )
        flavored = await self.tenant.create(
            "/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=IPV4_SUBNET_ID, flavor_id=flavor["id"]
        )
        for made, rack in ((named, None), (flavored, "7")):
            self.assertEqual(made["provider"], "acme")
            await self.until_active(made["id"])
            self.assertEqual(json.loads((self.box / made["id"]).read_text()), {"revision": 1, "rack": rack})
        await self.tenant.call("DELETE", f"/loadbalancers/{named['id']}")
        await self.until_gone(named["id"])
        self.assertEqual([path.name for path in self.box.iterdir()], [flavored["id"]])

    async def test_one_that_never_answers_does_not_keep_the_daemon_from_ending(self) -> None:
        self.system.settings["OCTAVIA_TX_PROVIDERS__TIMEOUT"] = "3"
        self.system.start_controller()
        await self.system.wait_for_api()
        given = {"name": "for ever", "vip_subnet_id": IPV4_SUBNET_ID, "provider": "acme"}
        asking = Deferred.fromCoroutine(self.tenant.call("POST", "/loadbalancers", {"loadbalancer": given}))
        while not (self.box / "asked").exists():
            await self.pause(0.02)
        begun = reactor.seconds()
        controller = self.system.end_controller()
        code, told = await asking
        self.assertEqual(code, 500)
        self.assertEqual(told["faultstring"], "Provider 'acme' reports error: it gave no answer within 3 seconds.")
        while controller.poll() is None:
            await self.pause(0.02)
        self.assertLess(reactor.seconds() - begun, 20)

    def test_what_is_wrong_with_it_is_told_at_start(self) -> None:
        environment = {**os.environ, **self.system.environment(), "OCTAVIA_TX_PROVIDERS__ENABLED": "acme,apex"}
        del environment["OCTAVIA_TX_PROVIDER__ACME__DIRECTORY"]
        done = subprocess.run(
            processes.controller_command(self.system.directory),
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 1)
        for told in ("provider.acme: directory: missing", "provider 'apex' isn't installed. Accepted: acme, amphora"):
            self.assertIn(told, done.stdout)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
