"""`hopfleet workflows trace`: everything about one run, as a picture or as JSON."""

import sys
from typing import Any

import typer

from base import clock
from db import run_rows, scopes, workflow_rows
from db.connection import Tx
from db.run_rows import RunRow
from ops.cli import output, workflow_picture, workflow_runs
from ops.cli.database import transaction
from ops.cli.workflow_picture import Trace
from rules.definitions import step_names

_MOST_CHILDREN = 200
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 10.0


def trace(run: workflow_runs.Run, json: output.Json = False) -> None:
    """Draw a run: its steps on a time line, their tries, and why something was not done."""
    with transaction() as tx:
        found = read(tx, workflow_runs.found(tx, run))
    show(found, json)


def read(tx: Tx, run: RunRow) -> Trace:
    """All that is known of a run."""
    steps = run_rows.steps(tx, [run.id]).get(run.id, [])
    tries: dict[str, list[run_rows.TryRow]] = {}
    for one in run_rows.tries(tx, run.id):
        tries.setdefault(one.path or "", []).append(one)
    workflow = workflow_rows.find(tx, run.workflow_id)
    definitions = scopes.definitions(tx, [(run.workflow_id, run.version)])
    definition = definitions.get((run.workflow_id, run.version))
    reached = {step.path for step in steps}
    names = [] if definition is None else step_names(definition.actions)
    ahead = [name for number, name in enumerate(names, 1) if str(number) not in reached]
    return Trace(
        run, workflow.name if workflow else "a deleted workflow", steps, tries,
        run_rows.children(tx, run.id, _MOST_CHILDREN), ahead, workflow_rows.now(tx),
    )  # fmt: skip


def show(found: Trace, json: bool) -> None:
    """Print it, as a picture or as JSON."""
    if json:
        output.print_json(_facts(found))
    else:
        output.print_drawn(workflow_picture.draw(found))


def _facts(found: Trace) -> dict[str, Any]:
    run = found.run._asdict()
    return {
        **run,
        "id": str(found.run.id),
        "parent_id": None if found.run.parent_id is None else str(found.run.parent_id),
        "next_attempt_at": None if found.run.ended_at else found.run.next_attempt_at,
        "workflow": found.name,
        "steps": [
            {
                **{name: value for name, value in step._asdict().items() if name != "run_id"},
                "tries": [one._asdict() for one in found.tries.get(step.path, [])],
            }
            for step in found.steps
        ],
        "not_reached": found.ahead,
        "runs": [
            {"id": str(one.id), "state": one.state, "outcome": one.outcome, "reason": one.reason}
            for one in found.children
        ],
    }


def follow(run_id: int, json: bool) -> None:
    """Wait until a run has ended, and draw it; leaves with exit code 1 when it failed."""
    began, told = clock.steady(), False
    while True:
        with transaction() as tx:
            row = workflow_runs.found(tx, str(run_id))
            if row.state in ("done", "dead"):
                found = read(tx, row)
                break
        if not told and row.started_at is None and clock.steady() - began > _PATIENCE_SECONDS:
            output.note(
                "Nobody has taken it up so far: does a worker run? `hopfleet up` starts it."
            )
            told = True
        clock.sleep(_POLL_SECONDS)
    if json:
        of = found.run
        output.print_json(
            {"run": str(of.id), "state": of.state, "outcome": of.outcome, "reason": of.reason}
        )
    else:
        show(found, json)
    sys.stdout.flush()
    if found.run.state == "dead":
        raise typer.Exit(1)
