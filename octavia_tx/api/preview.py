"""The configuration of a load balancer as its amphorae should run it, or why there's none."""

from __future__ import annotations

from attrs import frozen

from octavia_tx.errors import OctaviaError
from octavia_tx.interfaces import IPreview
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.tree import Tree

PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
"""Stands for an amphora's id as long as there's none."""


@frozen
class Preview:
    """
    @ivar text: C{""} where nothing is to be served; C{None} where it can't be told.
    @ivar problem: then, why not.
    """

    text: str | None
    problem: str | None = None


def preview(by: IPreview, tree: Tree | None, amphora_id: str) -> Preview:
    """The configuration of a load balancer; of none, nothing."""
    if tree is None:
        return Preview("")
    try:
        return Preview(by.configuration(tree, amphora_id))
    except OctaviaError as error:
        return Preview(None, str(error))


def steps(by: IPreview, tree: Tree | None, amphorae: tuple[Amphora, ...]) -> list[str]:
    """The names of the steps to what is wanted of a load balancer; none where nothing can be told."""
    if tree is None:
        return []
    try:
        return list(by.steps(tree.load_balancer, amphorae, tree.terms))
    except OctaviaError:
        return []
