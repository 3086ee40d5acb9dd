"""Ends the processes of an owner that is gone: `python -m streams.shell.local.leash`, started by process.py.

Reads `<pid> <start time>` a line. When the pipe closes, because the owner ended in whatever way, every process of the
list that is still the same one is ended.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable

from streams.shell.local.process import Process


def keep(lines: Iterable[str]) -> None:
    """Read to the end of `lines`, then end what they name."""
    held = [Process(int(pid), started) for pid, _, started in (line.strip().partition(" ") for line in lines)]
    for process in held:
        if process.alive():
            process.stop(timeout_s=5.0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep(sys.stdin)
