"""C{octavia-tx}: the operator's command."""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python import usage

from octavia_tx.db import load_balancers
from octavia_tx.demo import tour
from octavia_tx.errors import NotFound, OctaviaError
from octavia_tx.settings_file import load


class DemoOptions(usage.Options):
    """C{octavia-tx demo}."""

    optFlags = [["keep", "k", "Leave it running, and say how to use and stop it."]]
    optParameters = [["stop", None, None, "Stop what an earlier `demo --keep` left running in this directory."]]


class MigrateOptions(usage.Options):
    """C{octavia-tx db-migrate}."""

    optParameters = [["config", "c", None, "TOML file with the settings."]]


class ResealOptions(usage.Options):
    """C{octavia-tx reseal}."""

    optParameters = [["config", "c", None, "TOML file with the settings."]]


class RenderOptions(usage.Options):
    """C{octavia-tx render}."""

    synopsis = "[options] [LOAD_BALANCER_ID]"
    longdesc = "Without an id, it shows what the templates give for the samples that they are tried with."
    optParameters = [["config", "c", None, "TOML file with the settings."]]

    def parseArgs(self, load_balancer_id: str = "") -> None:
        """At most one."""
        self["id"] = load_balancer_id


class Options(usage.Options):
    """The command line."""

    synopsis = "octavia-tx COMMAND [options]"
    subCommands = [
        ["demo", None, DemoOptions, "Make, use, break, heal and remove a real load balancer."],
        ["db-migrate", None, MigrateOptions, "Bring the database to the present schema."],
        ["reseal", None, ResealOptions, "Seal tenants' secrets in the database with the newest key."],
        ["render", None, RenderOptions, "Try the templates, and show the configuration of a load balancer."],
    ]

    def postOptions(self) -> None:
        """A command is needed."""
        if not self.subCommand:
            raise usage.UsageError("Which command?")


async def demo(reactor: Any, options: DemoOptions) -> None:
    """The guided tour."""
    try:
        if options["stop"]:
            await tour.stop(reactor, Path(options["stop"]).absolute())
        else:
            await tour.give(reactor, keep=bool(options["keep"]))
    except tour.Failed as error:
        raise SystemExit(f"\nThis didn't go as it should: {error}") from None


async def migrate(reactor: Any, options: MigrateOptions) -> None:
    """Bring the database to the present schema; start the embedded one for it where there's no other."""
    from octavia_tx.tap.parts import Parts  # the drivers that this brings in take time, and the tour needs none

    settings = load(Path(options["config"]) if options["config"] else None, os.environ)
    async with AsyncExitStack() as stack:
        await Parts(reactor, settings, stack).database(owner=True)
    print("the database has the present schema")


async def reseal(reactor: Any, options: ResealOptions) -> None:
    """Seal what the embedded store holds with the first key of the file, so that the others may go."""
    from octavia_tx.tap.parts import Parts

    settings = load(Path(options["config"]) if options["config"] else None, os.environ)
    async with AsyncExitStack() as stack:
        parts = Parts(reactor, settings, stack)
        count = await parts.vault(await parts.database(owner=False)).reseal()
    print(f"{count} secrets are sealed with the newest key")


async def render(reactor: Any, options: RenderOptions) -> None:
    """Show what the templates give: for a load balancer of the database, or for each sample."""
    from octavia_tx.amphora_driver.samples import AMPHORA, samples
    from octavia_tx.tap.parts import Parts

    settings = load(Path(options["config"]) if options["config"] else None, os.environ)
    async with AsyncExitStack() as stack:
        parts = Parts(reactor, settings, stack)
        await parts.check_templates()
        if not options["id"]:
            texts = [parts.renderer().render(tree, AMPHORA) for tree in samples().values()]
        else:
            database = await parts.database(owner=False)
            async with database.transaction(read_only=True) as tx:
                tree = await load_balancers.tree(tx, options["id"])
            if tree is None:
                raise NotFound("Load balancer", options["id"])
            texts = [parts.preview(parts.providers()).configuration(tree, AMPHORA)]
    print("\n".join(texts), end="")


COMMANDS = {"demo": demo, "db-migrate": migrate, "reseal": reseal, "render": render}


def main() -> None:
    """Run one command; exit code 1 and one sentence when it fails as commands may."""
    options = Options()  # type: ignore[no-untyped-call]
    try:
        options.parseOptions(sys.argv[1:])  # type: ignore[no-untyped-call]
    except usage.UsageError as error:
        raise SystemExit(f"{options}\n{error}") from None
    command, given = COMMANDS[str(options.subCommand)], options.subOptions

    async def run(reactor: Any) -> None:
        try:
            await command(reactor, given)  # type: ignore[operator]
        except OctaviaError as error:
            raise SystemExit(str(error)) from None

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
