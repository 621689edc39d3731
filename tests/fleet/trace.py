"""What strace saw: every call of one or more processes, in the order they began and ended."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fleet.program import until

# "1234 write(7<TCP:[…]>, "…", 10) = 10", or its two halves when another thread came in between.
_BEGUN = re.compile(r"^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


@dataclass
class Call:
    """One call on one file or socket; `begun` and `ended` are places in the trace."""

    name: str
    file: str
    text: str
    begun: int
    ended: int | None


@contextmanager
def traced(folder: Path, *pids: int) -> Iterator[Path]:
    """Trace writes and syncs of these processes while the block lasts; skips where one cannot."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    out, said = folder / "trace", folder / "trace.said"
    names = "write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync"
    argv = ["strace", "-f", "-y", "-s", "100000", "-e", f"trace={names}", "-o", str(out)]
    for pid in pids:
        argv += ["-p", str(pid)]
    with said.open("wb") as errors:
        tracer = subprocess.Popen(argv, stderr=errors)
    try:
        until(lambda: said.read_bytes().count(b"attached") >= len(pids) or tracer.poll(), 10,
              "strace is attached")  # fmt: skip
        if tracer.poll() is not None:
            pytest.skip(f"strace may not attach here: {said.read_text().strip()[:200]}")
        yield out
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)


def calls(trace: Path) -> list[Call]:
    """All calls, in the order they began."""
    found: list[Call] = []
    open_calls: dict[str, Call] = {}
    with trace.open(encoding="latin-1") as lines:
        for place, line in enumerate(lines):
            if begun := _BEGUN.match(line):
                pid, name, _, file, text = begun.groups()
                found.append(Call(name, file, text, place, place))
                if text.endswith("<unfinished ...>"):
                    found[-1].ended = None
                    open_calls[pid] = found[-1]
            elif (resumed := _RESUMED.match(line)) and resumed[1] in open_calls:
                call = open_calls.pop(resumed[1])
                call.ended = place
                call.text += resumed[3]
    return found
