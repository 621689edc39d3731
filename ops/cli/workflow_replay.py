"""`hopfleet workflows replay`: runs that failed are tried again, or a run is made once more."""

from typing import Annotated
from uuid import UUID

import typer

from base.errors import Misused
from db import replays, run_rows, scopes
from db.connection import Tx
from db.run_rows import RunRow, Which
from ops.cli import entry, lookup, output
from ops.cli import workflow_runs as told
from ops.cli.database import transaction
from ops.cli.progress import bar
from rules.definitions import step_number

_CHUNK = 500


def replay(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="As `workflows runs` shows it.")
    ] = None,
    from_step: Annotated[
        str | None,
        typer.Option(metavar="N", help="A new run from this step on, by number or name."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed, of those the options name.")
    ] = False,
    since: told.Since = None,
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only of this user.")] = None,
    json: output.Json = False,
) -> None:
    """Take up a failed run at the step that failed; a run that ended otherwise begins anew."""
    if (run is not None) == failed:
        raise Misused("Name a run, or --failed with --since, --workflow or --user.")
    if run is not None:
        if since is not None or workflow is not None or user is not None:
            raise Misused("--since, --workflow and --user go with --failed, not with a run.")
        _one(run, from_step, json)
        return
    if from_step is not None:
        raise Misused("--from-step goes with one run, not with --failed.")
    if since is None and workflow is None and user is None:
        raise Misused("Say which failed ones: --since 2h, --workflow W or --user E.")
    with transaction() as tx:
        which = Which(
            lookup.workflow(tx, workflow, user).id if workflow else None,
            lookup.user(tx, user).id if user else None,
            entry.moment(since, "--since") if since else None,
            failed=True,
        )
        count = run_rows.count(tx, which)
    done = _all(which, count)
    if json:
        output.print_json({"replayed": done})
    else:
        output.say(f"Replayed {done:,} run{'' if done == 1 else 's'}.")


def _all(which: Which, count: int) -> int:
    """Chunk by chunk, the newest first, so that one that fails anew is not met again."""
    done, before = 0, None
    with bar("Replayed", count, "") as shown:
        while True:
            with transaction() as tx:
                page = run_rows.page(tx, which, _CHUNK, before)
                done += (now := replays.take_up(tx, [row.id for row in page]))
            shown.advance(now)
            if len(page) < _CHUNK:
                return done
            before = page[-1].id


def _one(typed: str, from_step: str | None, json: bool) -> None:
    with transaction() as tx:
        row = told.found(tx, typed)
        if row.state in ("pending", "running"):
            raise Misused(
                f"Run {row.id} has not ended: `hopfleet workflows cancel {row.id}` ends it."
            )
        step = None if from_step is None else _step(tx, row, from_step)
        if step is None and row.state == "dead":
            replays.take_up(tx, [row.id])
            made = row.id
        else:
            made = replays.begin_anew(tx, row, step or 1)
    if json:
        output.print_json({"run": str(made)})
        return
    how = "is taken up where it failed" if made == row.id else f"begins anew as run {made}"
    output.say(f"Run {row.id} {how}.")


def _step(tx: Tx, run: RunRow, typed: str) -> int:
    """The number of a step of the definition that the run has kept to; raises `Misused`."""
    key: tuple[UUID, int] = (run.workflow_id, run.version)
    definition = scopes.definitions(tx, [key])[key]
    found = step_number(definition.actions, typed.strip())
    if found is None:
        raise Misused(
            f"{typed[:100]!r} is no step of it: name one by its number, from 1, or by its name."
        )
    return found
