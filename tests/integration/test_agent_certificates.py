"""Certificates at the agent: as OpenStack's controllers put them, in memory alone, and taken up without a reload."""

from __future__ import annotations

import json
import stat
from hashlib import md5

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.server import Site
from twisted.web.static import Data

from amphora.master import Master
from octavia_tx.model.certificates import Bundle
from octavia_tx.wire.tls import MutualTLS, Peer, Role
from tests.amphora_driver.secrets import AUTHORITY, bundle
from tests.integration.agent_process import LB, AgentCase, free_address, real, run
from tests.integration.tls_peers import Client, TlsMember
from tests.model.certificates import issue

NAME = f"{'ab' * 20}.pem"
OTHER = f"{'cd' * 20}.pem"
AUTHORITIES = f"{'ef' * 20}.pem"
REVOCATIONS = f"{'12' * 20}.pem"
LIST = "33333333-3333-4333-8333-333333333333.pem"


def made(name: str) -> Bundle:
    return bundle(issue(name, AUTHORITY, names=(name,)))


class _Whatever(Data):
    """The same at each path."""

    isLeaf = True


class CertificateCase(AgentCase):
    """With a listener that terminates TLS."""

    def path(self, name: str = NAME) -> str:
        return f"/1.0/loadbalancer/{LB}/certificates/{name}"

    async def put(self, content: bytes | str, name: str = NAME, fence: int | None = None) -> None:
        body = content.encode() if isinstance(content, str) else content
        answer = await self.call("PUT", self.path(name), body, fence)
        self.assertEqual(answer.status, 200, answer.body)

    def secured(self, more: str = "", *, listed: bool = True, where: str = "certificates") -> bytes:
        what = f"crt-list {where}/{LIST}" if listed else f"crt {where}/{NAME}"
        bind = f"bind {self.vip}:{self.vip_port}"
        return self.configuration().replace(bind.encode(), f"{bind} ssl {what} {more}".encode())

    async def shown(self, name: str = "any.example.com", own: object = None) -> str | None:
        """The host of the certificate that a client is shown; C{None}: it is refused."""
        client = Client(self, own)  # type: ignore[arg-type]
        heard = await client.ask(self.vip, self.vip_port, name)
        return None if heard is None else heard.host

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.memory / LB).glob("*"))


class Calls(CertificateCase):
    @run
    async def test_a_file_is_put_told_and_removed(self) -> None:
        await self.start()
        content = made("one").pem.encode()
        digest = md5(content).hexdigest()
        answer = await self.call("PUT", self.path(), content)
        self.assertEqual((answer.status, answer.json), (200, {"message": "OK"}))
        self.assertEqual(answer.headers.getRawHeaders("ETag"), [digest])
        told = await self.call("GET", self.path())
        self.assertEqual((told.status, told.json), (200, {"md5sum": digest}))
        self.assertEqual(told.headers.getRawHeaders("ETag"), [digest])
        listed = await self.call("GET", f"/1.0/loadbalancer/{LB}/certificates")
        self.assertEqual(listed.json, {"certificates": {NAME: digest}})
        for _ in range(2):
            removed = await self.call("DELETE", self.path())
            self.assertEqual((removed.status, removed.json), (200, {"message": "OK"}))
        absent = await self.call("GET", self.path())
        details = f"No certificate with filename: {NAME}"
        self.assertEqual((absent.status, absent.json), (404, {"message": "Certificate Not Found", "details": details}))

    @run
    async def test_names_that_lead_elsewhere_and_empty_bodies_are_refused(self) -> None:
        await self.start()
        for name in ("certificate.key", ".pem", "..pem", "a%2F..%2Fb.pem", "%2e%2e%2fa.pem", "a%00.pem", "%C3%A4.pem"):
            for method in ("PUT", "GET", "DELETE"):
                answer = await self.call(method, self.path(name), b"content")
                self.assertIn(answer.status, (400, 404), name)
        self.assertEqual((await self.call("PUT", self.path())).status, 400)
        self.assertEqual(self.files(), [])

    @run
    async def test_a_lower_fence_changes_nothing(self) -> None:
        await self.start()
        await self.put("one", fence=7)
        for method in ("PUT", "DELETE"):
            self.assertEqual((await self.call(method, self.path(), b"two", 6)).status, 409)
        self.assertEqual((await self.call("GET", self.path())).json, {"md5sum": md5(b"one").hexdigest()})

    @run
    async def test_they_lie_in_memory_for_their_owner_alone_and_go_with_the_load_balancer(self) -> None:
        await self.start()
        key = made("one").key
        await self.put(key)
        for path, mode in ((self.memory, 0o700), (self.memory / LB, 0o700), (self.memory / LB / NAME, 0o600)):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode, path)
        kept = [path for path in self.directory.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
        self.assertEqual(kept, [])
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}")).status, 200)
        self.assertFalse((self.memory / LB).exists())

    @run
    async def test_a_directory_on_a_disk_is_told_loudly(self) -> None:
        self.memory = self.directory / "disk"
        await self.start()
        self.assertIn("LIE ON A DISK", self.log())


