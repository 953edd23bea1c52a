"""Which changed files haproxy takes up while it runs."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.replacement import Change, Replacement, Use, replacements, uses

TEXT = """
frontend f
    bind :443 ssl crt-list certificates/list.pem ca-file certificates/ca.pem crl-file certificates/crl.pem # crt no.pem
backend b
    server s 127.0.0.1:1 ssl crt certificates/client.pem
"""
FILES = {
    "list.pem": b"certificates/a.pem\n# crt certificates/no.pem\n\n/whole/b.pem [alpn h2] *.example.com\n",
    "a.pem": b"a\n\n\nkey",
    "b.pem": b"b",
    "ca.pem": b"ca",
    "crl.pem": b"crl",
    "client.pem": b"client",
}
_IN_LIST = "ssl crt-list certificates/list.pem"
LOADED = dict.fromkeys(FILES, "old")


class Replacing(SynchronousTestCase):
    def changed(
        self, *names: str, loaded: dict[str, str] = LOADED, now: dict[str, bytes] = FILES
    ) -> tuple[Change, ...] | None:
        return replacements(TEXT, loaded, LOADED | dict.fromkeys(names, "new"), now.__getitem__, FILES.__getitem__)

    def listed(self, *lines: str, more: tuple[str, ...] = (), before: bytes | None = None) -> list[str] | None:
        """The commands for another list."""
        now = FILES | {"list.pem": "".join(f"{line}\n" for line in lines).encode(), "c.pem": b"c"}
        old = FILES if before is None else FILES | {"list.pem": before}
        names = LOADED | dict.fromkeys(("list.pem", *more), "new")
        found = replacements(TEXT, LOADED, names, now.__getitem__, old.__getitem__)
        return None if found is None else [order for each in found for order in each.orders]

    def orders(self, name: str) -> tuple[str, ...]:
        (found,) = self.changed(name) or ()
        return found.orders

    def test_files_are_found_in_the_configuration_and_in_its_lists(self) -> None:
        self.assertEqual(
            [(use.kind, use.path) for use in uses(TEXT, FILES.__getitem__)],
            [
                ("crt-list", "certificates/list.pem"),
                ("cert", "certificates/a.pem"),
                ("cert", "/whole/b.pem"),
                ("ca-file", "certificates/ca.pem"),
                ("crl-file", "certificates/crl.pem"),
                ("cert", "certificates/client.pem"),
            ],
        )

    def test_where_nothing_changed_nothing_is_told(self) -> None:
        self.assertEqual(self.changed(), ())

    def test_each_kind_is_told_by_the_path_that_haproxy_knows_and_without_empty_lines(self) -> None:
        for name, what, content in (
            ("a.pem", "cert certificates/a.pem", "a\nkey\n"),
            ("b.pem", "cert /whole/b.pem", "b\n"),
            ("ca.pem", "ca-file certificates/ca.pem", "ca\n"),
            ("crl.pem", "crl-file certificates/crl.pem", "crl\n"),
            ("client.pem", "cert certificates/client.pem", "client\n"),
        ):
            self.assertEqual(self.orders(name), (f"set ssl {what} <<\n{content}", f"commit ssl {what}"))

    def test_what_servers_that_are_shown_no_certificate_are_judged_by_needs_a_reload(self) -> None:
        for shown, taken_up in (("", False), (" crt certificates/client.pem", True)):
            judged = "ca-file certificates/ca.pem crl-file certificates/crl.pem"
            text = f"backend b\n    server s 127.0.0.1:1 ssl {judged}{shown}\n"
            for name in ("ca.pem", "crl.pem"):
                now = LOADED | {name: "new"}
                found = replacements(text, LOADED, now, FILES.__getitem__, FILES.__getitem__)
                self.assertEqual(found is not None, taken_up, (name, shown))

    def test_one_that_is_not_named_needs_a_reload(self) -> None:
        self.assertIsNone(self.changed("unnamed.pem"))

    def test_a_list_gets_certificates_at_its_end_and_loses_any_but_the_first(self) -> None:
        before = b"certificates/a.pem\n/whole/b.pem\n"
        new = ("new ssl cert certificates/c.pem", "set ssl cert certificates/c.pem <<\nc\n")
        come = [*new, "commit ssl cert certificates/c.pem", f"add {_IN_LIST} certificates/c.pem"]
        gone = [f"del {_IN_LIST} /whole/b.pem", "del ssl cert /whole/b.pem"]
        a, b, c = "certificates/a.pem", "/whole/b.pem", "certificates/c.pem"
        self.assertEqual(self.listed(a, b, "# comment", before=before), [])
        self.assertEqual(self.listed(a, b, c, more=("c.pem",), before=before), come)
        self.assertEqual(self.listed(a, b, c, before=before), come)
        self.assertEqual(self.listed(a, before=before), gone)
        self.assertEqual(self.listed(a, c, more=("c.pem",), before=before), [*come, *gone])

    def test_what_is_used_elsewhere_too_is_neither_read_again_nor_forgotten(self) -> None:
        a, client = "certificates/a.pem", "certificates/client.pem"
        self.assertEqual(self.listed(a, client, before=f"{a}\n".encode()), [f"add {_IN_LIST} {client}"])
        self.assertEqual(self.listed(a, before=f"{a}\n{client}\n".encode()), [f"del {_IN_LIST} {client}"])

    def test_another_first_one_another_order_and_options_need_a_reload(self) -> None:
        a, b, c = "certificates/a.pem", "/whole/b.pem", "certificates/c.pem"
        before = f"{a}\n{b}\n".encode()
        for lines in ((b, a), (b,), (c, a, b), (a, c, b), (a, b, f"{c} [alpn h2]")):
            self.assertIsNone(self.listed(*lines, before=before), lines)
        self.assertIsNone(self.listed(a, b))  # there were options
        with_unknown = replacements(TEXT, LOADED, LOADED | {"list.pem": "new"}, FILES.__getitem__, {}.__getitem__)
        self.assertIsNone(with_unknown)

    def test_what_is_too_long_needs_a_reload(self) -> None:
        self.assertIsNone(self.changed("a.pem", now=FILES | {"a.pem": b"x" * 15_001}))

    def test_its_content_is_in_no_repr(self) -> None:
        self.assertNotIn("secret", repr(Replacement(Use("cert", "a.pem"), "secret")))
