"""From trees to haproxy's configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.grammar import WORDS, Unrenderable, only_words
from octavia_tx.amphora_driver.l7 import policies
from octavia_tx.amphora_driver.render import TEMPLATE, Renderer, serves
from octavia_tx.amphora_driver.tls import files
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.l7 import pools_in_use
from octavia_tx.model.resources import AdditionalVip, L7Rule, Listener, Member, SessionPersistence
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees
from octavia_tx.testing.texts import hostile_text
from tests.amphora_driver.gallery import (
    AMPHORA,
    GOLDEN,
    LOAD_BALANCER,
    gallery,
    l7_policy,
    l7_rule,
    listener,
    log_format,
    member,
    monitor,
    pool,
    secret,
    terminated,
    tree,
)
from tests.amphora_driver.secrets import bundle, secrets
from tests.model.certificates import issue

TEMPLATES = Path(__file__).parents[2] / "templates"
RENDERER = Renderer(log_format=log_format)


def render(shown: Tree) -> str:
    return RENDERER.render(shown, AMPHORA)


class GoldenTests(SynchronousTestCase):
    """The gallery becomes what was reviewed."""

    def test_each_tree_becomes_its_golden_file(self) -> None:
        for name, shown in gallery().items():
            self.assertEqual(render(shown), (GOLDEN / f"{name}.cfg").read_text(), name)

    def test_there_is_no_golden_file_without_a_tree(self) -> None:
        self.assertEqual({path.stem for path in GOLDEN.iterdir()}, set(gallery()))


class NumberTests(SynchronousTestCase):
    """By what haproxy hashes."""

    def numbers(self, *members: Member) -> dict[str, str]:
        text = render(tree(listener(), pool(), *members))
        return dict(re.findall(r"server (\S+) \S+ id (\d+) ", text))

    def test_a_members_number_stays_whoever_comes_or_goes(self) -> None:
        members = [member(i) for i in range(1, 6)]
        before = self.numbers(*members)
        self.assertEqual(len(set(before.values())), 5)
        self.assertEqual(self.numbers(*members[1:4]), {m.id: before[m.id] for m in members[1:4]})

    def test_two_of_the_same_number_get_two(self) -> None:
        alike = ("d180d756-23d0-4952-82d7-d3913a9e247e", "30048d72-a816-4459-b0a3-9f69756e44da")  # by their CRC-32
        one, two = (member(i, id=id) for i, id in enumerate(alike, 1))
        self.assertEqual(self.numbers(one)[one.id], self.numbers(two)[two.id])
        self.assertEqual(len(set(self.numbers(one, two).values())), 2)


class RenderTests(SynchronousTestCase):
    """What is true of every tree."""

    @given(trees())
    def test_there_is_a_configuration_where_something_is_served(self, shown: Tree) -> None:
        text = render(shown)
        self.assertEqual(bool(text), serves(shown))
        self.assertEqual(text, render(shown))

    @given(trees())
    def test_each_enabled_listener_and_each_member_reached_has_its_line(self, shown: Tree) -> None:
        lines = [line.split() for line in render(shown).splitlines()]
        enabled = [item for item in shown.listeners if item.admin_state_up and serves(shown)]
        self.assertEqual([words[1] for words in lines if words[:1] == ["frontend"]], [item.id for item in enabled])
        reached = [
            member for item in enabled for pool in pools_in_use(shown, item) for member in shown.members_of(pool.id)
        ]
        self.assertEqual([words[1] for words in lines if words[:1] == ["server"]], [m.id for m in reached])

    @given(trees())
    def test_each_backend_named_has_its_section_once(self, shown: Tree) -> None:
        lines = [line.split() for line in render(shown).splitlines()]
        sections = [words[1] for words in lines if words[:1] == ["backend"]]
        named = {words[1] for words in lines if words[:1] in (["default_backend"], ["use_backend"])}
        self.assertEqual(sorted(sections), sorted(named))

    def test_names_and_descriptions_are_not_written(self) -> None:
        plain = tree(listener(), pool(), member(1), monitor("TCP"))
        self.assertEqual(render(gallery()["names_are_not_written"]), render(plain))

    def test_there_are_peers_only_where_there_is_something_to_hand_on(self) -> None:
        found = {name for name, shown in gallery().items() if "\npeers " in render(shown)}
        self.assertEqual(found, {"persistence", "l7_policies"})

    def test_peers_are_named_by_amphora(self) -> None:
        shown = gallery()["persistence"]
        other = RENDERER.render(shown, "a0000000-0000-4000-8000-000000000002")
        differing = [a for a, b in zip(render(shown).splitlines(), other.splitlines(), strict=True) if a != b]
        self.assertEqual(len(differing), 1)
        self.assertIn("    peer ", differing[0])


# Where a tenant's text could get into a tree: what makes a tree of it.
HOLES: dict[str, Any] = {
    "vip_address": lambda text: tree(listener(), vip_address=text),
    "additional_vip": lambda text: tree(listener(), additional_vips=[AdditionalVip(ip_address=text)]),
    "load_balancer.id": lambda text: tree(listener(), id=text),
    "listener.id": lambda text: tree(listener(id=text)),
    "allowed_cidrs": lambda text: tree(listener(allowed_cidrs=(text,))),
    "insert_headers": lambda text: tree(listener(insert_headers={text: "true"})),
    "insert_headers.value": lambda text: tree(listener(insert_headers={"X-Forwarded-For": text})),
    "pool.id": lambda text: tree(listener(default_pool_id=text), pool(id=text)),
    "cookie_name": lambda text: tree(
        listener(), pool(session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name=text))
    ),
    "member.id": lambda text: tree(listener(), pool(), member(1, id=text)),
    "member.address": lambda text: tree(listener(), pool(), member(1, address=text)),
    "monitor_address": lambda text: tree(listener(), pool(), member(1, monitor_address=text), monitor("TCP")),
    "http_method": lambda text: tree(listener(), pool(), monitor("HTTP", http_method=text)),
    "url_path": lambda text: tree(listener(), pool(), monitor("HTTP", url_path=text)),
    "expected_codes": lambda text: tree(listener(), pool(), monitor("HTTP", expected_codes=text)),
    "domain_name": lambda text: tree(listener(), pool(), member(1), monitor("HTTPS", domain_name=text)),
    "protocol_port": lambda text: tree(listener(protocol_port=text)),
    "connection_limit": lambda text: tree(listener(connection_limit=text)),
    "timeout_client_data": lambda text: tree(listener(timeout_client_data=text)),
    "weight": lambda text: tree(listener(), pool(), member(1, weight=text)),
    "l7rule.id": lambda text: ruled(l7_rule("PATH", "EQUAL_TO", "/", id=text)),
    "header_name": lambda text: ruled(l7_rule("HEADER", "EQUAL_TO", "a", key=text)),
    "l7.cookie_name": lambda text: ruled(l7_rule("COOKIE", "EQUAL_TO", "a", key=text)),
    "redirect_pool_id": lambda text: tree(
        listener(),
        pool(),
        pool(2, id=text),
        l7_policy(1, "REDIRECT_TO_POOL", redirect_pool_id=text),
        l7_rule("PATH", "EQUAL_TO", "/"),
    ),
    "redirect_http_code": lambda text: ruled(
        l7_rule("PATH", "EQUAL_TO", "/"), "REDIRECT_TO_URL", redirect_url="http://a", redirect_http_code=text
    ),
    "tls_ciphers": lambda text: tree(terminated(tls_ciphers=text)),
    "member.tls_ciphers": lambda text: tree(listener(), pool(tls_enabled=True, tls_ciphers=text), member(1)),
    "alpn_protocols": lambda text: tree(terminated(alpn_protocols=(text,))),
    "member.alpn_protocols": lambda text: tree(listener(), pool(tls_enabled=True, alpn_protocols=(text,)), member(1)),
    "hsts_max_age": lambda text: tree(terminated(hsts_max_age=text)),
    "dn_field": lambda text: ruled(l7_rule("SSL_DN_FIELD", "EQUAL_TO", "a", key=text), front=terminated()),
    "verify_result": lambda text: ruled(l7_rule("SSL_VERIFY_RESULT", "EQUAL_TO", text), front=terminated()),
    "delay": lambda text: tree(listener(), pool(), member(1), monitor("TCP", delay=text)),
}


# Where a tenant's text is read literally, and the only line that it may change.
LITERAL: dict[str, tuple[Any, str]] = {
    "value": (lambda text: ruled(l7_rule("PATH", "CONTAINS", text)), "    acl "),
    "host": (lambda text: ruled(l7_rule("HOST_NAME", "CONTAINS", text)), "    acl "),
    "header": (lambda text: ruled(l7_rule("HEADER", "EQUAL_TO", text, key="X")), "    acl "),
    "file_type": (lambda text: ruled(l7_rule("FILE_TYPE", "EQUAL_TO", text)), "    acl "),
    "expression": (lambda text: ruled(l7_rule("COOKIE", "REGEX", text, key="X")), "    acl "),
    "redirect_url": (
        lambda text: ruled(l7_rule("PATH", "EQUAL_TO", "/"), "REDIRECT_TO_URL", redirect_url=f"http://{text}"),
        "    http-request redirect location ",
    ),
    "redirect_prefix": (
        lambda text: ruled(l7_rule("PATH", "EQUAL_TO", "/"), "REDIRECT_PREFIX", redirect_prefix=f"http://{text}"),
        "    http-request redirect prefix ",
    ),
}


def ruled(rule: L7Rule, action: str = "REJECT", front: Listener | None = None, **fields: Any) -> Tree:
    """A load balancer with one policy of one rule."""
    return tree(front or listener(), pool(), member(1), l7_policy(1, action, **fields), rule)


class HostileTests(SynchronousTestCase):
    """Text that would become configuration doesn't."""

    @given(st.sampled_from(sorted(HOLES)), hostile_text)
    def test_hostile_text_adds_no_line_and_no_character_of_its_own(self, hole: str, text: str) -> None:
        try:
            rendered = render(HOLES[hole](text))
        except Unrenderable:
            return
        self.assertTrue(rendered.isascii())
        self.assertTrue(rendered.replace("\n", "").isprintable())
        known = {"global", "defaults", "peers", "frontend", "backend", "#"}
        for line in rendered.splitlines():
            self.assertTrue(not line or line.startswith("    ") or line.split()[0] in known, line)
        self.assertEqual(rendered.count("\nglobal"), 1)
        self.assertNotIn("10.0.0.1:80", rendered)

    def test_each_way_out_of_a_line_is_refused_everywhere(self) -> None:
        for hole, made in HOLES.items():
            for good in (
                "/a",
                "192.0.2.1",
                "192.0.2.0/24",
                "200",
                "GET",
                "example.com",
                AMPHORA,
                "X-Forwarded-For",
                "1",
            ):
                for mark in ("\n", "\r", "\n    server x 192.0.2.9:80", " backup", "\t", "\0", '"', "\\", "\u2028"):
                    if hole == "insert_headers.value":
                        self.assertNotIn("forwardfor", render(made(good + mark)))
                    else:
                        self.assertRaises(Unrenderable, render, made(good + mark))

    @given(st.sampled_from(sorted(LITERAL)), hostile_text)
    def test_hostile_text_that_is_read_literally_stays_in_its_line(self, hole: str, text: str) -> None:
        made, begins = LITERAL[hole]
        plain = [line for line in render(made("a")).splitlines() if not line.startswith(begins)]
        try:
            rendered = render(made(text))
        except Unrenderable:
            return
        self.assertTrue(rendered.isascii())
        self.assertTrue(rendered.replace("\n", "").isprintable())
        self.assertEqual([line for line in rendered.splitlines() if not line.startswith(begins)], plain)

    def test_the_sentence_names_the_load_balancer_and_shows_the_value(self) -> None:
        error = self.assertRaises(Unrenderable, render, tree(listener(), pool(), member(1, address="not one")))
        self.assertIn("10000000-0000-4000-8000-000000000001", str(error))
        self.assertIn("'not one' isn't an IP address", str(error))


