"""Each field of a load balancer's tree has a test that fails where it is ignored, or that sees it refused."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import get_type_hints

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model.tree import Tree
from tests.amphora_driver.fields import FIELDS, LISTED, NOT_TRAFFIC, Acts
from tests.amphora_driver.gallery import AMPHORA, gallery

# Values that the API doesn't take for a field of that type.
_NONE_OF: dict[str, set[str]] = {
    "Listener": {"protocol=PROXY", "protocol=PROXYV2"},
    "Pool": {"protocol=PROMETHEUS", "protocol=TERMINATED_HTTPS"},
}


def wanted(kind: type) -> set[str]:
    """What the table has to tell of a kind of object."""
    types = get_type_hints(kind)
    found = set()
    for each in fields(kind):
        given = types[each.name]
        if each.name not in NOT_TRAFFIC | LISTED:
            values = given if isinstance(given, type) and issubclass(given, Enum) else ()
            found |= {f"{each.name}={value}" for value in values} or {each.name}
    return found - _NONE_OF.get(kind.__name__, set())


class FieldTests(SynchronousTestCase):
    """The table of fields."""

    def test_no_field_of_the_model_is_missing(self) -> None:
        for kind, known in FIELDS.items():
            self.assertEqual(wanted(kind), set(known) - {"weight=0"}, kind.__name__)

    def test_the_tests_are_there(self) -> None:
        for known in FIELDS.values():
            for each in known.values():
                module, case, name = each.test.rsplit(".", 2)
                self.assertTrue(hasattr(getattr(import_module(module), case), name), each.test)

    def test_the_gallery_shows_each(self) -> None:
        renderer = Renderer()

        def rendered(tree: Tree) -> str:
            try:
                return renderer.render(tree, AMPHORA)
            except Unrenderable:
                return "nothing"

        shown = [(tree, rendered(tree)) for tree in gallery().values()]
        missing = {
            f"{kind.__name__}.{name}"
            for kind, known in FIELDS.items()
            for name, each in known.items()
            if isinstance(each, Acts) and not any(rendered(each.ignored(tree)) != text for tree, text in shown)
        }
        # Policies come in the order of their positions there.
        self.assertEqual(missing, {"L7Policy.position"})
