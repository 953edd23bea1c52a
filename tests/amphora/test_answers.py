"""The agent's API is put together from parts."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest

from amphora.answers import Route, application


@frozen
class Named:
    """A part whose method has the name that others' have."""

    name: str

    def routes(self) -> Iterable[Route]:
        return (("PUT", f"/{self.name}", self.upload),)

    def upload(self, request: IRequest) -> bytes:
        return self.name.encode()


class Parts(SynchronousTestCase):
    def test_parts_with_methods_of_the_same_name_are_told_apart(self) -> None:
        app = application((Named("one"), Named("two")))
        urls = app.url_map.bind("agent")
        for name in ("one", "two"):
            endpoint, _ = urls.match(f"/{name}", method="PUT")
            self.assertEqual(app.endpoints[endpoint](None, None), name.encode())
