"""A real agent that ships what a real haproxy logs to a real Swift."""

from __future__ import annotations

import re
from time import time

from octavia_tx.amphora_driver.logs import Signing
from octavia_tx.wire.logs import Store
from tests.integration.agent_process import AMPHORA, LB, run
from tests.integration.keystone import TENANT
from tests.integration.swift import KEY, shared_swift
from tests.integration.test_agent_logs import Case, terms


class SwiftCase(Case):
    """Has a Swift, and terms by which it lets one in."""

    timeout = 90

    def setUp(self) -> None:
        super().setUp()
        self.swift = shared_swift()
        self.prefix = f"octavia/{self.id()}/{LB}/"

    def signed(self, key: str = KEY, validity: float = 600.0) -> Store:
        store = Store(name="swift", url=f"{self.swift.url}/octavia/")
        signing = Signing(store=store, container=f"{self.swift.account}/lb-logs", key=key, validity=validity)
        return signing.for_prefix(f"{self.id()}/{LB}/", time())

    def by_credential(self, method: str = "PUT") -> Store:
        rule = {"service": "object-store", "method": method, "path": f"{self.swift.account}/lb-logs/**"}
        # Access rules hold for what is in the catalog alone.
        self.addCleanup(self.swift.keystone.enter("object-store", self.swift.url.rpartition("/")[0]))
        identifier, secret = self.swift.keystone.application_credential("member", TENANT, self.id(), (rule,))
        return Store(
            name="swift",
            url=f"{self.swift.url}/{self.prefix}",
            keystone=self.swift.keystone.url,
            credential_id=identifier,
            credential_secret=secret,
        )

    def lines(self) -> list[str]:
        found = self.swift.objects(self.prefix)
        return [line for name in sorted(found) for line in found[name].splitlines()]

    async def problem(self, *words: str) -> None:
        """Wait until the target says that it has this problem."""

        async def has() -> bool:
            said = (await self.status())["targets"]["swift"]["problem"]
            return said is not None and all(word in said for word in words)

        await self.until(has)


class ToSwift(SwiftCase):
    @run
    async def test_files_are_stored_by_a_temporary_url_under_names_of_their_own(self) -> None:
        await self.log_to(self.signed(), rotate_after=0.5)
        await self.visits("/a", "/b")
        await self.until(lambda: "GET /b 200" in self.lines())
        await self.visits("/c")
        await self.until(lambda: "GET /c 200" in self.lines())
        self.assertEqual(self.lines()[-3:], ["GET /a 200", "GET /b 200", "GET /c 200"])
        for name in self.swift.objects(self.prefix):
            self.assertTrue(re.fullmatch(rf"{AMPHORA}/\d{{8}}T\d{{6}}\.\d{{3}}Z-\d{{8}}\.log\.gz", name), name)
        spool = self.agent_directory / "logs" / LB / "spool"
        await self.until(lambda: not list(spool.glob("*.log*")))

    @run
    async def test_an_application_credential_that_may_only_put_suffices(self) -> None:
        await self.log_to(self.by_credential(), rotate_after=0.5)
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in self.lines())

    @run
    async def test_who_is_not_let_in_keeps_its_lines_and_says_so_once_loudly(self) -> None:
        await self.log_to(self.signed(key="another"), rotate_after=0.3)
        await self.visits("/a")
        await self.problem("401", "signed with another key")
        self.assertEqual(self.log().count("answered 401"), 1)
        self.assertIn("#error", self.log())
        await self.put_terms(terms(self.signed(), rotate_after=0.3))
        await self.until(lambda: "GET /a 200" in self.lines())

    @run
    async def test_what_a_store_did_not_take_is_dropped_from_the_oldest_on_and_told(self) -> None:
        await self.log_to(self.signed(key="another"), rotate_after=0.1, spool=1 << 16, rotate_bytes=1 << 14)
        await self.problem("401")
        count = 0

        async def drops() -> bool:
            nonlocal count
            await self.visits(*(f"/{'x' * 900}{count + number:06d}" for number in range(50)))
            count += 50
            return bool((await self.status())["targets"]["swift"]["dropped"] > 20)

        # What is random-like doesn't compress away.
        await self.until(drops, 40)
        await self.put_terms(terms(self.signed(), rotate_after=0.1, spool=1 << 16, rotate_bytes=1 << 14))
        last = f"GET /{'x' * 900}{count - 1:06d} 200"
        await self.until(lambda: last in self.lines(), 30)
        lines = self.lines()
        told = sum(int(match[1]) for line in lines if (match := re.match(r"# (\d+) lines were dropped here", line)))
        visits = [line for line in lines if "/x" in line]
        self.assertEqual(len(visits) + told, count + len([line for line in ["GET / 200"]]))
        self.assertEqual(visits, sorted(visits))