class LimitTests(SynchronousTestCase):
    """What haproxy isn't asked to do here is refused, and says why."""

    def refused(self, shown: Tree) -> str:
        return str(self.assertRaises(Unrenderable, render, shown))

    def test_a_listener_of_another_protocol_is_refused(self) -> None:
        for protocol in ("UDP", "SCTP"):
            self.assertIn(protocol, self.refused(tree(listener(protocol=protocol))))

    def test_a_pool_that_does_not_fit_its_listener_is_refused(self) -> None:
        self.assertIn("HTTPS", self.refused(tree(listener(), pool(protocol="HTTPS"))))
        self.assertIn("UDP", self.refused(tree(listener(), pool(protocol="UDP"))))
        self.assertIn("PROMETHEUS", self.refused(tree(listener(protocol="PROMETHEUS"), pool())))

    def test_versions_with_a_gap_are_refused(self) -> None:
        self.assertIn("left out", self.refused(tree(terminated(tls_versions=("TLSv1.1", "TLSv1.3")))))
        gap = pool(tls_enabled=True, tls_versions=("TLSv1", "TLSv1.2"))
        self.assertIn("left out", self.refused(tree(listener(), gap)))

    def test_ciphers_of_no_version_are_refused(self) -> None:
        shown = tree(terminated(tls_ciphers="TLS_AES_128_GCM_SHA256", tls_versions=("TLSv1.2",)))
        self.assertIn("isn't among", self.refused(shown))

    def test_a_listener_needs_its_certificates(self) -> None:
        self.assertIn("no certificate", self.refused(tree(terminated(default_tls_container_ref=None))))
        self.assertIn("no authority", self.refused(tree(terminated(client_authentication="OPTIONAL"))))

    def test_headers_of_certificates_need_terminated_tls(self) -> None:
        headers = {"X-SSL-Issuer": "true"}
        self.assertIn("X-SSL-Issuer", self.refused(tree(listener(insert_headers=headers))))
        self.assertIn("X-SSL-Issuer", render(tree(terminated(insert_headers=headers), pool())))

    def test_a_monitor_of_another_type_is_refused(self) -> None:
        for type in ("UDP-CONNECT", "SCTP"):
            self.assertIn(type, self.refused(tree(listener(), pool(), monitor(type))))

    def test_a_disabled_monitor_of_another_type_is_not(self) -> None:
        shown = tree(listener(), pool(), member(1), monitor("SCTP", admin_state_up=False))
        self.assertEqual(render(shown), render(tree(listener(), pool(), member(1))))

    def test_rules_about_certificates_need_terminated_tls(self) -> None:
        for type, value in (("SSL_CONN_HAS_CERT", "True"), ("SSL_VERIFY_RESULT", "0"), ("SSL_DN_FIELD", "a")):
            self.assertIn(type, self.refused(ruled(l7_rule(type, "EQUAL_TO", value, key="CN"))))

    def test_a_policy_of_a_listener_that_sees_no_requests_is_refused(self) -> None:
        shown = ruled(l7_rule("PATH", "EQUAL_TO", "/"))
        (front,) = shown.listeners
        self.assertIn("TCP", self.refused(evolve(shown, listeners=(evolve(front, protocol="TCP"),))))

    def test_a_policy_of_more_rules_than_a_line_holds_is_refused(self) -> None:
        rules = [l7_rule("PATH", "EQUAL_TO", f"/{number}", 1, number) for number in range(51)]
        self.assertIn("51 rules", self.refused(tree(listener(), l7_policy(1, "REJECT"), *rules)))

    def test_a_redirect_to_no_pool_is_refused(self) -> None:
        self.assertIn("no pool", self.refused(ruled(l7_rule("PATH", "EQUAL_TO", "/"), "REDIRECT_TO_POOL")))

    def test_a_vip_without_an_address_is_refused(self) -> None:
        self.assertIn("None isn't an IP address", self.refused(tree(listener(), vip_address=None)))


