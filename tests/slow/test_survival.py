"""What must not be lost when a controller dies: a real one, killed at each point of a life."""

from __future__ import annotations

from tests.integration.ports import free_port
from tests.integration.system import SystemCase

# The API has given it its addresses before a controller looks.
CREATION = ("request amphora", "ensure machine", "await agent", "plug VIP", "apply")
DELETION = ("retire amphora", "destroy machine", "release VIP", "forget load balancer")
MOMENTS = ("begins", "amid", "done")
# Steps over so quickly that nothing lies between their two lines.
BRIEF = {"request amphora", "plug VIP", "retire amphora", "release VIP", "forget load balancer"}


def moments(steps: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(step, moment) for step in steps for moment in MOMENTS if moment != "amid" or step not in BRIEF]


class ControllerKilled(SystemCase):
    settings = {"OCTAVIA_TX_CONTROLLER__LEASE": "1"}

    async def _die_at_each(self, steps: tuple[str, ...]) -> None:
        """One life of the controller for each moment of each step, every one of them ended there."""
        for step, moment in moments(steps):
            later = steps[steps.index(step) + 1 :]
            await self.until_killed(self.system.start_dying_controller(step, moment, later), f"{step} {moment}")

    async def test_a_creation_survives_a_kill_at_each_step(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        self.system.kill_controller()
        first = self.system.start_dying_controller("request amphora", "begins")
        await self.system.wait_for_api()
        created = await self.create_load_balancer(only=free_port())
        await self.until_killed(first, "the first step")
        await self._die_at_each(CREATION)
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.until_active(created["id"])
        self.assertEqual(len(self.system.running("octavia-amphora-agent")), 1)
        self.assertEqual(len(list((self.system.directory / "state" / "amphorae").glob("*-*-*-*-*"))), 1)

        # A deletion, by the same test, since both need a system that came up once.
        self.system.kill_controller()
        first = self.system.start_dying_controller("retire amphora", "begins")
        await self.system.wait_for_api()
        code, _ = await self.tenant.call("DELETE", f"/loadbalancers/{created['id']}?cascade=true")
        self.assertEqual(code, 204)
        await self.until_killed(first, "the first step")
        await self._die_at_each(DELETION)
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.until_gone(created["id"])
        self.assertEqual(self.system.running("octavia-amphora-agent"), [])
        self.assertEqual(self.system.running("haproxy"), [])
        self.assertEqual(list((self.system.directory / "state" / "amphorae").glob("*-*-*-*-*")), [])
