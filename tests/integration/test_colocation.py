"""A few load balancers on one amphora; C{tests.slow.test_colocation} has fifty."""

from __future__ import annotations

from tests.integration.agent_process import run
from tests.integration.colocation import ColocationCase


class Several(ColocationCase):
    @run
    async def test_each_serves_is_changed_reported_and_found_again(self) -> None:
        await self.begin()
        await self.course()

    @run
    async def test_one_that_goes_leaves_the_others(self) -> None:
        await self.begin()
        for tree in self.trees[:3]:
            await self.apply(tree)
        gone, *self.trees = self.trees[:3]
        await self.driver.withdraw(self.amphora, gone.load_balancer.id, 1)
        await self.each_serves()
        self.assertEqual(set(self.masters()), {tree.load_balancer.id for tree in self.trees})

    @run
    async def test_an_agent_that_asks_gets_all_of_them(self) -> None:
        self.trees = [self.tree(number) for number in range(self.count)]
        self.controller()
        await self.start()
        await self.until(lambda: len(self.masters()) == self.count)
        await self.until(lambda: len(self.all_workers()) == self.count)
        await self.until(lambda: len(self.reported()) == self.count)
        await self.each_serves()
