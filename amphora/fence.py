"""The highest number seen per load balancer, so that a controller that was replaced can't command any more."""

from __future__ import annotations

from pathlib import Path

from amphora import durable


class StaleFence(Exception):
    """A newer controller was here."""

    def __init__(self, given: int, seen: int) -> None:
        super().__init__(f"Number {given} is lower than {seen}, the highest seen.")


class Fences:
    """
    The numbers, one file each, apart from the load balancers' own files: they outlive a deletion.

    @ivar _directory: where the files lie.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, int] = {}

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

    def check(self, load_balancer_id: str, number: int) -> None:
        """
        Accept a number, and remember it before anything is done in its name.

        @raise StaleFence: a higher one was seen.
        """
        self.refuse(load_balancer_id, number)
        if number > self.seen(load_balancer_id):
            durable.make_directory(self._directory)
            durable.write(self._directory / load_balancer_id, str(number).encode())
            self._seen[load_balancer_id] = number
