"""What was plugged, and who may reach it, in a file that survives the machine's next boot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen
from twisted.logger import Logger

from amphora import durable, plugging
from amphora.firewall import InvalidRules, rules
from amphora.plugging import InvalidPlug, Wanted

FILE: Final = "network.json"
_log = Logger()


@frozen(kw_only=True)
class Plug:
    """
    One interface.

    @ivar name: that the interface is given where traffic flows; empty: it keeps its own.
    @ivar vip: that it carries; C{None}: it is in a network of members.
    @ivar body: what the controller said of it.
    """

    mac: str
    name: str
    vip: str | None
    body: Mapping[str, Any]

    def wanted(self, keepalived: bool) -> Wanted:
        """
        What the interface shall be like.

        @raise InvalidPlug: there can't be such a one.
        """
        if self.vip is None:
            return plugging.network(self.body)
        return plugging.vip(self.vip, self.body, keepalived)


@frozen
class Plugged:
    """
    All of it.

    @ivar plugs: by MAC address.
    @ivar rules: as a controller gave them, by the name of the interface that they protect.
    """

    plugs: Mapping[str, Plug] = field(factory=dict)
    rules: Mapping[str, list[Any]] = field(factory=dict)

    def with_plug(self, plug: Plug) -> Plugged:
        """With this interface, in place of another that had its name before and isn't there any more."""
        others = {mac: each for mac, each in self.plugs.items() if not plug.name or each.name != plug.name}
        return evolve(self, plugs={**others, plug.mac: plug})

    def with_rules(self, name: str, given: list[Any]) -> Plugged:
        """With these rules for an interface, in place of those before."""
        return evolve(self, rules={**self.rules, name: given})


def read(directory: Path) -> Plugged:
    """What was written there; nothing where there's no file, or none that can be read."""
    path = directory / FILE
    try:
        found = json.loads(path.read_bytes())
        plugs = [Plug(**each) for each in found["plugs"]]
        for each in plugs:
            each.wanted(False)
        for given in found["rules"].values():
            rules(given)
        return Plugged({each.mac: each for each in plugs}, found["rules"])
    except FileNotFoundError:
        return Plugged()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidPlug, InvalidRules) as e:
        _log.error("{path} can't be read, so that no interface is plugged: {e}", path=path, e=e)
        return Plugged()


def write(directory: Path, plugged: Plugged) -> None:
    """
    Put it there, durably.

    @raise OSError: it can't be written; what was there stays.
    """
    plugs = [
        {"mac": each.mac, "name": each.name, "vip": each.vip, "body": dict(each.body)}
        for each in plugged.plugs.values()
    ]
    content = {"plugs": plugs, "rules": dict(plugged.rules)}
    durable.write(directory / FILE, json.dumps(content, indent=1).encode())
