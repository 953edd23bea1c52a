"""L7 rules: what may change of them."""

from __future__ import annotations

from tests.integration.api import ApiCase


class RuleTests(ApiCase):
    """C{l7policies/<id>/rules}."""

    async def test_each_field_changes(self) -> None:
        listener = await self.listener((await self.load_balancer())["id"])
        policy = await self.make("l7policy", "l7policies", listener_id=listener["id"], action="REJECT")
        path = f"l7policies/{policy['id']}/rules"
        rule = await self.make("rule", path, type="HEADER", key="X-A", compare_type="EQUAL_TO", value="a")
        for change in (
            {"value": "b"},
            {"key": "X-B"},
            {"compare_type": "CONTAINS"},
            {"invert": True},
            {"admin_state_up": False},
            {"tags": ["c"]},
            {"type": "COOKIE"},
        ):
            reply = await self.ask("PUT", f"{path}/{rule['id']}", {"rule": change})
            self.assertEqual(reply.status, 200, reply)
            ((field, value),) = change.items()
            self.assertEqual((await self.shown(f"{path}/{rule['id']}"))[field], value)
