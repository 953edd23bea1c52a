"""
An operator's templates, tried before anything is served by them: each is compiled, and rendered with samples.

What is wrong is told as sentences with file and line, all at once. What the templates give must please haproxy itself:
whoever has one asks it about L{texts}.
"""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb
from typing import Final

from jinja2 import TemplateError, TemplateSyntaxError

from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.render import Renderer, environment, templates
from octavia_tx.amphora_driver.samples import AMPHORA, samples
from octavia_tx.model.log_format import DEFAULT

FAULTS: Final = (
    *(Unrenderable, TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    *(RecursionError, OSError),
)
"""What a template may raise: our filters, jinja2, and what Python makes of an operator's expressions."""
_OURS: Final = "haproxy"


def unknown(directory: Path) -> list[str]:
    """Files that take the place of none of ours, and so would change nothing."""
    known = {path.relative_to(templates()) for path in templates().rglob("*.j2")}
    found = sorted(path.relative_to(directory) for path in directory.rglob("*"))
    names = ", ".join(sorted(map(str, known)))
    unknown = [path for path in found if path not in known and not (directory / path).is_dir()]
    unread = [path for path in found if path in known and not (directory / path).is_file()]
    return [
        *(f"{directory / path}: no template has this name. Known: {names}" for path in unknown),
        *(f"{directory / path}: isn't a file that can be read" for path in unread),
    ]


def uncompiled(directory: Path) -> list[str]:
    """What is wrong with those of the directory's templates for haproxy that are none."""
    faults = []
    for path in sorted((directory / _OURS).glob("*.j2")):
        try:
            environment(directory).get_template(f"{_OURS}/{path.name}")
        except (TemplateError, UnicodeDecodeError) as error:
            faults.append(told(error, path))
    return faults


def texts(directory: Path) -> tuple[dict[str, str], list[str]]:
    """What templates that can be compiled give for each sample, by its name, and what is wrong with them."""
    renderer = Renderer(directory, lambda _tree: DEFAULT)
    rendered, faults = {}, []
    for name, tree in samples().items():
        try:
            rendered[name] = renderer.render(tree, AMPHORA)
        except FAULTS as error:
            faults.append(told(error, directory))
    return rendered, list(dict.fromkeys(faults))


def told(error: BaseException, path: Path) -> str:
    """What is wrong, and in which line of which template, as far as the error tells."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or path}:{error.lineno}: {error.message}"
    first = error.__cause__ if isinstance(error, Unrenderable) and error.__cause__ else error
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(first.__traceback__)]
    place = next((f"{file}:{line}" for file, line in reversed(places) if file.endswith(".j2")), str(path))
    return f"{place}: {first}"
