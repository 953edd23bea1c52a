"""What haproxy itself reads in what is rendered for it: its words, its sections and servers, and what it compares."""

from __future__ import annotations

import re
from ipaddress import ip_address

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.tls import files
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees
from octavia_tx.testing.texts import tokens, urls
from tests.amphora_driver.gallery import AMPHORA, l7_policy, l7_rule, listener, tree
from tests.amphora_driver.hostile import MARKS
from tests.amphora_driver.meaning import Back, Server, meaning
from tests.amphora_driver.secrets import secrets
from tests.amphora_driver.words import Misread, split
from tests.integration.haproxy_process import free_port
from tests.integration.haproxy_reader import CAN_DUMP, Worker, complaints, dump, exchanged, placed, started
from tests.integration.traffic import RENDERER, VIP

some = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(some, max_examples=5)

_FRAGMENTS = [mark for mark in MARKS if mark.isprintable()] + ["a", "\t", "\\x41", "\\t", '"', "'", "\\", " "]


def here(shown: Tree) -> Tree:
    """The same tree on this machine's own address, and on ports that are free."""
    ports = iter({free_port(VIP) for _ in range(50)})
    load_balancer = evolve(shown.load_balancer, vip_address=VIP, additional_vips=())
    listeners = tuple(evolve(each, protocol_port=next(ports)) for each in shown.listeners)
    return evolve(shown, load_balancer=load_balancer, listeners=listeners)


NAMES = st.lists(tokens.map("X".__add__), min_size=1, max_size=20, unique_by=str.lower)
"""Of headers and cookies, of which HTTP itself has no use for any."""
LINES = st.lists(st.lists(st.sampled_from(_FRAGMENTS), max_size=8).map("".join), min_size=1, max_size=40)
"""What may stand in a line."""


def dumped(words: tuple[str, ...]) -> str:
    """The words of a line as haproxy dumps them."""
    return "".join(f"{word} " for word in words)


def same(address: str) -> str:
    """An address in one spelling, of several that haproxy has."""
    return address if address == "-" else str(ip_address(address))


class WordTests(SynchronousTestCase):
    """haproxy splits lines as C{tests.amphora_driver.words} does, which other tests rely on."""

    if not CAN_DUMP:
        skip = "this haproxy doesn't show its words"

    @some
    @given(LINES)
    def test_lines_of_anything(self, rests: list[str]) -> None:
        self.check(rests)

    def check(self, rests: list[str]) -> None:
        lines = []
        for rest in rests:
            try:
                if "\n" not in "".join(split(rest)):
                    lines.append(f"http-request deny if {rest}")
            except Misread:
                continue
        with placed("\n".join(["frontend a", *lines, ""]), {}) as command:
            self.assertEqual(dump(command), [dumped(split(line)) for line in ("frontend a", *lines)])


class AcceptanceTests(SynchronousTestCase):
    """haproxy takes what is rendered, and reads its words."""

    @some
    @given(trees())
    def test_any_tree(self, shown: Tree) -> None:
        self.check(shown)

    def check(self, shown: Tree) -> None:
        text = RENDERER.render(shown, AMPHORA)
        if not text:
            return
        with placed(text, files(shown, secrets(shown))) as command:
            self.assertEqual(complaints(command), "", text)
            if CAN_DUMP:
                self.assertEqual(dump(command), [dumped(words) for words in map(split, text.split("\n")) if words])


