"""Measurements made in turn: other work on the machine, which comes and goes, meets all of them alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from benchmarks.service import Rate

Result = TypeVar("Result")
ROUNDS = 3
"""So often each load is measured."""


def in_turn(rounds: int, *measures: Callable[[], Result]) -> list[list[Result]]:
    """What each measure gave, in the order of the measures."""
    found: list[list[Result]] = [[] for _ in measures]
    for _ in range(rounds):
        for results, measure in zip(found, measures, strict=True):
            results.append(measure())
    return found


def rates(seconds: float, *measures: Callable[[float], Rate]) -> list[Rate]:
    """Each one's middle rate, of loads that take C{seconds} each."""
    found = in_turn(ROUNDS, *(lambda measure=measure: measure(seconds) for measure in measures))
    return [sorted(results, key=lambda rate: rate.a_second)[ROUNDS // 2] for results in found]
