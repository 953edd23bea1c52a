"""How soon an agent tells what haproxy saw, after whatever happened to it, and though datagrams are lost."""

from __future__ import annotations

import time

from twisted.internet.task import deferLater

from tests.integration.agent_process import MEMBER, real, run
from tests.integration.test_agent_alerts import AlertCase


class Promptness(AlertCase):
    @run
    async def test_a_change_while_no_agent_is_there_is_told_by_the_next_one(self) -> None:
        await self.begin()
        self.kill(self.agents[-1])
        self.tell(f"disable server {self.backend}/{MEMBER}")
        began = time.time()
        await self.restart()
        await self.until_told("MAINT", began)

    @run
    async def test_it_holds_after_a_reload_and_a_new_start_of_haproxy(self) -> None:
        await self.begin()
        for change in (lambda: self.serve(self.configuration(more="maxconn 77")), self.stop_and_start):
            await change()
            await deferLater(real, 1.5)
            self.assertLess(max(await self.down_and_up()), 0.35)

    async def stop_and_start(self) -> None:
        await self.act("stop")
        await self.act("start")

    @run
    async def test_an_agent_in_a_long_directory_hears_it_too(self) -> None:
        await self.start(self.directory / ("d" * 100))
        await self.serve()
        await self.until_told("UP", 0.0)
        await deferLater(real, 0.6)
        self.assertLess(max(await self.down_and_up()), 0.35)


class Losses(AlertCase):
    """Datagrams get lost."""

    @run
    async def test_it_comes_though_one_receiver_loses_all_that_is_sent_to_it(self) -> None:
        for receiver in self.alert_receivers[:2]:
            receiver.loses = lambda _number: True
        await self.begin()
        self.assertLess(max(await self.down_and_up()), 0.35)
        self.assertTrue(self.alert_receivers[2].heard)

    @run
    async def test_it_comes_though_two_of_three_datagrams_are_lost_both_ways(self) -> None:
        for receiver in self.alert_receivers:
            receiver.loses = lambda number: number % 3 != 0
            receiver.mute = lambda number: number % 2 != 0
        await self.begin()
        for _ in range(3):
            await self.down_and_up()

    @run
    async def test_it_is_repeated_until_it_is_acknowledged_and_no_longer(self) -> None:
        for receiver in self.alert_receivers:
            receiver.mute = lambda _number: True
        await self.begin()
        since = self.tell(f"disable server {self.backend}/{MEMBER}")
        await self.until(lambda: all(r.when(MEMBER, "MAINT", since) is not None for r in self.alert_receivers))
        for receiver in self.alert_receivers:
            receiver.mute = lambda _number: False
        before = [len(r.heard) for r in self.alert_receivers]
        await self.until(lambda: [len(r.heard) for r in self.alert_receivers] != before)
        await deferLater(real, 0.5)
        settled = [r.alerts for r in self.alert_receivers]
        await deferLater(real, 6)
        self.assertEqual([r.alerts for r in self.alert_receivers], settled)