class RunningTests(SynchronousTestCase):
    """What a worker knows that runs is what was meant."""

    @few
    @given(trees().map(here))
    def test_any_tree(self, shown: Tree) -> None:
        self.check(shown)

    def check(self, shown: Tree) -> None:
        text = RENDERER.render(shown, AMPHORA)
        if not text:
            return
        with placed(text, files(shown, secrets(shown))) as command, started(command) as worker:
            self.check_sections(worker, shown)
            self.check_patterns(worker, text)

    def test_a_limit_above_that_of_open_files_without_anything_to_pass_on(self) -> None:
        for protocol in ("HTTP", "TCP", "PROMETHEUS"):
            shown = here(tree(listener(protocol=protocol, default_pool_id=None, connection_limit=10**7)))
            with placed(RENDERER.render(shown, AMPHORA), {}) as command, started(command) as worker:
                self.check_sections(worker, shown)

    def check_sections(self, worker: Worker, shown: Tree) -> None:
        meant = meaning(shown, secrets(shown))
        lines = {(each["pxname"], each["svname"]): each for each in worker.statistics()}
        fronts = {(front.id, "FRONTEND"): front for front in meant.fronts}
        backs = {(back.name, "BACKEND"): back for back in meant.backs}
        servers = {(back.name, each.id): (back, each) for back in meant.backs for each in back.servers}
        self.assertEqual(lines.keys(), {*fronts, *backs, *servers})
        for key, front in fronts.items():
            self.assertEqual(lines[key]["mode"], "http" if front.http else "tcp")
            if front.limit is not None:
                self.assertEqual(lines[key]["slim"], str(front.limit))
        algorithms = {
            "ROUND_ROBIN": "roundrobin", "LEAST_CONNECTIONS": "leastconn", "SOURCE_IP": "source",
            "SOURCE_IP_PORT": "hash",
        }  # fmt: skip
        for key, back in backs.items():
            self.assertEqual(lines[key]["algo"], algorithms[back.algorithm])
            self.assertEqual(lines[key]["cookie"], "SRV" if back.persistence == ("HTTP_COOKIE", None) else "")
        states = worker.servers()
        self.assertEqual(states.keys(), servers.keys())
        for key, (back, server) in servers.items():
            self.check_server(back, server, lines[key], states[key])

    def check_server(self, back: Back, server: Server, line: dict[str, str], state: dict[str, str]) -> None:
        checked = server.check is not None and not server.disabled
        _, fall, rise = server.check or (0, "", "")
        self.assertEqual(
            {name: line[name] for name in ("sid", "mode", "bck", "cookie", "check_fall", "check_rise")},
            {
                "sid": str(server.number),
                "mode": "http" if back.http else "tcp",
                "bck": str(int(server.backup)),
                "cookie": server.cookie or "",
                "check_fall": str(fall) if checked else "",
                "check_rise": str(rise) if checked else "",
            },
        )
        names = ("addr", "port", "uweight", "use_ssl", "check_port", "check_addr", "admin_state")
        self.assertEqual(
            {name: state[f"srv_{name}"] for name in names}
            | {n: same(state[f"srv_{n}"]) for n in ("addr", "check_addr")},
            {
                "addr": server.address,
                "port": str(server.port),
                "uweight": str(server.weight),
                "use_ssl": str(int(server.tls is not None)),
                "check_port": str(server.check_port or 0),
                "check_addr": server.check_address or "-",
                "admin_state": "5" if server.disabled else "0",
            },
        )

    def check_patterns(self, worker: Worker, text: str) -> None:
        """The value of each rule is the only thing that haproxy compares with for that line."""
        known = worker.patterns()
        for number, words in enumerate(map(split, text.split("\n")), 1):
            if words[:1] == ("acl",) and words[-2] == "--":
                self.assertEqual(known.pop(number), [words[-1]])


class TextTests(SynchronousTestCase):
    """What haproxy makes of texts that it reads more than once: names in samples, and what may have variables."""

    def ask(self, shown: Tree, requests: list[str]) -> list[str]:
        """The head of each answer of one haproxy."""
        with placed(RENDERER.render(shown, AMPHORA), {}) as command, started(command):
            port = shown.listeners[0].protocol_port
            return [exchanged(port, f"{request}\r\n\r\n") for request in requests]

    def ruled(self, type: str, names: list[str]) -> Tree:
        rules = [
            part
            for number, name in enumerate(names, 1)
            for part in (l7_policy(number, "REJECT"), l7_rule(type, "EQUAL_TO", f"yes{number}", number, key=name))
        ]
        return here(tree(listener(default_pool_id=None), *rules))

    @few
    @given(NAMES)
    def test_a_header_has_the_name_that_was_given(self, names: list[str]) -> None:
        self.check_names("HEADER", "{}: {}", names)

    @few
    @given(NAMES)
    def test_a_cookie_has_the_name_that_was_given(self, names: list[str]) -> None:
        self.check_names("COOKIE", "Cookie: {}={}", names)

    def check_names(self, type: str, header: str, names: list[str]) -> None:
        """Each name is that of a rule, with a value of its own; neither another value nor another name matches."""
        right = [(name, f"yes{at}") for at, name in enumerate(names, 1)]
        wrong = [(name, "no") for name in names] + [(f"{name}a", yes) for name, yes in right if f"{name}a" not in names]
        asked = [f"GET / HTTP/1.0\r\n{header.format(*pair)}" for pair in (*right, *wrong)]
        refused = ["403" in answer.split("\r\n")[0] for answer in self.ask(self.ruled(type, names), asked)]
        self.assertEqual(refused, [True] * len(right) + [False] * len(wrong))

    @few
    @given(st.lists(urls, min_size=1, max_size=20))
    def test_a_redirect_goes_to_the_url_that_was_given(self, given: list[str]) -> None:
        self.check_urls(given)

    def check_urls(self, given: list[str]) -> None:
        parts = [
            part
            for number, url in enumerate(given, 1)
            for part in (
                l7_policy(number, "REDIRECT_TO_URL", redirect_url=url),
                l7_rule("PATH", "EQUAL_TO", f"/{number}", number),
            )
        ]
        shown = here(tree(listener(default_pool_id=None), *parts))
        answers = self.ask(shown, [f"GET /{number} HTTP/1.0" for number in range(1, len(given) + 1)])
        self.assertEqual(
            [re.findall("(?i)^location: (.*)\r$", f"{a}\r", re.M) for a in answers], [[url] for url in given]
        )
