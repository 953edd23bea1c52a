"""The keepalived that moves a pair's VIP, as controllers command it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.web.iweb import IRequest

from amphora import commands
from amphora.routing import Route
from amphora.supervision import Supervised
from octavia_tx.wire.rest import VRRP_PATH

# Where OpenStack's texts have it, if the agent's directory is their base_path.
SCRIPTS: Final = {
    "check_script.sh": b"""\
#!/bin/sh
# keepalived asks by this whether each haproxy lives that shall serve.
cd "$(dirname "$0")/../load_balancers" 2>/dev/null || exit 0
for pid in */haproxy.pid; do
    [ ! -e "$pid" ] || [ -e "${pid%/*}/drained" ] || kill -0 "$(cat "$pid")" || exit 1
done
"""
}
_FIRST: Final = ("MASTER", "FAULT")  # of several instances' states, that one is told


class Vrrp:
    """What controllers may ask of it."""

    def __init__(self, keepalived: Supervised) -> None:
        self._keepalived = keepalived

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        return (("PUT", f"{VRRP_PATH}/upload", self.upload), ("PUT", f"{VRRP_PATH}/<action>", self.act))

    def is_down(self) -> bool:
        """Whether it should run and doesn't: then the amphora is as good as dead."""
        return self._keepalived.wanted and not self._keepalived.life.serves()

    def topology(self) -> dict[str, str]:
        """What C{/1.0/details} tells of the pair."""
        if not self._keepalived.exists:
            return {"topology": "SINGLE", "topology_status": "OK"}
        states = set(self._keepalived.states().values())
        state = next((each for each in (*_FIRST, *sorted(states)) if each in states), "UNKNOWN")
        status = state if self._keepalived.life.serves() else "DOWN"
        return {"topology": "ACTIVE_STANDBY", "topology_status": status}

    async def upload(self, request: IRequest) -> bytes:
        """Put its configuration in place."""
        return await commands.upload(request, self._keepalived)

    async def act(self, request: IRequest, action: str) -> bytes:
        """Start, stop or reload it."""
        return await commands.act(request, self._keepalived, action)
