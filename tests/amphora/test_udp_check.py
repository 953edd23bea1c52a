"""Whether somebody listens for UDP."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.udp_check import PLACE, answers, place


class Checking(SynchronousTestCase):
    def setUp(self) -> None:
        self.listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.listening.close)
        self.listening.bind(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def test_who_says_nothing_may_be_there(self) -> None:
        self.assertTrue(answers("127.0.0.1", self.port, 0.05))

    def test_who_answers_is_there(self) -> None:
        def answer() -> None:
            _said, who = self.listening.recvfrom(10)
            self.listening.sendto(b"yes", who)

        answering = threading.Thread(target=answer)
        answering.start()
        self.assertTrue(answers("127.0.0.1", self.port, 5))
        answering.join()

    def test_where_nobody_listens_the_kernel_says_so(self) -> None:
        self.listening.close()
        self.assertFalse(answers("127.0.0.1", self.port, 5))
        self.assertFalse(answers("::1", self.port, 5))

    def test_keepalived_finds_it_as_a_program(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        place(directory)
        command = [str(directory / PLACE), "127.0.0.1", str(self.port)]
        self.listening.close()
        self.assertEqual(subprocess.run(command, check=False).returncode, 1)
