"""Access logs of a whole system: from a flavor to a receiver, and past every controller."""

from __future__ import annotations

import json
from typing import Any

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo.tenant import Visitor
from tests.integration.log_receivers import Streams, real
from tests.integration.system import SystemCase


class Logged(SystemCase):
    """A load balancer whose flavor has it logged, to a receiver of syslog."""

    def setUp(self) -> None:
        self.receiver = Streams()
        port = self.receiver.listen(self)
        target = "OCTAVIA_TX_LOG_TARGETS__CENTRAL__"
        self.settings = {
            f"{target}KIND": "syslog", f"{target}HOST": "127.0.0.1", f"{target}PORT": str(port),
            "OCTAVIA_TX_LOGS__FAREWELL": "20",
        }  # fmt: skip
        self.port = port
        super().setUp()

    async def flavor(self, **data: Any) -> str:
        profile = await self.tenant.create(
            "/flavorprofiles", "flavorprofile", name="p", provider_name="amphora", flavor_data=json.dumps(data)
        )
        made = await self.tenant.create("/flavors", "flavor", name="f", flavor_profile_id=profile["id"])
        return str(made["id"])

    async def test_accesses_are_logged_as_the_flavor_says_and_nothing_is_lost_when_the_load_balancer_goes(self) -> None:
        system, tenant = self.system, self.tenant
        system.start_controller()
        await system.wait_for_api()
        flavor = await self.flavor(logs=True, log_format='{"lb":"{{ lb_id }}","status":%ST}', log_targets=["central"])
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": 8080}
        made = await tenant.create(
            "/loadbalancers",
            "loadbalancer",
            name="lb",
            vip_subnet_id=IPV4_SUBNET_ID,
            flavor_id=flavor,
            listeners=[listener],
        )
        shown = await self.until_active(made["id"])
        user = Visitor(real, shown["vip_address"], 8080)
        await user.visit()
        await self.until(1)
        self.assertEqual(json.loads(self.receiver.messages[-1].text), {"lb": made["id"], "status": 503})

        # Nothing of it goes by way of the controller.
        system.kill_controller()
        await user.visit()
        await self.until(2)
        system.start_controller()
        await system.wait_for_api()

        # A receiver that is away when the load balancer goes is waited for.
        await self.receiver.close()
        await user.visit()
        await tenant.call("DELETE", f"/loadbalancers/{made['id']}?cascade=true")
        await self.pause(1)
        self.receiver.listen(self, self.port)
        await self.until_gone(made["id"])
        self.assertEqual(len(self.receiver.messages), 3)

    async def until(self, count: int) -> None:
        for _ in range(500):
            if len(self.receiver.messages) >= count:
                return
            await self.pause(0.05)
        self.fail(f"{len(self.receiver.messages)} messages")

    async def test_a_target_that_the_operator_does_not_name_is_refused(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        for data, said in (
            ({"log_format": "%q"}, "flavorprofile.flavor_data.log_format"),
            ({"logs": "yes"}, "true or false"),
        ):
            status, body = await self.tenant.call(
                "POST",
                "/flavorprofiles",
                {"flavorprofile": {"name": "x", "provider_name": "amphora", "flavor_data": json.dumps(data)}},
            )
            self.assertEqual(status, 400)
            self.assertIn(said, body["faultstring"])
        flavor = await self.flavor(log_targets=["nowhere"])
        status, body = await self.tenant.call(
            "POST",
            "/loadbalancers",
            {"loadbalancer": {"name": "lb", "vip_subnet_id": IPV4_SUBNET_ID, "flavor_id": flavor}},
        )
        self.assertEqual(status, 501, body)
        self.assertIn("nowhere: the operator names no such target", body["faultstring"])