class L7Tests(SynchronousTestCase):
    """Which policies are told to haproxy, and in what order."""

    def lines(self, *parts: Any) -> list[str]:
        text = render(tree(listener(), pool(), pool(2), *parts))
        return [line for line in text.splitlines() if line.startswith(("    http-request deny", "    use_backend"))]

    def test_what_matches_nothing_is_not_told(self) -> None:
        rule = l7_rule("PATH", "EQUAL_TO", "/")
        self.assertEqual(len(self.lines(l7_policy(1, "REJECT"), rule)), 1)
        self.assertEqual(self.lines(l7_policy(1, "REJECT")), [])
        self.assertEqual(self.lines(l7_policy(1, "REJECT", admin_state_up=False), rule), [])
        self.assertEqual(self.lines(l7_policy(1, "REJECT"), evolve(rule, admin_state_up=False)), [])

    def test_rules_of_terminated_tls(self) -> None:
        rules = (
            l7_rule("SSL_CONN_HAS_CERT", "EQUAL_TO", "True", 1, 1),
            l7_rule("SSL_VERIFY_RESULT", "EQUAL_TO", "10", 1, 2),
            l7_rule("SSL_DN_FIELD", "STARTS_WITH", "it's me", 1, 3, key="CN"),
        )
        item = listener(protocol="TERMINATED_HTTPS")
        told = policies(tree(item, l7_policy(1, "REJECT"), *rules), item, {})
        environment = Environment(  # noqa: S701
            loader=FileSystemLoader(TEMPLATES), finalize=only_words, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters.update(WORDS)
        text = environment.get_template("haproxy/l7.cfg.j2").render(frontend={"policies": told})
        self.assertEqual(
            [line.split(maxsplit=2)[2] for line in text.splitlines() if line.startswith("    acl ")],
            ["ssl_c_used", "ssl_c_verify 10", r"ssl_c_s_dn(CN) -m beg -- 'it'\x27's me'"],
        )


class FileTests(SynchronousTestCase):
    """The files that a configuration names."""

    def named(self, shown: Tree) -> set[str]:
        """What haproxy is told of, itself or by a list."""
        made = files(shown, secrets(shown))
        texts = [render(shown), *(text.decode() for text in made.values())]
        return {name for text in texts for name in re.findall(r"certificates/(\S+)", text)}

    def test_each_that_is_named_is_there_and_no_other(self) -> None:
        for shown in gallery().values():
            self.assertEqual(set(files(shown, secrets(shown))), self.named(shown))

    def test_a_list_has_the_default_first_and_each_once(self) -> None:
        front = terminated(sni_container_refs=(secret("two"), secret("one")))
        made = files(tree(front), secrets(tree(front)))
        listed = [made[line.partition("/")[2]] for line in made[f"{front.id}.pem"].decode().splitlines()]
        found = secrets(tree(front)).bundles
        self.assertEqual(listed, [found[secret(name)].pem.encode() for name in ("one", "two")])

    def test_new_content_is_no_other_configuration(self) -> None:
        shown = tree(terminated())
        before, after = (files(shown, Secrets(bundles={secret("one"): bundle(issue(n))})) for n in ("a", "b"))
        self.assertEqual(before.keys(), after.keys())
        self.assertNotEqual(before, after)

    def test_another_certificate_in_another_s_place_is_no_other_configuration_either(self) -> None:
        asks = {"client_authentication": "OPTIONAL", "sni_container_refs": (secret("further"),)}
        one, two = [
            tree(
                terminated(
                    default_tls_container_ref=secret(name),
                    client_ca_tls_container_ref=secret(name),
                    client_crl_container_ref=secret(name),
                    **asks,
                ),
                pool(
                    tls_enabled=True,
                    tls_container_ref=secret(name),
                    ca_tls_container_ref=secret(name),
                    crl_container_ref=secret(name),
                ),
                member(1),
            )
            for name in ("one", "two")
        ]
        before, after = (files(shown, secrets(shown)) for shown in (one, two))
        self.assertEqual((render(one), before.keys()), (render(two), after.keys()))
        self.assertGreaterEqual(
            sum(before[name] != after[name] for name in before), 2
        )  # the listener's, and the pool's

    def test_one_reference_of_several_kinds_is_several_files(self) -> None:
        same = {f"{name}_ref": "a" for name in ("default_tls_container", "client_ca_tls_container")}
        shown = tree(terminated(client_authentication="OPTIONAL", client_crl_container_ref="a", **same))
        self.assertEqual(len(files(shown, secrets(shown))), 4)

    def test_a_reference_that_stands_for_nothing_is_named(self) -> None:
        shown = tree(terminated(sni_container_refs=(secret("two"),)))
        some = Secrets(bundles={secret("one"): secrets(shown).bundles[secret("one")]})
        error = self.assertRaises(Unrenderable, files, shown, some)
        self.assertIn(f"there's no certificate for {secret('two')!r}", str(error))
        self.assertIn(LOAD_BALANCER, str(error))


class TemplateTests(SynchronousTestCase):
    """An operator's templates."""

    def renderer(self, template: str) -> Renderer:
        path = Path(self.mktemp()) / TEMPLATE
        path.parent.mkdir(parents=True)
        path.write_text(template)
        return Renderer(path.parent.parent)

    def test_an_operators_template_takes_the_place_of_ours(self) -> None:
        renderer = self.renderer("# {{ load_balancer.id | id }}\n")
        self.assertEqual(renderer.render(tree(listener()), AMPHORA), "# 10000000-0000-4000-8000-000000000001\n")

    def test_a_directory_without_it_leaves_ours(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.assertEqual(Renderer(directory).render(tree(listener()), AMPHORA), render(tree(listener())))

    def test_a_template_can_not_write_a_value_that_was_not_checked(self) -> None:
        for expression in ("load_balancer.id", "load_balancer.name", "'# ' ~ amphora_id", "vips", "None", "1.5"):
            self.assertRaises(
                Unrenderable,
                lambda text: self.renderer(text).render(tree(listener()), AMPHORA),
                "{{ " + expression + " }}",
            )
