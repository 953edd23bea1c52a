"""The grammar of access logs' formats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.model.log_format import DEFAULT, FACTS, LONGEST, SAMPLES, VARIABLES, Piece, pieces

PIECES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=5)
    .filter(lambda text: "{{" not in text and not text.endswith("{") and not text.startswith("{"))
    .map(lambda text: (text.replace("%", "%%"), Piece("text", text))),
    st.sampled_from(FACTS).map(lambda fact: (f"{{{{ {fact} }}}}", Piece("fact", fact))),
    st.tuples(st.sampled_from(VARIABLES), st.booleans()).map(
        lambda given: (f"%{'{+Q}' * given[1]}{given[0]}", Piece("variable", *given))
    ),
    st.tuples(st.sampled_from(SAMPLES), st.booleans()).map(
        lambda given: (f"%{'{+Q}' * given[1]}[{given[0]}]", Piece("sample", *given))
    ),
)


def merged(found: list[Piece]) -> list[Piece]:
    result: list[Piece] = []
    for piece in found:
        if piece.kind == "text" and result and result[-1].kind == "text":
            result[-1] = Piece("text", result[-1].value + piece.value)
        else:
            result.append(piece)
    return result


class Grammar(SynchronousTestCase):
    def test_openstacks_format_is_one(self) -> None:
        found = pieces(DEFAULT)
        self.assertEqual(found[0], Piece("fact", "project_id"))
        self.assertIn(Piece("variable", "r", quoted=True), found)
        self.assertIn(Piece("sample", "ssl_c_s_dn", quoted=True), found)

    def test_json_is_one(self) -> None:
        self.assertEqual(
            pieces('{"c":"%ci","x":{"s":%ST}}'),
            (
                Piece("text", '{"c":"'),
                Piece("variable", "ci"),
                Piece("text", '","x":{"s":'),
                Piece("variable", "ST"),
                Piece("text", "}}"),
            ),
        )

    @given(st.lists(PIECES, min_size=1, max_size=20))
    def test_a_format_is_split_into_what_it_was_made_of(self, given: list[tuple[str, Piece]]) -> None:
        # What follows a variable must not look like more of its name.
        text = "".join(part + (" " if piece.kind == "variable" else "") for part, piece in given)
        wanted = [
            p for _, piece in given for p in ((piece, Piece("text", " ")) if piece.kind == "variable" else (piece,))
        ]
        self.assertEqual(list(pieces(text)), merged(wanted))

    def test_everything_else_is_refused(self) -> None:
        for wrong in (
            *("", "%", "a%", "%%%", "%q", "%BU", "%{+Q}o", "%{-Q}ci", "%{+E}ci", "%[src]", "%[env(X)]", "%ci\n", "\n"),
            *(
                "%[ssl_c_s_dn",
                "{{x}}",
                "{{ lb_id",
                "{{  lb_id }}",
                "{{ lb_id }",
                "é",
                "\x00",
                "\t",
                "x" * (LONGEST + 1),
            ),
            *(None, 3, b"%ci"),
        ):
            with self.assertRaises(ValueError) as caught:
                pieces(wrong)
            self.assertIn("visible ASCII", str(caught.exception))
