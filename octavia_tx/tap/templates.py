"""An operator's templates, tried at a daemon's start."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue

from octavia_tx.amphora_driver import overrides, samples
from octavia_tx.amphora_driver.tls import files
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.errors import SettingsError
from octavia_tx.wire.keys import amphora_key
from octavia_tx.wire.rest import CERTIFICATES, peer_name

_RECEIVERS = ("192.0.2.1:5555",)
_CONTROLLERS = ("https://192.0.2.1:9444",)
# What an agent's settings must hold, whatever an operator adds to them, and what it is for the sample.
_NEEDED: Mapping[str, object] = {
    "amphora_id": samples.AMPHORA,
    "heartbeat.receivers": list(_RECEIVERS),
    "heartbeat.key": amphora_key(bytes(32), samples.AMPHORA).hex(),
    "controllers.urls": list(_CONTROLLERS),
}


async def check(reactor: Any, directory: Path, haproxy: str = "") -> None:
    """
    Try all templates of a directory.

    @param haproxy: the program that is asked about what they give; empty: this host's, if it has one.
    @raise SettingsError: naming all that is wrong.
    """
    faults = [*overrides.unknown(directory), *overrides.uncompiled(directory), *_agent(directory)]
    if not faults:
        texts, faults = overrides.texts(directory)
        if program := haproxy or _found():
            faults += await _refused(reactor, program, texts)
    if faults:
        raise SettingsError(tuple(f"amphora.templates: {fault}" for fault in faults))


def _found() -> str | None:
    with suppress(SettingsError):
        return find_haproxy()
    return None


def _agent(directory: Path) -> list[str]:
    """What is wrong with the template of the agent's settings."""
    name = directory / "agent" / "agent.toml.j2"
    if not name.exists():
        return []
    try:
        with TemporaryDirectory() as nowhere:
            made = BootMaterial(
                Authority.load_or_create(Path(nowhere)),
                bytes(32),
                receivers=_RECEIVERS,
                controllers=_CONTROLLERS,
                templates=directory,
            )
        given = tomllib.loads(made.settings(samples.AMPHORA))
    except tomllib.TOMLDecodeError as error:
        return [f"{name}: what it gives isn't TOML: {error}"]
    except overrides.FAULTS as error:
        return [overrides.told(error, name)]
    missing = [path for path, value in _NEEDED.items() if _at(given, path) != value]
    return [f"{name}: what it gives lacks {path}, or has another one than it was given" for path in missing]


def _at(document: Mapping[str, Any], path: str) -> object:
    section, _, key = path.rpartition(".")
    table = document.get(section, {}) if section else document
    return table.get(key) if isinstance(table, dict) else None


async def _refused(reactor: Any, haproxy: str, texts: Mapping[str, str]) -> list[str]:
    """What haproxy refuses of the texts of the samples."""
    faults = []
    trees, secrets = samples.samples(), samples.secrets()
    for name, text in texts.items():
        with TemporaryDirectory() as here:
            path = Path(here) / "haproxy.cfg"
            path.write_text(text)
            (path.parent / CERTIFICATES).mkdir()
            for file, content in files(trees[name], secrets).items():
                (path.parent / CERTIFICATES / file).write_bytes(content)
            arguments = ["-c", "-C", here, "-L", peer_name(samples.AMPHORA), "-f", str(path)]
            _, said, code = await getProcessOutputAndValue(haproxy, arguments, os.environ, reactor=reactor)
        if code:
            faults += _alerts(name, text.splitlines(), said.decode(errors="replace"))
    return list(dict.fromkeys(faults))


def _alerts(name: str, lines: list[str], said: str) -> list[str]:
    """haproxy's reasons, with the lines of which it speaks."""
    found = re.findall(r"\[ALERT\] .*? config : parsing \[[^\]]*:(\d+)\] ?: (.*)", said)
    told = [
        f"what they give for the sample {name!r} is refused by haproxy: {reason}, in {lines[int(line) - 1].strip()!r}"
        for line, reason in found
    ]
    if not told:
        alerts = re.findall(r"\[ALERT\] +\(\d+\) : (.*)", said)
        told = [
            f"what they give for the sample {name!r} is refused by haproxy: {'; '.join(alerts) or 'nothing is served'}"
        ]
    return told
