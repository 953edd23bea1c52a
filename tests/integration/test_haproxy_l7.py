"""What L7 policies do to requests, seen by clients of haproxy itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from subprocess import run
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from octavia_tx.amphora_driver.grammar import comparison
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model import regex
from octavia_tx.model.resources import L7Rule, Pool, SessionPersistence
from octavia_tx.model.tree import Child
from octavia_tx.testing.strategies import l7_rules
from octavia_tx.testing.texts import expressions, regex_like
from tests.amphora_driver.gallery import AMPHORA, l7_policy, l7_rule, listener, member, monitor, pool, tree
from tests.integration.haproxy_process import (
    HAPROXY,
    Answer,
    HaproxyProcess,
    MemberServer,
    exchange,
    free_port,
    without_states,
)

VIP: Final = "127.0.0.1"
RENDERER: Final = Renderer()
MATCHED: Final = 403
NOT_MATCHED: Final = 200

# By type of rule and comparison: value, a header or a path that it matches, and some that it doesn't.
HOSTS: Final = [
    ("EQUAL_TO", "www.example.com", ["www.example.com", "WWW.Example.COM", "www.example.com:8080"], ["example.com"]),
    ("EQUAL_TO", "WWW.EXAMPLE.COM", ["www.example.com"], ["www", "www.example.com.au"]),
    ("EQUAL_TO", "www.example.com:8080", ["www.example.com:8080"], ["www.example.com", "www.example.com:80"]),
    ("EQUAL_TO", "[2001:db8::1]", ["[2001:db8::1]", "[2001:DB8::1]:8080"], ["[2001:db8::2]"]),
    ("STARTS_WITH", "www.", ["www.a", "WWW.a:80"], ["a.www.b"]),
    ("ENDS_WITH", ".com", ["a.com", "a.COM:8080"], ["a.com.au"]),
    ("CONTAINS", "ample", ["example.com", "EXAMPLE.com:1"], ["exmple.com"]),
    ("REGEX", r"^(a|b)\.com$", ["a.com", "B.com:8080"], ["c.com", "a.com.au"]),
    ("REGEX", r"^a\.com:8\d$", ["a.com:80", "A.com:89"], ["a.com", "a.com:90"]),
]
PATHS: Final = [
    ("EQUAL_TO", "/a", ["/a", "/a?b"], ["/A", "/a/", "/b?/a", "/"]),
    ("STARTS_WITH", "/api", ["/api", "/api/b", "/apis"], ["/a/api", "/API"]),
    ("ENDS_WITH", "/end", ["/end", "/a/end?x"], ["/end/", "/?/end", "/END"]),
    ("CONTAINS", "mid", ["/amidb", "/mid"], ["/?mid", "/MID"]),
    ("REGEX", "^/[a-z]+/[0-9]{2}$", ["/a/12", "/abc/99?q"], ["/a/1", "/A/12", "/a/12/"]),
]
FILE_TYPES: Final = [
    ("EQUAL_TO", "jpg", ["/a.jpg", "/a.b/c.jpg?d.png", "/.jpg"], ["/jpg", "/ajpg", "/a.jpg/b", "/a.JPG", "/a?b.jpg"]),
    ("EQUAL_TO", ".jpg", ["/a.jpg"], ["/a.jpeg"]),
    ("EQUAL_TO", "tar.gz", ["/a.tar.gz"], ["/a.gz", "/atar.gz"]),
    ("REGEX", "^(jpe?g|png)$", ["/a.jpg", "/a.jpeg?x", "/b.c.png"], ["/jpg", "/a.jpgs", "/a.jpg/b", "/a.b/jpg", "/"]),
    ("REGEX", "^$", ["/a."], ["/a", "/a.b"]),
]
HEADERS: Final = [
    ("EQUAL_TO", "one", ["one", "zero, one", " one "], ["One", "ones", "", "zero one"]),
    ("EQUAL_TO", "one, two", ["one, two"], ["one", "one,two", "two, one"]),
    ("STARTS_WITH", "on", ["one", "zero, one"], ["zone", "One"]),
    ("ENDS_WITH", "ne", ["one", "one, two"], ["ones"]),
    ("CONTAINS", "(KHTML, like Gecko)", ["Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome"], ["(KHTML)"]),
    ("REGEX", "^o.e$", ["one", "zero, one"], ["oone", "One"]),
    ("REGEX", "KHTML, +like", ["AppleWebKit (KHTML, like Gecko)"], ["KHTML like"]),
]
COOKIES: Final = [
    ("EQUAL_TO", "one", ["k=one", "a=b; k=one; c=d"], ["k=ones", "a=one", "K=one", "kk=one", "k=", ""]),
    ("STARTS_WITH", "on", ["k=one", "k=on"], ["k=no"]),
    ("ENDS_WITH", "ne", ["k=one"], ["k=on"]),
    ("CONTAINS", "n", ["k=one"], ["k=two", "n=k"]),
    ("REGEX", "^[0-9a-f]+$", ["k=12ef", "a=b; k=0"], ["k=xyz", "k="]),
]
# Text that would mean something somewhere on its way to haproxy's comparison.
HOSTILE: Final = [
    "with space", " a ", "it's", 'say "x"', "a\\b", "a\\", "\\x41", "\\n", "'", '"', "#", "a # b", "%[src]", "100%",
    "%%", "$HOME", "${HOME}", "é", "日本語", "🎉" * 60, "a;b", "(", ")", "a|b", "or", "||", "if", "unless", "!", "{",
    "}", "--", "-i", "-m", "-f", "-f /etc/passwd", "<a>", "`id`", "~", ".*", "^a$", "x" * 255,
]  # fmt: skip


class L7Case(TestCase):
    """haproxy with one listener, and members behind it."""

    async def running(self, *parts: Child) -> None:
        self.port = free_port(VIP)
        self.server = await MemberServer("default").start(self)
        shown = tree(
            listener(protocol_port=self.port),
            pool(),
            member(1, address=VIP, protocol_port=self.server.port),
            *parts,
            vip_address=VIP,
        )
        await HaproxyProcess(self, RENDERER.render(shown, AMPHORA), AMPHORA).serves(VIP, self.port)

    async def ask(self, path: str = "/", host: str | None = "a", *headers: bytes) -> Answer:
        lines = [f"GET {path} HTTP/1.{0 if host is None else 1}".encode(), b"Connection: close", *headers]
        if host is not None:
            lines.append(f"Host: {host}".encode())
        return await exchange(VIP, self.port, b"\r\n".join([*lines, b"", b""]))

    async def status(self, path: str = "/", host: str | None = "a", *headers: bytes) -> int:
        return (await self.ask(path, host, *headers)).status


def rejecting(rules: Iterable[L7Rule]) -> list[Child]:
    """A policy for each rule, which rejects what matches it. Their numbers are those of the rules."""
    return [part for number, rule in enumerate(rules, 1) for part in (l7_policy(number, "REJECT"), rule)]


class RuleTests(L7Case):
    """What each type of rule matches, by each comparison."""

    async def compared(self, type: str, comparison: str, value: str, key: str | None = None) -> None:
        await self.running(l7_policy(1, "REJECT"), l7_rule(type, comparison, value, key=key))

    async def test_host_names(self) -> None:
        for how, value, matching, others in HOSTS:
            await self.compared("HOST_NAME", how, value)
            for host in matching:
                self.assertEqual(await self.status("/", host), MATCHED, (how, value, host))
            for host in (*others, None):
                self.assertEqual(await self.status("/", host), NOT_MATCHED, (how, value, host))

    async def test_paths(self) -> None:
        await self.of_paths("PATH", PATHS)

    async def test_types_of_files(self) -> None:
        await self.of_paths("FILE_TYPE", FILE_TYPES)

    async def of_paths(self, type: str, table: list[tuple[str, str, list[str], list[str]]]) -> None:
        for how, value, matching, others in table:
            await self.compared(type, how, value)
            for path in matching:
                self.assertEqual(await self.status(path), MATCHED, (how, value, path))
            for path in others:
                self.assertEqual(await self.status(path), NOT_MATCHED, (how, value, path))

    async def test_headers(self) -> None:
        for how, value, matching, others in HEADERS:
            await self.compared("HEADER", how, value, "X-Key")
            for sent in matching:
                for name in ("X-Key", "x-key"):
                    line = f"{name}: {sent}".encode()
                    self.assertEqual(await self.status("/", "a", line), MATCHED, (how, value, sent))
                line = f"X-Other: {sent}".encode()
                self.assertEqual(await self.status("/", "a", line), NOT_MATCHED, (how, value, sent))
            for sent in others:
                line = f"X-Key: {sent}".encode()
                self.assertEqual(await self.status("/", "a", line), NOT_MATCHED, (how, value, sent))
            self.assertEqual(await self.status(), NOT_MATCHED)

    async def test_cookies(self) -> None:
        for how, value, matching, others in COOKIES:
            await self.compared("COOKIE", how, value, "k")
            for sent in matching:
                line = f"Cookie: {sent}".encode()
                self.assertEqual(await self.status("/", "a", line), MATCHED, (how, value, sent))
            for sent in others:
                line = f"Cookie: {sent}".encode()
                self.assertEqual(await self.status("/", "a", line), NOT_MATCHED, (how, value, sent))
            self.assertEqual(await self.status(), NOT_MATCHED)

    async def test_names_of_headers_and_cookies_may_be_any_tokens(self) -> None:
        for key in ("it's", "a#b", "$HOME", "100%", "a|b", "`x`", "!", "a.b", "-i"):
            await self.compared("HEADER", "EQUAL_TO", "v", key)
            self.assertEqual(await self.status("/", "a", f"{key}: v".encode()), MATCHED, key)
            self.assertEqual(await self.status("/", "a", b"x: v"), NOT_MATCHED, key)
            key = key.lstrip("$")  # With which cookies' attributes began once; haproxy passes them over.
            await self.compared("COOKIE", "EQUAL_TO", "v", key)
            self.assertEqual(await self.status("/", "a", f"Cookie: {key}=v".encode()), MATCHED, key)
            self.assertEqual(await self.status("/", "a", b"Cookie: x=v"), NOT_MATCHED, key)

    async def test_an_inverted_rule_matches_what_it_otherwise_would_not(self) -> None:
        await self.running(l7_policy(1, "REJECT"), l7_rule("HEADER", "EQUAL_TO", "one", key="X", invert=True))
        self.assertEqual(await self.status("/", "a", b"X: one"), NOT_MATCHED)
        self.assertEqual(await self.status("/", "a", b"X: two"), MATCHED)
        self.assertEqual(await self.status(), MATCHED)

    async def test_all_rules_of_a_policy_must_match(self) -> None:
        await self.running(
            l7_policy(1, "REJECT"),
            l7_rule("PATH", "STARTS_WITH", "/a", 1, 1),
            l7_rule("HOST_NAME", "EQUAL_TO", "h", 1, 2),
            l7_rule("HEADER", "EQUAL_TO", "x", 1, 3, key="X", invert=True),
        )
        self.assertEqual(await self.status("/a", "h"), MATCHED)
        self.assertEqual(await self.status("/b", "h"), NOT_MATCHED)
        self.assertEqual(await self.status("/a", "i"), NOT_MATCHED)
        self.assertEqual(await self.status("/a", "h", b"X: x"), NOT_MATCHED)

    async def test_a_rule_that_is_disabled_is_not_asked(self) -> None:
        await self.running(
            l7_policy(1, "REJECT"),
            l7_rule("PATH", "STARTS_WITH", "/a", 1, 1),
            l7_rule("HOST_NAME", "EQUAL_TO", "h", 1, 2, admin_state_up=False),
            l7_policy(2, "REJECT"),
            l7_rule("PATH", "STARTS_WITH", "/b", 2, 1, admin_state_up=False),
        )
        self.assertEqual(await self.status("/a", "i"), MATCHED)
        self.assertEqual(await self.status("/b"), NOT_MATCHED)

    async def test_fifty_rules_of_the_longest_values_are_one_policy(self) -> None:
        rules = [l7_rule("HEADER", "EQUAL_TO", "é" * 255, 1, n, key=f"X-{n}", invert=n < 50) for n in range(1, 51)]
        await self.running(l7_policy(1, "REDIRECT_TO_URL", redirect_url=f"http://a/{'b' * 200}"), *rules)
        self.assertEqual(await self.status("/", "a", b"X-50: " + ("é" * 255).encode()), 302)
        self.assertEqual(await self.status(), NOT_MATCHED)


class HostileTests(L7Case):
    """Whatever a value holds is compared as it is, and breaks nothing."""

    async def test_text_is_compared_literally(self) -> None:
        keyed = [l7_rule("HEADER", "CONTAINS", text, n, key=f"X-{n}") for n, text in enumerate(HOSTILE, 1)]
        await self.running(*rejecting(keyed))
        for number, text in enumerate(HOSTILE, 1):
            for sent, expected in ((f"<{text}>", MATCHED), (f"<{text[:-1]}", NOT_MATCHED), ("0", NOT_MATCHED)):
                answer = await self.status("/", "a", f"X-{number}: {sent}".encode())
                self.assertEqual(answer, expected, (text, sent))

    async def test_text_that_an_expression_escapes_is_compared_literally(self) -> None:
        escaped = ["".join(f"\\x{byte:02x}" for byte in text.encode()) for text in HOSTILE]
        fitting = [(text, value) for text, value in zip(HOSTILE, escaped, strict=True) if len(value) <= 255]
        rules = [l7_rule("HEADER", "REGEX", f"{v}", n, key=f"X-{n}") for n, (_, v) in enumerate(fitting, 1)]
        await self.running(*rejecting(rules))
        for number, (text, _) in enumerate(fitting, 1):
            line = f"X-{number}: <{text}>".encode()
            self.assertEqual(await self.status("/", "a", line), MATCHED, text)
            self.assertEqual(await self.status("/", "a", line[:-3] + b"\x01"), NOT_MATCHED, text)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(l7_rules(l7policy_id=l7_policy(1, "REJECT").id, load_balancer_id="x"), min_size=1, max_size=30))
    def test_haproxy_accepts_any_rule_without_a_warning(self, rules: list[L7Rule]) -> None:
        self.check(RENDERER.render(tree(listener(), l7_policy(1, "REJECT"), *rules), AMPHORA))

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.one_of(expressions, regex_like), min_size=20, max_size=60))
    def test_haproxy_accepts_any_expression_that_we_do(self, given: list[str]) -> None:
        accepted = [expression for expression in given if regex.fault(expression) is None]
        lines = [f"    acl a path {comparison(l7_rule('PATH', 'REGEX', expression))}" for expression in accepted]
        before, after = RENDERER.render(tree(listener()), AMPHORA).split("    timeout client 50000ms\n    #")
        self.check("\n".join([before, *lines, f"    #{after}"]))

    def check(self, text: str) -> None:
        path = Path(self.mktemp())
        path.write_text(text)
        done = run([HAPROXY, "-c", "-f", str(path)], capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 0, done.stderr + text)
        self.assertNotIn("WARNING", without_states(done.stderr))


class ActionTests(L7Case):
    """What policies do with a request, and which of several does it."""

    def at(self, path: str, number: int, action: str, **fields: Any) -> list[Child]:
        return [l7_policy(number, action, **fields), l7_rule("PATH", "STARTS_WITH", path, number)]

    async def to_pool(self, number: int, name: str, **fields: Any) -> list[Child]:
        """Another pool with a member of its own, which answers that name."""
        server = await MemberServer(name).start(self)
        return [pool(number, **fields), member(number, number, address=VIP, protocol_port=server.port)]

    async def test_reject_answers_403(self) -> None:
        await self.running(*self.at("/a", 1, "REJECT"))
        self.assertEqual(await self.status("/a"), 403)
        self.assertEqual(self.server.hosts, [])

    async def test_redirects_answer_their_code(self) -> None:
        codes = (301, 302, 303, 307, 308)
        url = "https://www.example.com/x?y=%20z&'$HOME'%[src]#\\n\"f"
        to_url = [
            self.at(f"/u{c}", n, "REDIRECT_TO_URL", redirect_url=url, redirect_http_code=c)
            for n, c in enumerate(codes, 1)
        ]
        prefix = "http://example.org/100%"
        to_prefix = [
            self.at(f"/p{c}", n, "REDIRECT_PREFIX", redirect_prefix=prefix, redirect_http_code=c)
            for n, c in enumerate(codes, 11)
        ]
        await self.running(*(part for parts in (*to_url, *to_prefix) for part in parts))
        for code in codes:
            answer = await self.ask(f"/u{code}/a?b=c")
            self.assertEqual((answer.status, answer.headers[b"location"]), (code, url.encode()))
            answer = await self.ask(f"/p{code}/a%20b?c=d&e=%25")
            self.assertEqual(
                (answer.status, answer.headers[b"location"]), (code, f"{prefix}/p{code}/a%20b?c=d&e=%25".encode())
            )
        self.assertEqual(self.server.hosts, [])

    async def test_a_redirect_pool_serves_with_its_own_members(self) -> None:
        second = await self.to_pool(2, "second", session_persistence=SessionPersistence(type="HTTP_COOKIE"))
        third = await self.to_pool(3, "third", lb_algorithm="SOURCE_IP_PORT")
        await self.running(
            *second, monitor("HTTP", 2, delay=1, timeout=1), *third,
            *self.at("/2", 1, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(second)),
            *self.at("/3", 2, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(third)),
        )  # fmt: skip
        answers = [await self.ask(path) for path in ("/", "/2", "/3")]
        self.assertEqual([a.body for a in answers], [b"default", b"second", b"third"])
        self.assertEqual([b"set-cookie" in a.headers for a in answers], [False, True, False])

    def id_of(self, parts: list[Child]) -> str:
        return next(part.id for part in parts if isinstance(part, Pool))

    async def test_a_redirect_to_a_disabled_pool_is_passed_over(self) -> None:
        second = await self.to_pool(2, "second", admin_state_up=False)
        await self.running(*second, *self.at("/", 1, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(second)))
        self.assertEqual((await self.ask()).body, b"default")

    async def test_what_no_policy_takes_goes_to_the_default_pool(self) -> None:
        await self.running(*self.at("/a", 1, "REJECT"), *self.at("/b", 2, "REDIRECT_TO_URL", redirect_url="http://a"))
        self.assertEqual((await self.ask("/c")).body, b"default")

    async def test_a_policy_that_is_disabled_or_has_no_rule_does_nothing(self) -> None:
        await self.running(*self.at("/", 1, "REJECT", admin_state_up=False), l7_policy(2, "REJECT"))
        self.assertEqual((await self.ask()).body, b"default")

    async def test_reject_goes_before_redirects_and_those_before_pools_whatever_their_positions(self) -> None:
        second = await self.to_pool(2, "second")
        await self.running(
            *second,
            *self.at("/", 1, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(second)),
            *self.at("/a", 2, "REDIRECT_PREFIX", redirect_prefix="http://prefix"),
            *self.at("/a", 3, "REDIRECT_TO_URL", redirect_url="http://url"),
            *self.at("/a/b", 4, "REJECT"),
        )
        self.assertEqual((await self.ask("/")).body, b"second")
        self.assertEqual((await self.ask("/a")).headers[b"location"], b"http://prefix/a")
        self.assertEqual((await self.ask("/a/b")).status, 403)

    async def test_among_redirects_and_among_pools_the_position_decides(self) -> None:
        second, third = await self.to_pool(2, "second"), await self.to_pool(3, "third")
        await self.running(
            *second, *third,
            *self.at("/", 6, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(third)),
            *self.at("/p", 5, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(second)),
            *self.at("/r", 4, "REDIRECT_PREFIX", redirect_prefix="http://prefix"),
            *self.at("/r/s", 3, "REDIRECT_TO_URL", redirect_url="http://first"),
            *self.at("/r/s/t", 7, "REDIRECT_TO_URL", redirect_url="http://last"),
        )  # fmt: skip
        self.assertEqual([(await self.ask(path)).body for path in ("/", "/p")], [b"third", b"second"])
        found = [(await self.ask(path)).headers[b"location"] for path in ("/r", "/r/s", "/r/s/t")]
        self.assertEqual(found, [b"http://prefix/r", b"http://first", b"http://first"])

    async def test_rules_see_what_the_client_sent_and_members_what_is_inserted(self) -> None:
        self.port = free_port(VIP)
        server = await MemberServer("default").start(self)
        front = listener(
            protocol_port=self.port, insert_headers={"X-Forwarded-Proto": "true", "X-Forwarded-Port": "true"}
        )
        to = await self.to_pool(2, "second")
        shown = tree(
            front, pool(), member(1, address=VIP, protocol_port=server.port), *to,
            l7_policy(1, "REDIRECT_TO_POOL", redirect_pool_id=self.id_of(to)),
            l7_rule("HEADER", "EQUAL_TO", "http", key="X-Forwarded-Proto"), vip_address=VIP,
        )  # fmt: skip
        await HaproxyProcess(self, RENDERER.render(shown, AMPHORA), AMPHORA).serves(VIP, self.port)
        self.assertEqual((await self.ask()).body, b"default")
        self.assertEqual((await self.ask("/", "a", b"X-Forwarded-Proto: http")).body, b"second")
        self.assertEqual(server.headers[-1].getRawHeaders("X-Forwarded-Proto"), ["http"])
        self.assertEqual(server.headers[-1].getRawHeaders("X-Forwarded-Port"), [str(self.port)])
