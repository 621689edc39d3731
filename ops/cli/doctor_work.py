"""What `doctor` looks at of the work: who does it, what waits too long, is paused, or is dead."""

from collections.abc import Iterator
from datetime import timedelta

from base.clock import now
from db import letters, processes
from db.controls import DRAINING, PAUSED
from db.letters import NOUNS, Which
from ops.cli import queues
from ops.cli.database import transaction
from ops.cli.findings import Finding, broken, warning, well
from ops.cli.queues import QueueRow

OLD_SECONDS = 60
PAUSED_SECONDS = 600


def check() -> Iterator[Finding]:
    """All of it; raises one sentence when a store is away."""
    rows = queues.read()
    hour = Which(since=now() - timedelta(hours=1))
    with transaction() as tx:
        alive = processes.alive(tx)
        fresh = sum(letters.count(tx, noun, hour) for noun in NOUNS)
    yield _scheduler(sum(one.role == "scheduler" for one in alive))
    seen = {queue for one in alive for queue in one.queues}
    yield from _workers(rows, seen)
    yield from _waiting([row for row in rows if row.queue in seen])
    yield from _paused(rows)
    if dead := sum(row.dead for row in rows):
        yield warning(
            "dead letters",
            f"{dead:,} could not be done, {fresh:,} of them came in the last hour: `hopfleet dead"
            " list --by reason` shows why, `dead replay` tries again.",
        )


def _scheduler(count: int) -> Finding:
    if count:
        return well("scheduler", f"{count} at work." if count > 1 else "It is at work.")
    return broken(
        "scheduler",
        f"None was seen for {processes.SEEN_SECONDS} s, so nobody sweeps up what is left lying or"
        " makes partitions: start `hopfleet scheduler`.",
    )


def _workers(rows: list[QueueRow], seen: set[str]) -> Iterator[Finding]:
    alone = [row for row in rows if row.depth and row.state != PAUSED and row.queue not in seen]
    for row in alone:
        yield broken(
            "workers",
            f"No worker was seen on {row.queue}, where {row.depth:,} wait: start `hopfleet worker"
            f" {row.queue}`.",
        )
    if not alone:
        yield well("workers", "Every queue where something waits has one.")


def _waiting(rows: list[QueueRow]) -> Iterator[Finding]:
    slow = [row for row in rows if row.oldest_seconds > OLD_SECONDS and row.state != PAUSED]
    for row in slow:
        yield warning(
            "work",
            f"{row.depth:,} in {row.queue} wait, the first for {row.oldest_seconds:,.0f} s: start"
            f" more of `hopfleet worker {row.queue}`, or give it more --threads.",
        )
    if not slow:
        yield well("work", f"Nothing has been waiting for more than {OLD_SECONDS} s.")


def _paused(rows: list[QueueRow]) -> Iterator[Finding]:
    for row in rows:
        if row.state not in (PAUSED, DRAINING) or row.since is None:
            continue
        seconds = (now() - row.since).total_seconds()
        says = f"{row.queue} has been {row.state} for {max(0.0, seconds):,.0f} s"
        if row.depth and seconds > PAUSED_SECONDS:
            yield warning(
                "paused", f"{says} while {row.depth:,} wait: `hopfleet queues resume {row.queue}`."
            )
        else:
            yield well("paused", f"{says}; `hopfleet queues resume {row.queue}` goes on.")
