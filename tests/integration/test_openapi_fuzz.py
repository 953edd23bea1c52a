"""
Every operation that the API's own document tells of, fuzzed: whatever is sent, the answer is one that is told there.

Schemathesis runs as a process of its own against the API over a real database. It sends what lies at the edges of each
parameter, then makes up requests, then follows one with another. With C{OCTAVIA_TX_FUZZ} in the environment, which is
how many to make up for each operation, it does so for all of them, and that takes minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from octavia_tx.api import neighbours
from octavia_tx.db import amphorae
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState
from tests.integration.api import SUBNET, ApiCase, new_id

LONG = "OCTAVIA_TX_FUZZ" in os.environ
EXAMPLES = int(os.environ.get("OCTAVIA_TX_FUZZ", "4"))
# Whose edges are left out in a short run: reading, but for one list; what has many fields, or is much like another.
_LEFT_OUT = r"^(?!get_healthmonitors$)get_|_(loadbalancers|listeners|pools|members|l7policies|[a-z]+profiles)(_id)?$"
SHORTENED = f"""
[[operations]]
include-operation-id-regex = "{_LEFT_OUT}"
phases.coverage.enabled = false
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "whole_objects",
)
WRITING = ("--include-method=POST", "--include-method=PUT")
HERE = Path(__file__).parent


class _Watch(ProcessProtocol):
    """Keeps what a process says, until it ends."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[int | None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(reason.value.exitCode)  # type: ignore[union-attr]


class _Fuzzed(ApiCase):
    timeout = 1800 if LONG else 180
    further = (*neighbours.networks(any_id=True), *neighbours.key_manager(), *neighbours.identity())

    async def _fuzz(self, *options: str) -> tuple[int | None, str]:
        environment = {
            **os.environ,
            "OCTAVIA_TX_FUZZ_OBJECTS": json.dumps(await self._objects(10)),
            "OCTAVIA_TX_FUZZ_VICTIMS": json.dumps(await self._objects(20)),
            "PYTHONPATH": str(HERE),
        }
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        settings = directory / "settings.toml"
        settings.write_text((HERE / "schemathesis.toml").read_text() + ("" if LONG else SHORTENED))
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings)]
        command += ["run", f"{self.base}/v2/openapi.json", f"--checks={','.join(CHECKS)}"]
        command += [f"--max-examples={EXAMPLES}", "--no-color", *options]
        watch = _Watch()
        process = reactor.spawnProcess(watch, command[0], command, env=environment, path=str(directory))

        def end() -> Deferred[int | None]:
            with contextlib.suppress(ProcessExitedAlready):
                process.signalProcess("KILL")
            return watch.ended

        self.addCleanup(end)
        return await watch.ended, watch.said.decode()

    async def _objects(self, last: int) -> dict[str, list[str]]:
        """A load balancer with everything, by the names that paths and bodies refer to it by."""
        balancer = await self.load_balancer(vip_address=f"192.0.2.{last}")
        pool = await self.pool(balancer["id"])
        bare = await self.pool(balancer["id"])
        listener = await self.listener(balancer["id"], default_pool_id=pool["id"])
        member = await self.make("member", f"pools/{pool['id']}/members", address="192.0.2.99", protocol_port=80)
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        monitor = await self.make("healthmonitor", pool_id=pool["id"], **check)
        policy = await self.make("l7policy", "l7policies", listener_id=listener["id"], action="REJECT")
        path = f"l7policies/{policy['id']}/rules"
        rule = await self.make("rule", path, type="PATH", compare_type="EQUAL_TO", value="/")
        return {
            **dict.fromkeys(("loadbalancers", "loadbalancer_id"), [balancer["id"]]),
            **dict.fromkeys(("listeners", "listener_id"), [listener["id"]]),
            **dict.fromkeys(("pools", "pool_id", "default_pool_id", "redirect_pool_id"), [pool["id"], bare["id"]]),
            "members": [member["id"]],
            "healthmonitors": [monitor["id"]],
            **dict.fromkeys(("l7policies", "l7policy_id"), [policy["id"]]),
            "rules": [rule["id"]],
            **await self._offered(str(last)),
            **await self._kept(),
            "quotas": ["default"],
            "providers": ["amphora"],
            "amphorae": [await self._amphora(balancer["id"] if last == 10 else None)],
            "history": [balancer["id"]],
            **dict.fromkeys(("vip_subnet_id", "subnet_id"), [SUBNET]),
        }

    async def _amphora(self, load_balancer_id: str | None) -> str:
        """One that serves a load balancer, or one that nobody needs."""
        now = datetime.now(UTC)
        amphora = Amphora(id=new_id(), load_balancer_id=load_balancer_id, state=AmphoraState.READY, created_at=now)
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, amphora)
        return amphora.id

    async def _kept(self) -> dict[str, list[str]]:
        """What tenants keep, by the names that paths refer to it by."""
        given = {"payload": "x", "payload_content_type": "text/plain"}
        secret = (await self.ask("POST", "/key-manager/v1/secrets", given)).body["secret_ref"]
        held = {"type": "generic", "secret_refs": [{"name": "x", "secret_ref": secret}]}
        container = (await self.ask("POST", "/key-manager/v1/containers", held)).body["container_ref"]
        return {"secrets": [secret.rpartition("/")[2]], "containers": [container.rpartition("/")[2]]}

    async def _offered(self, name: str) -> dict[str, list[str]]:
        """What operators offer, by the names that paths and bodies refer to it by."""
        given = {"name": name, "provider_name": "amphora"}
        profile = await self.make("flavorprofile", flavor_data="{}", **given)
        flavor = await self.make("flavor", name=name, flavor_profile_id=profile["id"])
        zones = await self.make(
            "availability_zone_profile", "availabilityzoneprofiles", availability_zone_data="{}", **given
        )
        where = {"name": name, "availability_zone_profile_id": zones["id"]}
        await self.make("availability_zone", "availabilityzones", **where)
        return {
            **dict.fromkeys(("flavorprofiles", "flavor_profile_id"), [profile["id"]]),
            **dict.fromkeys(("flavors", "flavor_id"), [flavor["id"]]),
            **dict.fromkeys(("availabilityzoneprofiles", "availability_zone_profile_id"), [zones["id"]]),
            "availabilityzones": [name],
        }

    async def _check(self, *options: str) -> None:
        code, said = await self._fuzz(*options)
        self.assertEqual(code, 0, said)


class AcceptingTests(_Fuzzed):
    """A provider that can do everything."""

    accept_all = True

    async def test_every_answer_is_one_that_the_document_tells(self) -> None:
        await self._check()


class RefusingTests(_Fuzzed):
    """A provider that can do what amphorae can; it is asked about what is written."""

    async def test_every_answer_is_one_that_the_document_tells(self) -> None:
        examples = max(EXAMPLES, 20)
        await self._check("--phases=fuzzing", "--mode=positive", f"--max-examples={examples}", *WRITING)
