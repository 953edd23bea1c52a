"""Failover while controllers die: at each step, and under requests."""

from __future__ import annotations

from tests.integration.test_failover import FailoverCase


class ControllerKilled(FailoverCase):
    settings = {"OCTAVIA_TX_CONTROLLER__LEASE": "1"}

    async def test_a_failover_survives_a_kill_at_each_step(self) -> None:
        await self.begin()
        steps = (
            "request amphora", "ensure machine", "await agent", "plug VIP", "apply",
            "drain amphora", "await drained", "retire amphora", "destroy machine",
        )  # fmt: skip
        self.system.kill_controller()
        await self.fail_over()

        async def deed() -> None:
            for at, step in enumerate(steps):
                for moment in ("begins", "done"):
                    controller = self.system.start_dying_controller(step, moment, steps[at + 1 :])
                    await self.until_killed(controller, f"{step} {moment}")
            self.system.start_controller()
            await self.system.wait_for_api()
            await self.until_replaced()

        asking = await self.under_requests(deed, clients=1)
        self.assertEqual(asking[0].failed, [])
