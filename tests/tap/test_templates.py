"""An operator's templates are tried before anything is served by them."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from octavia_tx.amphora_driver import overrides
from octavia_tx.amphora_driver.render import Renderer, templates
from octavia_tx.amphora_driver.samples import AMPHORA, samples
from octavia_tx.errors import SettingsError
from octavia_tx.tap.templates import check

MAIN, RULES, AGENT = "haproxy/haproxy.cfg.j2", "haproxy/l7.cfg.j2", "agent/agent.toml.j2"


class Directory:
    """An operator's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def write(self, name: str, text: str) -> Path:
        """A template of that name."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def changed(self, name: str, old: str, new: str) -> int:
        """Ours with other words; the line in which these are."""
        text = (templates() / name).read_text()
        before, found, after = text.partition(old)
        assert found, old
        self.write(name, before + new + after)
        return before.count("\n") + 1


class CheckTests(TestCase):
    """L{check}."""

    def setUp(self) -> None:
        self.directory = Directory(Path(self.mktemp()).absolute())

    async def faults(self) -> list[str]:
        try:
            await check(reactor, self.directory.path)
        except SettingsError as error:
            return list(error.problems)
        return []

    async def test_ours_are_good(self) -> None:
        self.assertEqual(await self.faults(), [])
        for path in templates().rglob("*.j2"):
            self.directory.write(str(path.relative_to(templates())), path.read_text())
        self.assertEqual(await self.faults(), [])

    async def test_an_unknown_file_is_named(self) -> None:
        path = self.directory.write("haproxy/haproxy.cfg", "")
        (fault,) = await self.faults()
        self.assertIn(f"amphora.templates: {path}: no template has this name. Known: agent/agent.toml.j2, ", fault)

    async def test_what_is_no_template_is_told_with_its_line(self) -> None:
        line = self.directory.changed(RULES, "{% set policy = item.policy %}", "{% sett policy %}")
        agent = self.directory.write(AGENT, "\n{{ nobody")
        wrong = self.directory.write(MAIN, "{{ load_balancer.id | idd }}")
        rules = self.directory.path / RULES
        faults = await self.faults()
        for place in (f"{rules}:{line}: ", f"{wrong}:1: ", f"{agent}:2: "):
            self.assertEqual(len([fault for fault in faults if place in fault]), 1, (place, faults))

    async def test_what_is_no_text_is_named(self) -> None:
        path = self.directory.write(MAIN, "")
        path.write_bytes(b"\xff")
        self.assertIn(str(path), "".join(await self.faults()))

    async def test_an_undefined_name_is_told_with_its_line(self) -> None:
        line = self.directory.changed(RULES, "http-request deny", "{{ rule.nobody | id }}")
        (fault,) = await self.faults()
        self.assertIn(f"{self.directory.path / RULES}:{line}: ", fault)

    async def test_plain_text_is_told_with_its_line(self) -> None:
        line = self.directory.changed(MAIN, "{{ listener.id | id }}", "{{ listener.id }}")
        (fault,) = await self.faults()
        self.assertIn(f"{self.directory.path / MAIN}:{line}: ", fault)
        self.assertIn("was not checked and can't be written", fault)

    async def test_what_haproxy_refuses_is_told_with_its_reason(self) -> None:
        self.directory.changed(MAIN, "option allbackups", "option everything")
        (fault,) = {re.sub("the sample '.*?'", "the sample", fault) for fault in await self.faults()}
        self.assertIn("refused by haproxy: unknown option 'everything'., in 'option everything'", fault)

    async def test_what_only_haproxy_as_a_whole_refuses_has_its_reason_too(self) -> None:
        self.directory.changed(MAIN, "default_backend {{ frontend.default.name }}", "default_backend nobody")
        faults = await self.faults()
        self.assertTrue(all("unable to find required default_backend: 'nobody'" in fault for fault in faults), faults)

    async def test_one_that_includes_itself_is_told(self) -> None:
        path = self.directory.write(RULES, f'{{% include "{RULES}" %}}')
        (fault,) = await self.faults()
        self.assertIn(str(path), fault)

    async def test_what_can_not_be_read_is_no_override(self) -> None:
        (self.directory.path / "haproxy").mkdir(parents=True)
        (self.directory.path / RULES).symlink_to("nowhere")
        (self.directory.path / MAIN).mkdir()
        faults = await self.faults()
        for name in (RULES, MAIN):
            self.assertIn(f"amphora.templates: {self.directory.path / name}: isn't a file that can be read", faults)

    async def test_the_agents_settings_must_say_what_no_agent_can_do_without(self) -> None:
        self.directory.write(AGENT, 'amphora_id = "x"\n[heartbeat]\nreceivers = []\n')
        faults = "\n".join(await self.faults())
        for name in ("amphora_id", "heartbeat.receivers", "heartbeat.key", "controllers.urls"):
            self.assertIn(f"lacks {name}", faults)

    async def test_the_agents_settings_must_be_toml(self) -> None:
        path = self.directory.write(AGENT, "amphora_id = {{ amphora_id }}")
        (fault,) = await self.faults()
        self.assertIn(f"{path}: what it gives isn't TOML", fault)


class SampleTests(SynchronousTestCase):
    """The samples ask for all that our templates can say."""

    def test_each_line_is_written_for_some_sample(self) -> None:
        directory = Directory(Path(self.mktemp()).absolute())
        marks = {}
        for path in (templates() / "haproxy").glob("*.j2"):
            name, written, comment = str(path.relative_to(templates())), [], False
            for at, line in enumerate(path.read_text().splitlines(), 1):
                written.append(line)
                comment = comment or line.startswith("{#")
                inside, comment = comment, comment and not line.rstrip().endswith("#}")
                if not inside:
                    mark = 900_000 + len(marks)
                    marks[str(mark)] = f"{name}:{at}: {line}"
                    written.append(f"{{{{ {mark} | number(0, 999999) }}}}")
            directory.write(name, "\n".join([*written, ""]))
        rendered, faults = overrides.texts(directory.path)
        self.assertEqual(faults, [])
        found = set(re.findall(r"9\d{5}", "".join(rendered.values())))
        self.assertEqual([marks[mark] for mark in sorted(marks.keys() - found)], [])

    def test_each_is_rendered(self) -> None:
        for name, tree in samples().items():
            self.assertIn("\nfrontend ", Renderer().render(tree, AMPHORA), name)