class Serving(CertificateCase):
    async def secure(self, name: str = "one.example.com") -> None:
        """Start, and serve by a certificate of that name."""
        await self.start()
        await self.put(made(name).pem)
        await self.put(f"certificates/{NAME}\n", LIST)
        await self.serve(self.secured())

    @run
    async def test_what_is_named_is_served_and_what_is_not_is_removed(self) -> None:
        await self.secure()
        self.assertEqual(await self.shown(), "one.example.com")
        await self.put(made("two.example.com").pem, OTHER)
        await self.put(f"certificates/{OTHER}\n", LIST)
        await self.serve(self.secured())
        self.assertEqual(await self.shown(), "two.example.com")
        self.assertEqual(self.files(), sorted([OTHER, LIST]))

    @run
    async def test_what_is_put_for_a_configuration_to_come_stays(self) -> None:
        await self.secure()
        await self.put(made("two.example.com").pem, OTHER)
        await self.act("reload")
        self.assertIn(OTHER, self.files())

    @run
    async def test_a_configuration_without_its_files_is_refused(self) -> None:
        await self.start()
        answer = await self.upload(self.secured())
        self.assertEqual(answer.status, 400)
        self.assertIn(LIST, answer.json["details"])

    @run
    async def test_openstacks_paths_work_where_the_directory_is_theirs(self) -> None:
        await self.start()
        where = self.memory / LB
        await self.put(made("one.example.com").pem)
        await self.put(f"{where}/{NAME}\n", LIST)
        await self.serve(self.secured(where=str(where)))
        before = self.workers()
        await self.put(made("two.example.com").pem)
        await self.serve(self.secured(where=str(where)))
        self.assertEqual((await self.shown(), self.workers()), ("two.example.com", before))

    @run
    async def test_new_content_is_taken_up_without_a_reload(self) -> None:
        await self.secure()
        before = self.workers()
        for name in ("two.example.com", "three.example.com"):
            await self.put(made(name).pem)
            self.assertEqual((await self.act("reload")).status, 202)
            self.assertEqual((await self.shown(), self.workers()), (name, before))

    @run
    async def test_so_are_authorities_and_revocations(self) -> None:
        await self.start()
        first, second = issue("first", authority=True), issue("second", authority=True)
        clients = issue("a", first), issue("b", second)
        await self.put(made("one.example.com").pem)
        await self.put(first.pem, AUTHORITIES)
        await self.put(first.revoke(), REVOCATIONS)
        asked = f"ca-file certificates/{AUTHORITIES} crl-file certificates/{REVOCATIONS} verify required"
        await self.serve(self.secured(asked, listed=False))
        before = self.workers()
        self.assertEqual([await self.shown(own=own) for own in clients], ["one.example.com", None])
        await self.put(second.pem, AUTHORITIES)
        await self.put(second.revoke(), REVOCATIONS)
        await self.act("reload")
        self.assertEqual([await self.shown(own=own) for own in clients], [None, "one.example.com"])
        await self.put(second.revoke(clients[1].certificate.serial_number), REVOCATIONS)
        await self.act("reload")
        self.assertEqual([await self.shown(own=own) for own in clients], [None, None])
        self.assertEqual(self.workers(), before)

    @run
    async def test_what_is_too_long_for_a_command_is_taken_up_by_a_reload(self) -> None:
        await self.secure()
        before = self.workers()
        long = made("two.example.com")
        chain = "".join(issue(f"issuer {number}", AUTHORITY).pem.decode() for number in range(40))
        await self.put(long.certificate + chain + long.key)
        await self.act("reload")
        self.assertEqual(await self.shown(), "two.example.com")
        self.assertNotEqual(self.workers(), before)

    @run
    async def test_the_next_agent_knows_what_haproxy_has(self) -> None:
        await self.secure()
        self.kill(self.agents[-1])
        await self.restart()
        before = self.workers()
        await self.put(made("two.example.com").pem)
        await self.act("reload")
        self.assertEqual((await self.shown(), self.workers()), ("two.example.com", before))

    @run
    async def test_where_haproxy_refuses_what_is_new_the_one_before_stays(self) -> None:
        await self.secure()
        good = (await self.call("GET", self.path())).json
        fish = "-----BEGIN CERTIFICATE-----\nfish\n-----END CERTIFICATE-----\n"
        for ask, status in ((lambda: self.act("reload"), 500), (lambda: self.upload(self.secured()), 400)):
            await self.put(fish)
            await self.put(fish * 2)
            answer = await ask()
            self.assertEqual(answer.status, status, answer.body)
            self.assertEqual((await self.call("GET", self.path())).json, good)
            self.assertEqual(await self.shown(), "one.example.com")
        await self.put(made("two.example.com").pem)
        await self.act("reload")
        self.assertEqual(await self.shown(), "two.example.com")
        self.assertEqual(self.files(), sorted([NAME, LIST]))

    @run
    async def test_no_key_is_ever_logged(self) -> None:
        await self.secure()
        secrets = [made("two.example.com"), made("three.example.com")]
        for each in secrets:
            await self.put(each.pem)
            await self.act("reload")
        await self.put(f"{secrets[0].certificate}{secrets[1].key}")
        refused = await self.act("reload")
        said = self.log() + (self.agent_directory / "load_balancers" / LB / "haproxy.log").read_text()
        for line in "".join(each.key for each in secrets).splitlines():
            if "PRIVATE KEY" not in line:
                self.assertNotIn(line, said + refused.body.decode())

    @run
    async def test_files_of_load_balancers_that_are_gone_are_removed_at_the_start(self) -> None:
        left = self.memory / "77777777-7777-4777-8777-777777777777"
        left.mkdir(parents=True, mode=0o700)
        self.memory.chmod(0o700)
        (left / NAME).write_text("key")
        strange = self.memory / "somebody's"
        strange.mkdir()
        await self.secure()
        self.assertEqual((left.exists(), strange.exists()), (False, True))
        self.assertEqual(await self.shown(), "one.example.com")


