"""Which changed files haproxy takes up while it runs."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.replacement import Replacement, Use, replacements, uses

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
LOADED = dict.fromkeys(FILES, "old")


class Replacing(SynchronousTestCase):
    def changed(self, *names: str, loaded: dict[str, str] = LOADED) -> tuple[Replacement, ...] | None:
        return replacements(TEXT, loaded, LOADED | dict.fromkeys(names, "new"), FILES.__getitem__)

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

    def test_a_list_a_new_file_and_one_that_is_not_named_need_a_reload(self) -> None:
        self.assertIsNone(self.changed("list.pem"))
        self.assertIsNone(self.changed("a.pem", "list.pem"))
        self.assertIsNone(self.changed("unnamed.pem"))
        self.assertIsNone(self.changed("a.pem", loaded={name: "old" for name in FILES if name != "a.pem"}))

    def test_what_is_too_long_needs_a_reload(self) -> None:
        long = FILES | {"a.pem": b"x" * 15_001}
        self.assertIsNone(replacements(TEXT, LOADED, LOADED | {"a.pem": "new"}, long.__getitem__))

    def test_its_content_is_in_no_repr(self) -> None:
        self.assertNotIn("secret", repr(Replacement(Use("cert", "a.pem"), "secret")))
