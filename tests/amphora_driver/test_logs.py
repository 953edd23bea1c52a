"""Which load balancers are logged, how, and on which terms."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.logs import Logging, Signing
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model.flavor import Terms
from octavia_tx.model.log_format import DEFAULT
from octavia_tx.model.tree import Tree
from octavia_tx.wire.logs import HAPROXY_TARGET, Store, Syslog
from tests.amphora_driver.gallery import gallery, listener, tree

AMPHORA = "a0000000-0000-4000-8000-000000000001"
SYSLOG = Syslog(name="central", host="h", port=514, transport="udp")
STORE = Store(name="archive", url="https://store/v1/AUTH_x/logs/octavia/", credential_id="i", credential_secret="s")
SIGNING = Signing(store=STORE, container="/v1/AUTH_x/logs", key="key", validity=1000.0)


def logging(**more: Any) -> Logging:
    given: dict[str, Any] = {"destinations": {"central": SYSLOG, "archive": STORE}, "now": lambda: 5000.0}
    return Logging(**(given | more))


def of(flavor: dict[str, Any], **more: Any) -> Tree:
    shown = tree(listener())
    return evolve(shown, terms=Terms(flavor), load_balancer=evolve(shown.load_balancer, **more))


class Deciding(SynchronousTestCase):
    def test_nothing_is_logged_unless_somebody_says_so(self) -> None:
        self.assertIsNone(logging().terms(of({})))
        self.assertIsNone(logging().format_of(of({})))
        self.assertIsNone(logging(enabled=True, destinations={}).terms(of({})))
        self.assertIsNone(logging(enabled=True).terms(of({"logs": False})))

    def test_a_flavor_chooses_among_the_operators_targets(self) -> None:
        for flavor, names in (
            ({"logs": True}, ["central", "archive"]),
            ({"logs": True, "log_targets": ["archive"]}, ["archive"]),
            ({"logs": True, "log_targets": ["gone", "central"]}, ["central"]),
        ):
            terms = logging().terms(of(flavor))
            assert terms is not None
            self.assertEqual([target.name for target in terms.targets], names)
        terms = logging(enabled=True, targets=("central",)).terms(of({}))
        assert terms is not None
        self.assertEqual(terms.targets, (SYSLOG,))

    def test_a_flavor_chooses_the_format(self) -> None:
        self.assertEqual(logging(enabled=True).format_of(of({})), DEFAULT)
        self.assertEqual(logging(enabled=True, format="%ci").format_of(of({})), "%ci")
        self.assertEqual(logging().format_of(of({"logs": True, "log_format": "%cp"})), "%cp")

    def test_each_load_balancer_has_a_place_of_its_own_in_a_store(self) -> None:
        terms = logging().terms(of({"logs": True, "log_targets": ["archive"]}, project_id="a/../é"))
        assert terms is not None and isinstance(terms.targets[0], Store)
        load_balancer_id = of({}).load_balancer.id
        self.assertEqual(terms.targets[0].url, f"{STORE.url}a_____/{load_balancer_id}/")
        self.assertIsNone(terms.renew_at)

    def test_a_signed_url_lets_nothing_be_done_but_put_there(self) -> None:
        shown = of({"logs": True}, project_id="p")
        terms = logging(destinations={"archive": SIGNING}).terms(shown)
        assert terms is not None and isinstance(terms.targets[0], Store)
        prefix = f"octavia/p/{shown.load_balancer.id}/"
        expires = SIGNING.expires(f"p/{shown.load_balancer.id}/", 5000.0)
        said = f"PUT\n{expires}\nprefix:/v1/AUTH_x/logs/{prefix}"
        self.assertEqual(
            parse_qs(terms.targets[0].query),
            {
                "temp_url_sig": [hmac.new(b"key", said.encode(), sha256).hexdigest()],
                "temp_url_expires": [str(expires)],
                "temp_url_prefix": [prefix],
            },
        )
        self.assertEqual(terms.renew_at, expires - 500.0)
        self.assertNotIn("key", repr(SIGNING).replace("keystone", ""))

    def test_a_path_is_signed_as_the_store_reads_it(self) -> None:
        quoted = evolve(SIGNING, store=evolve(SIGNING.store, url="https://s/v1/AUTH_x/lb%20logs/a%20b/"))
        made = evolve(quoted, container="/v1/AUTH_x/lb%20logs").for_prefix("p/", 5000.0)
        said = f"PUT\n{SIGNING.expires('p/', 5000.0)}\nprefix:/v1/AUTH_x/lb logs/a b/p/"
        found = parse_qs(made.query)
        self.assertEqual(found["temp_url_sig"], [hmac.new(b"key", said.encode(), sha256).hexdigest()])
        self.assertEqual((made.url, found["temp_url_prefix"]), ("https://s/v1/AUTH_x/lb%20logs/a%20b/p/", ["a b/p/"]))

    def test_a_signed_url_is_the_same_for_a_while_and_always_valid_long_enough(self) -> None:
        for prefix in ("a/", "b/"):
            found = [SIGNING.expires(prefix, float(now)) for now in range(5000, 6000)]
            self.assertTrue(all(1000 < e - now <= 1126 for now, e in zip(range(5000, 6000), found, strict=True)))
            self.assertLessEqual(len(set(found)), 9)
        self.assertNotEqual(SIGNING.expires("a/", 5000.0), SIGNING.expires("b/", 5000.0))


class Rendering(SynchronousTestCase):
    def render(self, text: str | None, shown: Tree) -> list[str]:
        rendered = Renderer(log_format=lambda _tree: text).render(shown, AMPHORA)
        return [line.strip() for line in rendered.splitlines()]

    def test_without_a_log_nothing_is_written_of_it(self) -> None:
        for shown in gallery().values():
            lines = self.render(None, shown)
            self.assertNotIn(HAPROXY_TARGET, lines)
            self.assertFalse([line for line in lines if "log-format" in line])

    def test_each_listener_is_logged_and_the_format_is_one_word(self) -> None:
        for shown in gallery().values():
            listeners = (
                [li for li in shown.listeners if li.admin_state_up] if shown.load_balancer.admin_state_up else []
            )
            lines = self.render('%ci it\'s # "%ST" \\ $HOME', shown)
            self.assertEqual(lines.count(HAPROXY_TARGET), len(listeners))
        lines = self.render('%ci it\'s # "%ST" \\ $HOME', tree(listener()))
        self.assertIn("log-format '%ci it'\\x27's # \"%ST\" \\ $HOME%hs'", lines)

    def test_facts_are_written_out_and_can_not_be_read_as_variables(self) -> None:
        shown = of({}, project_id="%ci\n' é")
        lines = self.render("{{ project_id }}|{{lb_id}}|{{ amphora_id }}|%%", shown)
        self.assertIn(f"log-format '%%ci?'\\x27'??|{shown.load_balancer.id}|{AMPHORA}|%%%hs'", lines)

    def test_what_only_http_knows_is_a_dash_elsewhere(self) -> None:
        lines = self.render("%{+Q}r %HM %ST %{+Q}[ssl_c_s_dn]", tree(listener(protocol="TCP")))
        self.assertIn("log-format '\"-\" - %ST %{+Q}[ssl_c_s_dn]'", lines)
        self.assertIn("error-log-format '\"-\" - %ST %{+Q}[ssl_c_s_dn]'", lines)

    def test_what_is_no_format_is_not_written(self) -> None:
        self.assertRaises(Unrenderable, self.render, "%ci\n", tree(listener()))
