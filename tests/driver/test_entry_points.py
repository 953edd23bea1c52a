"""Providers that other packages bring: found by their entry points, and refused with a sentence at start."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.entry_points import GROUP, load_providers
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import SettingsError
from octavia_tx.testing.provider import MemoryProvider


def make(settings: Mapping[str, Any]) -> MemoryProvider:
    """A provider as a package would make it, with settings of its own."""
    given = {"name": "memory", **settings}
    return MemoryProvider(**given)


def make_other(settings: Mapping[str, Any]) -> MemoryProvider:
    """One that calls itself otherwise."""
    return MemoryProvider()


def refuse(settings: Mapping[str, Any]) -> MemoryProvider:
    """One that tells what is wrong with its settings."""
    raise SettingsError(("box: missing. Accepted: a URL", "token: missing. Accepted: a text"))


def break_down(settings: Mapping[str, Any]) -> MemoryProvider:
    """One that fails."""
    raise ZeroDivisionError("by zero")


def make_nothing(settings: Mapping[str, Any]) -> object:
    """No provider at all."""
    return object()


def make_shapeless(settings: Mapping[str, Any]) -> MemoryProvider:
    """One whose schemas are none."""
    return MemoryProvider(name="shapeless", flavor_schema={"type": "fish"})


class EntryPoints(SynchronousTestCase):
    """@ivar directory: on Python's path, with an installed distribution."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        sys.path.insert(0, str(self.directory))
        self.addCleanup(sys.path.remove, str(self.directory))
        self.install("memory", memory="make")

    def install(self, distribution: str, **points: str) -> None:
        info = self.directory / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {__name__}:{value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")

    def load(self, *names: str, default: str = "", **settings: Mapping[str, Any]) -> Providers:
        return load_providers(dict.fromkeys(names, ""), default, settings, AmphoraProvider(), Clock())

    def problems(self, *names: str, **settings: Mapping[str, Any]) -> tuple[str, ...]:
        return self.assertRaises(SettingsError, self.load, *names, **settings).problems

    def names(self, providers: Providers) -> list[str]:
        return [name for name, _description in providers.descriptions()]

    def test_ours_are_there_when_they_are_enabled(self) -> None:
        self.assertEqual(self.names(self.load("amphora", "octavia")), ["amphora", "octavia"])
        self.assertEqual(self.names(self.load("amphora")), ["amphora"])
        self.assertEqual(self.names(self.load("octavia")), ["octavia"])

    def test_one_of_another_package_stands_beside_ours(self) -> None:
        providers = self.load("memory", "amphora", default="amphora", memory={"description": "Its own settings."})
        self.assertEqual(self.names(providers), ["memory", "amphora"])
        self.assertEqual(providers.default, "amphora")
        self.assertIn(("memory", "Its own settings."), providers.descriptions())
        self.assertIsInstance(providers.enabled("memory"), MemoryProvider)

    def test_an_operator_describes_it_otherwise(self) -> None:
        providers = load_providers({"memory": "The old box."}, "", {}, AmphoraProvider(), Clock())
        self.assertEqual(providers.descriptions(), (("memory", "The old box."),))

    def test_all_that_cannot_be_had_are_told_at_once(self) -> None:
        self.install(
            "bad", otherwise="make_other", refusing="refuse", breaking="break_down", nothing="make_nothing",
            shapeless="make_shapeless", gone="no_such_function",
        )  # fmt: skip
        told = self.problems(
            "amphora", "absent", "otherwise", "refusing", "breaking", "nothing", "shapeless", "gone", amphora={"x": 1}
        )
        self.flushLoggedErrors(ZeroDivisionError, AttributeError)
        self.assertEqual(len(told), 9, told)
        for sentence, *words in (
            (told[0], "'absent'", "isn't installed", "Accepted: amphora, breaking"),
            (told[1], "'otherwise'", "calls itself 'memory'"),
            (told[2], "provider.refusing: box: missing"),
            (told[3], "provider.refusing: token: missing"),
            (told[4], "'breaking'", "can't be made: ZeroDivisionError: by zero"),
            (told[5], "'nothing'", "isn't one: ", "IProviderDriver"),
            (told[6], "'shapeless'", "flavor_schema"),
            (told[7], "'gone'", "can't be made: AttributeError"),
            (told[8], "provider.amphora: it has no settings"),
        ):
            for word in words:
                self.assertIn(word, sentence)
            self.assertNotIn("\n", sentence)

    def test_of_two_packages_with_one_name_none_is_taken(self) -> None:
        self.install("further", memory="make_other")
        (told,) = self.problems("memory")
        self.assertIn("brought by several", told)
