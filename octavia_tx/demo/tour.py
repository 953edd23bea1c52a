"""The tour as a command gives it: on a stage of its own, cleared whatever happens, an interruption included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError

from octavia_tx.demo.narrator import Narrator
from octavia_tx.demo.stage import Stage
from octavia_tx.demo.story import Disappointed, Tour, clouds_yaml, how_to_use, remove
from octavia_tx.demo.tenant import Impatient, Refused


class Failed(Exception):
    """The tour didn't go as it should; the text says what happened."""


async def give(reactor: Any, *, keep: bool) -> None:
    """
    The whole tour; with C{keep} it ends before the removal, and says how to go on.

    @raise Failed: it didn't go as it should; everything is removed.
    """
    narrator = Narrator(reactor)
    stage = Stage.build(reactor)

    def interrupted() -> Deferred[None]:
        narrator.heading("Interrupted; everything is removed.")
        return Deferred.fromCoroutine(stage.clear())

    trigger = reactor.addSystemEventTrigger("before", "shutdown", interrupted)
    tour = Tour(reactor, narrator, stage)
    try:
        await tour.run(keep=keep)
    except (Disappointed, Impatient, Refused, ConnectError) as error:
        words = stage.last_words()
        await stage.clear()
        raise Failed(f"{error}\n\nThe controller's last words:\n{words}") from error
    finally:
        if reactor.running:
            reactor.removeSystemEventTrigger(trigger)
    narrator.heading(f"Done in {narrator.elapsed():.1f} s.")
    if keep:
        (stage.directory / "clouds.yaml").write_text(clouds_yaml(stage))
        narrator.heading(how_to_use(stage, tour.vip))


async def stop(reactor: Any, directory: Path) -> None:
    """
    End what an earlier tour left running.

    @raise Failed: there's none, or something is left.
    """
    narrator = Narrator(reactor)
    try:
        stage = Stage.kept(reactor, directory)
    except OSError as error:
        raise Failed(f"No tour was kept in {directory}: {error.strerror}.") from error
    try:
        await remove(narrator, stage, ())
    except (Disappointed, Impatient, Refused) as error:
        await stage.clear()
        raise Failed(str(error)) from error