class UnderLoad(CertificateCase):
    @run
    async def test_nobody_is_refused_while_certificates_and_their_list_change(self) -> None:
        await self.start()
        failed: list[object] = []
        asked, going = 0, True

        async def ask() -> None:
            nonlocal asked
            client = Client(self)
            while going:
                heard = await client.ask(self.vip, self.vip_port)
                asked += 1
                if heard is None or heard.status != 200:
                    failed.append(heard)

        asking: list[Deferred[None]] = []
        for number in range(12):
            await self.put(made(f"{number}.example.com").pem)
            options = " [ssl-min-ver TLSv1.2]" if number // 4 % 2 else ""  # which needs a reload
            await self.put(f"certificates/{NAME}{options}\n", LIST)
            await self.serve(self.secured())
            asking = asking or [Deferred.fromCoroutine(ask()) for _ in range(3)]
            self.assertEqual(await self.shown(), f"{number}.example.com")
        going = False
        await gatherResults(asking)
        self.assertEqual(failed, [])
        self.assertGreater(asked, 12)


# Which version there is of a host's certificate, by the host's number; and in which order they'd be listed.
Step = tuple[dict[int, int], list[int]]
HOSTS = ("a.example.com", "b.example.com", "c.example.com")


class Sequences(CertificateCase):
    timeout = 180

    @run
    async def test_after_any_changes_what_is_shown_and_what_haproxy_has_is_what_was_put(self) -> None:
        await self.start()
        versions = [[bundle(issue(f"{n} {h}", AUTHORITY, names=(h,))) for n in range(3)] for h in HOSTS]
        step = st.dictionaries(st.integers(0, 2), st.integers(0, 2), min_size=1)
        steps = st.lists(st.tuples(step, st.permutations(range(3))), min_size=2, max_size=6)

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(steps)
        def course(steps: list[Step]) -> None:
            blockingCallFromThread(real, lambda: Deferred.fromCoroutine(self._course(steps, versions)))

        await deferToThread(course)

    async def _course(self, steps: list[Step], versions: list[list[Bundle]]) -> None:
        listed: list[int] = []
        workers: set[int] = set()
        master = Master(real, self.agent_directory / "load_balancers" / LB)
        for step, places in steps:
            for host, version in step.items():
                await self.put(versions[host][version].pem, f"{host}.pem")
            before, listed = listed, [host for host in places if host in step]
            text = "".join(f"certificates/{host}.pem\n" for host in listed)
            await self.put(text, LIST)
            await self.serve(self.secured())
            has = await master.ask(f"@1 show ssl crt-list certificates/{LIST}")
            self.assertEqual(has.partition("\n")[2].strip(), text.strip())
            has = await master.ask("@1 show ssl cert")
            self.assertEqual(set(has.split()) - {"#", "filename"}, set(text.split()))
            shown = {host: await self.shown(HOSTS[host]) for host in step}
            self.assertEqual(shown, {host: f"{version} {HOSTS[host]}" for host, version in step.items()})
            self.assertEqual(self.files(), sorted([LIST, *(f"{host}.pem" for host in step)]))
            kept = [host for host in before if host in listed]
            if listed[:1] == before[:1] and kept + [host for host in listed if host not in before] == listed:
                self.assertLessEqual(set(self.workers()), workers)  # one of before may end just now
            workers = set(self.workers())


