"""What fields may hold."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api import types
from octavia_tx.errors import InvalidInput
from octavia_tx.model.addresses import unmapped

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

EVERY = (
    types.Text(),
    types.Uuid(),
    types.Flag(),
    types.Integer(1, 65535),
    types.OneOf(("HTTP", "TCP")),
    types.HttpVersion(),
    types.Address(),
    types.Netmask(),
    types.Cidr(),
    types.ListOf(types.Text()),
    types.Switches(("X-Forwarded-For",)),
    types.URL,
    types.OneOfNumbers((301, 302)),
    types.HOST_NAME,
    types.URL_PATH,
    types.EXPECTED_CODES,
    types.COOKIE_NAME,
    types.CIPHERS,
)
TO_HAPROXY = (types.HOST_NAME, types.URL_PATH, types.EXPECTED_CODES, types.CIPHERS)


class TypesTests(SynchronousTestCase):
    """All types, against all that JSON can say."""

    @given(st.sampled_from(EVERY), json_values)
    def test_any_json_value_is_taken_or_refused_by_name(self, kind: types.Type, value: Any) -> None:
        try:
            kind.decode(value, "thing.field")
        except InvalidInput as error:
            self.assertTrue(str(error).startswith("Invalid value for thing.field"), error)
            self.assertIn(". Accepted: ", str(error))

    @given(st.sampled_from(TO_HAPROXY), st.text())
    def test_nothing_that_means_something_to_haproxy_passes_a_grammar(self, kind: types.Grammar, value: str) -> None:
        try:
            passed = kind.decode(value, "field")
        except InvalidInput:
            return
        self.assertFalse(set(passed) & set(" \t\r\n\0\"'\\#$`{}") - ({" "} if kind is types.EXPECTED_CODES else set()))
        self.assertTrue(passed.isascii())

    @given(st.text())
    def test_text_is_kept_as_it_is_or_refused(self, value: str) -> None:
        try:
            self.assertEqual(types.Text().decode(value, "name"), value)
        except InvalidInput:
            self.assertTrue(len(value) > 255 or any(not c.isprintable() for c in value))

    def test_a_description_may_have_several_lines_but_no_other_control_character(self) -> None:
        kind = types.Text(lines=True)
        self.assertEqual(kind.decode("a\n\tb\r\n", "description"), "a\n\tb\r\n")
        self.assertRaises(InvalidInput, kind.decode, "a\0b", "description")
        self.assertRaises(InvalidInput, kind.decode, "a\x1b", "description")

    def test_the_unspecified_address_is_refused_however_it_is_spelled(self) -> None:
        for address in ("0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:0:0"):
            self.assertRaises(InvalidInput, types.Address().decode, address, "address")

    def test_text_that_postgresql_or_utf8_cannot_hold_is_refused(self) -> None:
        for text in ("a\0b", "a\nb", "\x7f", "\x85", "\ud800", "x" * 256, 5, None, ["a"], {}):
            self.assertRaises(InvalidInput, types.Text().decode, text, "name")

    def test_text_of_any_script_and_quotes_is_kept(self) -> None:
        for text in ("", "größer", "負荷", "👩‍🚒", '"it\'s" #1 $HOME \\'):
            self.assertEqual(types.Text().decode(text, "name"), text)

    def test_numbers_that_only_look_like_integers_are_refused(self) -> None:
        port = types.Integer(1, 65535)
        for value in (True, False, 80.0, 0, 65536, -1, 10**300, float("nan"), float("inf"), None, [80], {"a": 1}):
            self.assertRaises(InvalidInput, port.decode, value, "port")
        for text in ("", " 80", "80\n", "080", "+80", "8_0", "80.0", "0x50", "٨٠", "0", "65536", "-1", "9" * 5000):
            self.assertRaises(InvalidInput, port.decode, text, "port")
        self.assertEqual((port.decode(1, "port"), port.decode(65535, "port")), (1, 65535))

    def test_integers_may_be_spelled(self) -> None:
        limit = types.Integer(-1)
        self.assertEqual([limit.decode(text, "limit") for text in ("-1", "0", "80")], [-1, 0, 80])

    def test_truth_is_not_a_number_or_a_string(self) -> None:
        for value in (0, 1, "true", "False", None, [], 1.0):
            self.assertRaises(InvalidInput, types.Flag().decode, value, "backup")
        self.assertIs(types.Flag().decode(False, "backup"), False)

    def test_ids_come_out_in_their_usual_spelling(self) -> None:
        usual = "0123abcd-4567-89ab-cdef-0123456789ab"
        for given_ in (usual, usual.upper(), usual.replace("-", "")):
            self.assertEqual(types.Uuid().decode(given_, "id"), usual)
        for given_ in ("", "x", f"{{{usual}}}", f"urn:uuid:{usual}", usual + "\n", usual[:-1], 5):
            self.assertRaises(InvalidInput, types.Uuid().decode, given_, "id")

    @given(st.ip_addresses())
    def test_addresses_keep_their_meaning(self, address: Any) -> None:
        try:
            self.assertEqual(ip_address(types.Address().decode(str(address), "address")), address)
        except InvalidInput:
            self.assertTrue(unmapped(str(address)).is_unspecified)

    def test_what_is_no_address_of_one_host_is_refused(self) -> None:
        for value in ("300.1.1.1", "1.2.3", "fe80::1%eth0", "10.0.0.0/8", "0.0.0.0", "::", "host", "", 16909060, True):
            self.assertRaises(InvalidInput, types.Address().decode, value, "address")

    def test_ranges_are_spelled_with_a_prefix_length(self) -> None:
        for value, expected in (
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.9/255.255.255.0", "192.0.2.9/24"),
            ("192.0.2.9", "192.0.2.9/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
        ):
            self.assertEqual(types.Cidr().decode(value, "cidr"), expected)
            ip_network(expected, strict=False)
        for value in ("192.0.2.0/33", "fe80::%1/64", "0/0/0", "", 8, None):
            self.assertRaises(InvalidInput, types.Cidr().decode, value, "cidr")

    def test_netmasks_are_spelled_as_addresses(self) -> None:
        for value in ("255.255.0.0", "192.0.2.1", "ffff:ffff::", "0.0.0.0"):
            self.assertEqual(types.Netmask().decode(value, "mask"), value)
        for value in ("24", "", "fe80::1%1", 5):
            self.assertRaises(InvalidInput, types.Netmask().decode, value, "mask")

    def test_paths_are_those_of_urls(self) -> None:
        for path in ("/", "/health?deep=1&x=%20", "/a/b.c;v=1,2:(x)@~!*+"):
            self.assertEqual(types.URL_PATH.decode(path, "url_path"), path)
        for path in (
            "",
            "a",
            "/a b",
            "/%",
            "/%2",
            "/a\n",
            "/'",
            '/"',
            "/#",
            "/\\",
            "/$x",
            "/ä",
            "http://a/",
            "/" * 256,
        ):
            self.assertRaises(InvalidInput, types.URL_PATH.decode, path, "url_path")

    def test_status_codes_are_one_several_or_a_range(self) -> None:
        for codes in ("200", "200,201", "200, 204", "200-204"):
            self.assertEqual(types.EXPECTED_CODES.decode(codes, "codes"), codes)
        for codes in ("", "20", "2000", "200,", "200-", "200-204,301", "600", "099", "200\n", "2００", 200):
            self.assertRaises(InvalidInput, types.EXPECTED_CODES.decode, codes, "codes")

    def test_host_names_are_made_of_labels(self) -> None:
        for name in ("a", "www.example.com", "x-y.z_1", "1.2.3.4"):
            self.assertEqual(types.HOST_NAME.decode(name, "domain_name"), name)
        for name in ("", ".", "a..b", "-a", "a-", "a b", "a\n", "ä.de", "a/b", "x" * 64, "a:80"):
            self.assertRaises(InvalidInput, types.HOST_NAME.decode, name, "domain_name")

    def test_cookies_are_named_by_what_is_visible_and_no_separator(self) -> None:
        for name in ("JSESSIONID", "a$b#c'd%", "".join(set(map(chr, range(33, 127))) - set(",;\\"))):
            self.assertEqual(types.COOKIE_NAME.decode(name, "cookie_name"), name)
        for name in ("", "a b", "a,b", "a;b", "a\\b", "a\n", "\x7f", "\u00e9"):
            self.assertRaises(InvalidInput, types.COOKIE_NAME.decode, name, "cookie_name")

    def test_an_item_of_a_list_is_named_by_its_place(self) -> None:
        error = self.assertRaises(InvalidInput, types.ListOf(types.Uuid()).decode, ["x"], "vip_sg_ids")
        self.assertEqual(error.field, "vip_sg_ids[0]")
        self.assertRaises(InvalidInput, types.ListOf(types.Text(), distinct=True).decode, ["a", "a"], "list")
        self.assertRaises(InvalidInput, types.ListOf(types.Text()).decode, "ab", "list")

    def test_headers_are_switched_by_words(self) -> None:
        headers = types.Switches(("X-Forwarded-For",))
        self.assertEqual(headers.decode({"X-Forwarded-For": "true"}, "h"), {"X-Forwarded-For": "true"})
        for value in (
            {"X-Forwarded-For": True},
            {"X-Forwarded-For": "yes"},
            {"X-Evil\r\nSet-Cookie": "true"},
            {"X-Forwarded-For": {}},
            [],
            "X-Forwarded-For",
        ):
            self.assertRaises(InvalidInput, headers.decode, value, "h")

    def test_http_versions_are_numbers_or_their_spelling(self) -> None:
        for value in (1, 1.0, "1.0"):
            self.assertEqual(types.HttpVersion().decode(value, "v"), 1.0)
        self.assertEqual(types.HttpVersion().decode("1.1", "v"), 1.1)
        for bad in (True, 2, "2", 1.2, float("nan"), None, [1.0]):
            self.assertRaises(InvalidInput, types.HttpVersion().decode, bad, "v")
