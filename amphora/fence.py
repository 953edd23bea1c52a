"""The highest number seen per load balancer, so that a controller that was replaced can't command any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amphora import durable

FENCE_LIMIT: Final = 2**63  # all numbers are lower


class StaleFence(Exception):
    """A newer controller was here."""

    def __init__(self, given: int, seen: int) -> None:
        super().__init__(f"Number {given} is lower than {seen}, the highest seen.")


class Overtaken(Exception):
    """What a controller wants was asked for before another change was made, and may be older than that."""


def number(value: object) -> int:
    """The number that a value of JSON is. Raises L{ValueError} for what none can be."""
    if type(value) is not int or not 0 <= value < FENCE_LIMIT:
        raise ValueError(f"a fence must be an integer from 0 to {FENCE_LIMIT - 1}")
    return value


class Fences:
    """
    The numbers, one file each, apart from the load balancers' own files: they outlive a deletion.

    @ivar _directory: where the files lie.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, int] = {}
        self._changes: Counter[str] = Counter()

    def changes(self) -> Mapping[str, int]:
        """How many numbers were accepted so far, by load balancer; not mentioned: none."""
        return self._changes.copy()

    def seen(self, load_balancer_id: str) -> int:
        """The highest number seen; 0 where none was."""
        if load_balancer_id not in self._seen:
            try:
                self._seen[load_balancer_id] = int((self._directory / load_balancer_id).read_text())
            except FileNotFoundError:
                return 0
        return self._seen[load_balancer_id]

    def refuse(self, load_balancer_id: str, number: int) -> None:
        """@raise StaleFence: a higher one was seen."""
        if number < (seen := self.seen(load_balancer_id)):
            raise StaleFence(number, seen)

    def check(self, load_balancer_id: str, number: int, since: Mapping[str, int] | None = None) -> None:
        """
        Accept a number, and remember it before anything is done in its name.

        @param since: the L{changes} when it was asked for; C{None}: it was asked for just now.
        @raise StaleFence: a higher one was seen.
        @raise Overtaken: another one was accepted since, be it the same.
        """
        if since is not None and self._changes[load_balancer_id] != since.get(load_balancer_id, 0):
            raise Overtaken(load_balancer_id)
        self.refuse(load_balancer_id, number)
        if number > self.seen(load_balancer_id):
            durable.make_directory(self._directory)
            durable.write(self._directory / load_balancer_id, str(number).encode())
            self._seen[load_balancer_id] = number
        self._changes[load_balancer_id] += 1
