"""What the kernel tells of processes: what they used, how large they are, whose children they have."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def cpu_seconds(pids: list[int]) -> float:
    """User and system time that these processes have used so far; of one that is gone, none."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def resident(pid: int) -> float:
    """MiB of memory."""
    (line,) = [text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def below(pid: int) -> list[int]:
    """Children, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [further for child in found for further in below(child)]
