"""
The options of a provider's flavors and availability zones: one schema, which is published and enforced.

A provider of one's own may use this too: its C{validate_flavor} is then one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from octavia_tx.errors import IncompatibleConfiguration, InvalidInput

FLAVOR_DATA = "flavorprofile.flavor_data"
ZONE_DATA = "availability_zone_profile.availability_zone_data"


class Options:
    """
    The options that a profile's data may give.

    @ivar schema: of the data, JSON schema 2020-12.
    @param where: the field that holds the data, L{FLAVOR_DATA} or L{ZONE_DATA}.
    @param known: each option's schema, with a C{description} that says what it means and what is accepted.
    """

    def __init__(self, where: str, title: str, known: Mapping[str, Mapping[str, Any]]) -> None:
        self.schema: Mapping[str, Any] = {
            "$schema": Draft202012Validator.META_SCHEMA["$id"],
            "title": title,
            "type": "object",
            "additionalProperties": False,
            "properties": known,
        }
        Draft202012Validator.check_schema(self.schema)
        self._where = where
        self._known = known
        self._validator = Draft202012Validator(self.schema)

    def judge(self, data: Mapping[str, Any]) -> None:
        """
        Hold a profile's data against the schema.

        @raise IncompatibleConfiguration: an option that isn't known.
        @raise InvalidInput: a value that an option can't have.
        """
        for name in data:
            if name not in self._known:
                raise IncompatibleConfiguration(f"{self._where}, {name!r:.80}. Known: {', '.join(self._known)}.")
        error = best_match(self._validator.iter_errors(data))
        if error is not None:
            name = str(error.absolute_path[0])
            raise InvalidInput(f"{self._where}.{name}", data[name], self._accepted(name, error))

    def _accepted(self, name: str, error: ValidationError) -> str:
        words = self._known[name].get("enum")
        return f"one of {', '.join(map(str, words))}" if words else str(self._known[name]["description"]).rstrip(".")
