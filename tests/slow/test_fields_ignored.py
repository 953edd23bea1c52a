"""Where a field is ignored, the test that the table of fields names for it fails."""

from __future__ import annotations

from twisted.trial.reporter import TestResult
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model.tree import Tree
from tests.amphora_driver.fields import FIELDS, Acts


def _ignoring(acts: Acts) -> TestResult:
    """How the field's test ends where haproxy isn't told of it."""
    render = Renderer.render

    def deaf(self: Renderer, tree: Tree, amphora_id: str) -> str:
        return render(self, acts.ignored(tree), amphora_id)

    result = TestResult()
    Renderer.render = deaf  # type: ignore[method-assign]
    try:
        TestLoader().loadByName(acts.test).run(result)
    finally:
        Renderer.render = render  # type: ignore[method-assign]
    return result


class IgnoredTests(SynchronousTestCase):
    """One test for each field, made below."""


def _add(kind: str, name: str, acts: Acts) -> None:
    def test(self: IgnoredTests) -> None:
        result = _ignoring(acts)
        self.assertEqual(result.testsRun, 1)
        # What can't be rendered isn't ignored.
        self.assertEqual([failure for _, failure in result.errors if failure.check(Unrenderable)], [])
        self.assertFalse(result.wasSuccessful(), f"{acts.test} succeeds without {kind}.{name}")

    setattr(IgnoredTests, f"test_{kind}_{name}", test)


for _kind, _fields in FIELDS.items():
    for _name, _acts in _fields.items():
        if isinstance(_acts, Acts):
            _add(_kind.__name__, _name, _acts)
