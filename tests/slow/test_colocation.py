"""Fifty load balancers on one amphora."""

from __future__ import annotations

from tests.integration.agent_process import run
from tests.integration.colocation import ColocationCase


class Fifty(ColocationCase):
    count = 50
    timeout = 240

    @run
    async def test_each_serves_is_changed_reported_and_found_again(self) -> None:
        await self.begin()
        alone = self.resident()
        await self.course()
        self.assertLess(self.resident() - alone, 6)  # MiB
