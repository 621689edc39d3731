"""What `doctor` looks at of workflows: whether they fire in time, run, and do not fail."""

from collections.abc import Iterator

from db import workflow_troubles
from db.workflow_troubles import Troubles
from ops.cli.database import transaction
from ops.cli.findings import Finding, broken, warning, well

LATE_SECONDS = 30
OLD_SECONDS = 60


def check() -> Iterator[Finding]:
    """All of it; raises one sentence when a store is away."""
    with transaction() as tx:
        found = workflow_troubles.read(tx)
    wrong = list(_wrong(found))
    yield from wrong
    if not wrong:
        waits = f" {found.waiting_runs:,} runs wait for their time." if found.waiting_runs else ""
        yield well("workflows", f"They fire in time.{waits}")


def _wrong(found: Troubles) -> Iterator[Finding]:
    if found.late_seconds > LATE_SECONDS:
        yield broken(
            "workflows",
            f"One is due for {found.late_seconds:,.0f} s and nobody fires it: start `hopfleet"
            " scheduler`; what was missed fires by its catch_up.",
        )
    if found.oldest_run_seconds > OLD_SECONDS:
        yield warning(
            "workflows",
            f"A run waits for {found.oldest_run_seconds:,.0f} s to be taken up: start `hopfleet"
            " worker workflows`, or more of them.",
        )
    if found.paused:
        yield warning(
            "workflows",
            f"{found.paused:,} {'is' if found.paused == 1 else 'are'} paused because of a problem:"
            " `hopfleet workflows list --status paused` shows which, `workflows enable` goes on.",
        )
    if found.failing:
        yield warning(
            "workflows",
            f"{found.failing:,} {'fails' if found.failing == 1 else 'fail'}, one of them"
            f" {found.worst:,} times in a row: `hopfleet workflows runs W --failed`, then `trace`.",
        )


def words() -> str:
    """The same in a line, for `status`; empty when all is well."""
    with transaction() as tx:
        found = workflow_troubles.read(tx)
    told = (
        (found.paused, f"{found.paused:,} paused with a problem"),
        (found.failing, f"{found.failing:,} failing, {found.worst:,} times in a row at most"),
        (found.late_seconds > LATE_SECONDS, f"one due for {found.late_seconds:,.0f} s"),
        (
            found.oldest_run_seconds > OLD_SECONDS,
            f"a run waits for {found.oldest_run_seconds:,.0f} s",
        ),
    )
    return ", ".join(text for is_so, text in told if is_so)
