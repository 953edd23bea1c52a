"""A tenant's life with C{openstack loadbalancer}: the client as it is, the system as it is, and traffic."""

from __future__ import annotations

from octavia_tx.demo import processes
from tests.journey.client import ClientCase


class TenantTests(ClientCase):
    """What the tenant types, and what users of the VIP then see; more of it is in L{tests.slow}."""

    async def test_each_object_is_made_waited_for_used_and_removed(self) -> None:
        await self.begin("red")
        ask = self.openstack.ask
        made = await ask("loadbalancer create --name shop --vip-subnet-id loopback-ipv4 --wait")
        self.assertEqual(made["provisioning_status"], "ACTIVE")
        listener = await ask(
            "loadbalancer listener create --name web --protocol HTTP --protocol-port 8080 --connection-limit 1000 "
            "--insert-headers X-Forwarded-For=true,X-Forwarded-Port=true --timeout-client-data 10000 --wait shop"
        )
        self.assertEqual((listener["provisioning_status"], listener["connection_limit"]), ("ACTIVE", 1000))
        pool = await ask(
            "loadbalancer pool create --name backs --listener web --protocol HTTP --lb-algorithm LEAST_CONNECTIONS "
            "--session-persistence type=HTTP_COOKIE --wait"
        )
        self.assertEqual((pool["provisioning_status"], pool["session_persistence"]["type"]), ("ACTIVE", "HTTP_COOKIE"))
        member = await ask(
            f"loadbalancer member create --name red --address 127.0.0.1 --protocol-port {self.system.members['red']} "
            "--weight 3 --subnet-id loopback-ipv4 --wait backs"
        )
        self.assertEqual((member["provisioning_status"], member["weight"]), ("ACTIVE", 3))
        monitor = await ask(
            "loadbalancer healthmonitor create --name watch --delay 1 --timeout 1 --max-retries 1 --type HTTP "
            "--url-path / --expected-codes 200 --http-method GET --wait backs"
        )
        self.assertEqual((monitor["provisioning_status"], monitor["url_path"]), ("ACTIVE", "/"))
        self.assertEqual(set(await self.visitors(made["vip_address"], 8080)), {"red"})
        for kind, name in (("loadbalancer", "shop"), ("loadbalancer listener", "web"), ("loadbalancer pool", "backs")):
            self.assertEqual((await ask(f"{kind} show {name}"))["name"], name)
        self.assertEqual((await ask("loadbalancer member show backs red"))["id"], member["id"])
        self.assertEqual((await ask("loadbalancer healthmonitor show watch"))["id"], monitor["id"])
        await self.openstack.do("loadbalancer delete --cascade --wait shop")
        self.assertEqual(await ask("loadbalancer list"), [])
        self.assertFalse(processes.listens(made["vip_address"], 8080))
