"""`hopfleet workflows runs|run|cancel`: what ran, and by hand what is to run or to end."""

from typing import Annotated, Any

import typer

from base.errors import HopfleetError, Misused
from db import run_rows
from db.connection import Tx
from db.run_rows import RunRow, StepRow
from db.run_rows import Which as Wanted
from ops.cli import entry, lookup, output
from ops.cli.database import transaction

CONDITIONS = "0"  # the path of the step row that holds what the conditions said

Which = Annotated[
    str,
    typer.Argument(metavar="WORKFLOW", help="Its id, the first digits of it, or its name."),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="As `workflows runs` shows it.")]
Failed = Annotated[bool, typer.Option("--failed", help="Only those that failed.")]
Since = Annotated[str | None, typer.Option(help="Only due from then on: 2h, 3d, 2026-05-01.")]


def listed(
    workflow: Which,
    failed: Failed = False,
    since: Since = None,
    limit: output.Limit = 20,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show a workflow's runs, newest first, also those that were skipped or missed, and why."""
    before = None if after is None else number(after)
    with transaction() as tx:
        row = lookup.workflow(tx, workflow)
        moment = entry.moment(since, "--since") if since else None
        found = run_rows.page(tx, Wanted(row.id, None, moment, failed), limit + 1, before)
        page = found[:limit]
        steps = run_rows.steps(tx, [one.id for one in page])
    if json:
        output.print_json([_fact(one, steps.get(one.id, [])) for one in page])
    elif page:
        columns = ("run", "due_at", "trigger", "state", "took", "steps", "why")
        output.print_table(columns, (_cells(one, steps.get(one.id, [])) for one in page))
    else:
        output.note(f"No runs of {row.name}: `hopfleet workflows run {row.id}` makes one.")
    if len(found) > limit:
        output.note(f"There are more: add --after {page[-1].id}")


def _fact(run: RunRow, steps: list[StepRow]) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "due_at": run.due_at,
        "state": run.state,
        "outcome": run.outcome,
        "reason": run.reason,
        "steps": [
            {"name": step.name, "state": step.state, "attempt": step.attempt}
            for step in steps
            if step.path != CONDITIONS
        ],
        "trigger": run.trigger,
        "version": run.version,
        "campaign_id": run.campaign_id,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def _cells(run: RunRow, steps: list[StepRow]) -> list[Any]:
    own = [step for step in steps if step.path != CONDITIONS]
    done = sum(step.state == "done" for step in own)
    took = (
        (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None
    )
    return [
        run.id, run.due_at, run.trigger, stands(run), None if took is None else duration(took),
        f"{done}/{len(own)}" if own else "", run.reason or "",
    ]  # fmt: skip


def stands(run: RunRow) -> str:
    """How a run stands, in a word or two."""
    if run.state == "done":
        return (run.outcome or "done").replace("_", " ")
    if run.state == "dead":
        return "failed"
    if run.cancel:
        return "is being cancelled"
    if run.state == "running":
        return "running"
    if run.queued:
        return "queued"
    if run.ready:
        return "ready"
    return f"waits for {run.waits_for}" if run.waits_for else "waits"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for size, unit, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // below)} {small}"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def number(typed: str) -> int:
    """A run's id as it was typed; raises `Misused`."""
    plain = typed.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) < 19):
        raise Misused(f"{typed[:50]!r} is no run: it is a number, `workflows runs` shows them.")
    return int(plain)


def found(tx: Tx, typed: str) -> RunRow:
    """The run that is meant; raises `Misused` when there is none."""
    row = run_rows.find(tx, number(typed))
    if row is None:
        raise Misused(f"There is no run {typed.strip()}: `hopfleet workflows runs` shows them.")
    return row


def cancel(run: Run, json: output.Json = False) -> None:
    """End a run that has not ended; what its steps did stays done."""
    with transaction() as tx:
        row = found(tx, run)
        if not run_rows.cancel(tx, row.id):
            raise HopfleetError(f"Run {row.id} has ended already: it {_ended(row)}.")
    if json:
        output.print_json({"run": str(row.id), "cancelled": True})
    else:
        output.say(f"Run {row.id} ends as soon as the step it is at is over.")


def _ended(run: RunRow) -> str:
    word = "failed" if run.state == "dead" else f"was {run.outcome}"
    return "has succeeded" if run.outcome == "succeeded" else word.replace("_", " ")
