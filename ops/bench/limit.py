"""The limit: the bare server that stores nothing, and raw COPY of the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from base.clock import steady
from ops.bench import database
from ops.bench.children import child, python, wait_until_answering
from ops.bench.driving import drive
from ops.local.ports import free_port

BATCHES = (1000, 2000, 5000, 10_000)
MOST_LINES = 200_000  # sampled rows; repeated when a run needs more


@dataclass(frozen=True)
class Copied:
    """One run of COPY."""

    rows_per_second: float
    batch: int
    connections: int


def bare_server(
    targets: Path, folder: Path, environment: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """Requests a second of the same server with a constant 302; the generator's report."""
    port = free_port()
    argv = python("-m", "ops.bench.bare", str(port))
    with child("bare server", argv, environment, folder) as server:
        wait_until_answering(server, port, "/", status=302)
        watched = {"server": server.pid}
        return drive(port, targets, folder, environment, seconds=seconds, watched=watched).figures


def raw_copy(
    url: str, lines: Sequence[bytes], seconds: float, batches: Sequence[int] = BATCHES
) -> dict[str, Any]:
    """COPY into an empty copy of the table: each batch size for a short while, the best longer.

    Over one connection, which is what a worker has at a time, and over two, which is all that
    two cores can do when there are no visitors.
    """
    short = max(seconds / 5, 0.5)
    found: dict[str, Any] = {"bytes_per_row": round(sum(map(len, lines)) / len(lines))}
    for name, connections in (("one", 1), ("two", 2)):
        tried = [_copy(url, lines, short, batch, connections) for batch in batches]
        best = max(tried, key=lambda each: each.rows_per_second)
        long = _copy(url, lines, seconds, best.batch, connections)
        found[name] = {
            "rows_per_second": long.rows_per_second,
            "batch": best.batch,
            "tried": [each.__dict__ for each in tried],
        }
    return found


def _copy(url: str, lines: Sequence[bytes], seconds: float, batch: int, connections: int) -> Copied:
    database.empty(url)
    database.settle(url)
    blocks = [b"".join(lines[at : at + batch]) for at in range(0, len(lines) - batch + 1, batch)]
    # A run too short for one batch still has something to write.
    blocks = blocks or [b"".join((list(lines) * (batch // len(lines) + 1))[:batch])]
    started = steady()
    with ThreadPoolExecutor(connections) as threads:
        shares = [cycle(blocks[each::connections] or blocks) for each in range(connections)]
        done = sum(threads.map(lambda share: _write(url, share, started + seconds), shares))
    return Copied(round(done * batch / (steady() - started), 1), batch, connections)


def _write(url: str, blocks: Iterator[bytes], until: float) -> int:
    """Write block after block over one connection, a commit each; how many."""
    done = 0
    with database.session(url) as connection:
        while steady() < until:
            database.copy_in(connection, next(blocks))
            done += 1
    return done