class Members(CertificateCase):
    """Spoken to by TLS."""

    @run
    async def test_one_that_comes_or_goes_needs_no_reload(self) -> None:
        await self.start()
        authority, revocations = AUTHORITY.pem, AUTHORITY.revoke()
        for name, content in ((NAME, made("client").pem), (AUTHORITIES, authority), (REVOCATIONS, revocations)):
            await self.put(content, name)
        own = issue("member.example.com", AUTHORITY, names=("any.example.com",))
        members = [TlsMember(self, own, AUTHORITY) for _ in range(2)]
        words = (
            f"id {{}} weight 1 ssl crt certificates/{NAME} sni ssl_fc_sni ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3 "
            f"alpn http/1.1 verify required ca-file certificates/{AUTHORITIES} crl-file certificates/{REVOCATIONS}"
        )
        lines = [f"server {m.port} 127.0.0.1:{m.port} {words.format(m.port)}" for m in members]
        before: list[int] = []
        for wanted in ((lines[0],), lines, (lines[1],)):
            frontend, _, _ = self.configuration().partition(b"    server ")
            await self.serve(frontend + "".join(f"    {line}\n" for line in wanted).encode())
            answers = [json.loads((await self.visit()).body) for _ in wanted]
            self.assertEqual({answer["client"] for answer in answers}, {"client"})
            before = before or self.workers()
        self.assertEqual(self.workers(), before)

    @run
    async def test_whom_they_are_judged_by_may_change_whether_they_are_shown_a_certificate_or_not(self) -> None:
        await self.start()
        stranger = issue("stranger", authority=True)
        own = issue("member.example.com", AUTHORITY, names=("any.example.com",))
        member = TlsMember(self, own, AUTHORITY)
        for shown in ("", f"crt certificates/{NAME}"):
            for authority, answer in ((AUTHORITY, 200), (stranger, 503)):
                await self.put(made("client").pem)
                await self.put(authority.pem, AUTHORITIES)
                frontend, _, _ = self.configuration().partition(b"    server ")
                words = f"ssl verify required ca-file certificates/{AUTHORITIES} ssl-max-ver TLSv1.2 {shown}"
                server = f"    server {member.port} 127.0.0.1:{member.port} id 1 weight 1 {words}\n"
                await self.serve(frontend + server.encode())
                self.assertEqual((await self.visit()).status, answer, (shown, answer))


class Pulled(CertificateCase):
    @run
    async def test_after_a_reboot_they_are_asked_for(self) -> None:
        shown = made("one.example.com")
        text = self.secured().decode()
        files = {NAME: shown.pem, LIST: f"certificates/{NAME}\n"}
        body = {"load_balancers": [{"id": LB, "fence": 3, "haproxy": text, "certificates": files}]}
        site = Site(_Whatever(json.dumps(body).encode(), "application/json"))  # type: ignore[no-untyped-call]
        tls = MutualTLS(self.authority.issue(Role.CONTROLLER, "controller"), Peer(role=Role.AMPHORA))
        host, port = free_address()
        listening = real.listenTCP(port, TLSMemoryBIOFactory(tls, False, site), interface=host)
        self.addCleanup(listening.stopListening)
        self.controllers = [f"https://{host}:{port}"]
        await self.start()
        await self.until(self.serves_by_tls)
        # The machine goes down: its memory is lost, and its disk isn't.
        self.kill(self.agents[-1])
        await self._end_all()
        for path in (self.memory / LB).iterdir():
            path.unlink()
        await self.restart()
        await self.until(self.serves_by_tls)
        self.assertEqual(await self.shown(), "one.example.com")

    async def serves_by_tls(self) -> bool:
        try:
            return await self.shown() is not None
        except OSError:
            return False
