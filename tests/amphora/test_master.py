"""The master's list of processes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.master import MasterSilent, Processes, parse_processes

ANSWER = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
9159            master          3 [failed: 1]   0d00h00m00s     2.8.25-5cf5d0683
# workers
9377            worker          0               0d00h00m00s     2.8.25-5cf5d0683
# old workers
9162            worker          1               0d00h00m00s     2.8.25-5cf5d0683
9100            worker          2               1d00h00m00s     2.8.25-5cf5d0683
# programs
7000            check           0               0d00h00m00s     -

"""


class ParseProcesses(SynchronousTestCase):
    def test_workers_old_and_new_are_told_apart(self) -> None:
        self.assertEqual(parse_processes(ANSWER), Processes(9159, 3, 1, (9377,), (9162, 9100)))

    def test_an_answer_without_a_master_is_none(self) -> None:
        for text in ("", "\n", "Unknown command: show proc\n", "master\n"):
            self.assertRaises(MasterSilent, parse_processes, text)
